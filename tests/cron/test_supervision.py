"""What stands in etc for a host without systemd, and for containers: read by its own reader where there is one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scizor.base import config as configuration
from scizor.base.paths import ROOT

ETC = ROOT / "etc"
PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# supervisor


def supervisor(text: str, tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Has supervisor's own loader read the text, and runs the code with its `options`."""
    program = shutil.which("supervisord", path=PATH)
    if program is None:
        pytest.skip("supervisor absent: its configuration was not read")
    python = Path(program).read_text().splitlines()[0].removeprefix("#!").split()[0]
    (tmp_path / "scizor.conf").write_text(text)
    script = f"from supervisor.options import ServerOptions\noptions = ServerOptions()\noptions.realize(['-c', {str(tmp_path / 'scizor.conf')!r}])\n{code}"
    (tmp_path / "var").mkdir(exist_ok=True)
    (tmp_path / "logs").mkdir(exist_ok=True)
    environment = {"PATH": PATH, "SCIZOR": str(tmp_path)}
    return subprocess.run([python, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False, env=environment, timeout=60)


PROGRAMS = "import json; print(json.dumps([[p.name, p.command, p.umask, p.stopasgroup, p.killasgroup] for g in options.process_group_configs for p in g.process_configs]))"


def test_supervisor_s_own_loader_takes_our_programs(tmp_path: Path) -> None:
    text = (ETC / "supervisor" / "scizor.conf").read_text()
    told = supervisor(text, tmp_path, PROGRAMS)
    assert told.returncode == 0, told.stderr
    programs = json.loads(told.stdout)
    assert [each[0] for each in programs] == ["scizor-replay-gateway"]
    for _, command, umask, stops_group, kills_group in programs:
        script = re.findall(r'bin/([a-z-]+)"', command)
        assert (ROOT / "bin" / script[0]).is_file() and command.startswith(f'"{tmp_path}/bin/')
        assert (umask, stops_group, kills_group) == (0o077, True, True)
    assert supervisor(text.replace("startsecs = 5", "startsecs = soon"), tmp_path, PROGRAMS).returncode != 0, "planted: what it does not take"


# compose


def composed() -> dict[str, Any]:
    """etc/compose.yaml as a client reads it, where one is installed; else as YAML."""
    file = ETC / "compose.yaml"
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0], path=PATH) and subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0:
            told = subprocess.run([*command, "--file", str(file), "config", "--format", "json", "--no-path-resolution"], capture_output=True, text=True, check=False, timeout=60)
            if told.returncode == 0:
                return dict(json.loads(told.stdout))
    import yaml

    return dict(yaml.safe_load(file.read_text()))


COMPOSED = composed()
SERVICES: dict[str, dict[str, Any]] = COMPOSED["services"]


def published(service: dict[str, Any]) -> list[str]:
    return [each if isinstance(each, str) else f"{each.get('host_ip')}:{each.get('published')}" for each in service.get("ports", [])]


@pytest.mark.parametrize("name", ["postgres", "redis", "jobs"])
def test_a_service_is_closed_watched_and_limited(name: str) -> None:
    service = SERVICES[name]
    assert all(each.startswith("127.0.0.1:") for each in published(service)), "loopback only"
    assert service["healthcheck"]["test"] and service["restart"] == "unless-stopped"
    assert service["mem_limit"] and service["logging"]["options"]["max-size"], "nothing unbounded"
    assert "no-new-privileges:true" in service["security_opt"] and not service.get("privileged") and "network_mode" not in service


def test_every_secret_is_a_file_and_none_stands_in_the_text() -> None:
    used = {each if isinstance(each, str) else each["source"] for service in SERVICES.values() for each in service.get("secrets", [])}
    assert used == set(COMPOSED["secrets"]) and all(each["file"].endswith(f"secrets/{name}") for name, each in COMPOSED["secrets"].items())
    text = (ETC / "compose.yaml").read_text()
    assert not re.search(r"(?i)password\s*[:=]\s*['\"]?[a-z0-9]{4,}['\"]?$", text, re.MULTILINE)
    assert (ROOT / ".gitignore").read_text().count("/etc/secrets/") == 1 and "etc/secrets" in (ROOT / ".dockerignore").read_text()


def test_what_compose_mounts_and_builds_is_there() -> None:
    text = (ETC / "compose.yaml").read_text()
    for source in re.findall(r"- (\./[\w./-]+):", text):
        assert (ETC / source).is_file(), source
    dockerfile = (ETC / "Dockerfile").read_text()
    assert (ROOT / SERVICES["jobs"]["build"]["dockerfile"]).is_file() and "USER root" not in dockerfile
    start = ETC / "compose" / "start"
    assert os.access(start, os.X_OK) and f"/opt/scizor/etc/compose/{start.name}" in dockerfile
    for script in re.findall(r"\$root/bin/([a-z-]+)", start.read_text()):
        assert (ROOT / "bin" / script).is_file()
    assert subprocess.run(["sh", "-n", str(start)], capture_output=True, check=False).returncode == 0


def test_the_configuration_of_the_jobs_container_loads() -> None:
    found = configuration.load(ETC / "compose" / "scizor.toml")
    assert found.database.host in SERVICES and found.database.password_file.startswith("etc/secrets/")


def test_the_roles_of_the_container_are_those_that_migrate_prints(tmp_path: Path) -> None:
    (tmp_path / "scizor.toml").write_text('mode = "paper"\n[database]\nhost = "postgres"\n')
    command = [str(ROOT / "bin" / "migrate"), "--config", str(tmp_path / "scizor.toml"), "--print-setup"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": PATH}, timeout=60).stdout
    assert (ETC / "compose" / "1-roles.sql").read_text().split("\n", 1)[1] == printed.partition("\n--\n")[0].split("\n", 1)[1] + "\n"
