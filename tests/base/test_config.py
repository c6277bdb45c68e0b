"""The configuration: one list seen four ways, and every mistake in it named at once (rows 76 to 78)."""

from __future__ import annotations

import os
import tomllib
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scizor.base import config, credentials
from scizor.base.config import Config, load, secret
from scizor.base.errors import ConfigurationError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT


def write(directory: Path, text: str) -> Path:
    path = directory / "scizor.toml"
    path.write_text(text)
    return path


def refused(directory: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        load(write(directory, text))
    assert refusal.value.exit is Exit.CONFIGURATION
    return refusal.value.message


def test_the_example_reads_as_the_defaults(tmp_path: Path) -> None:
    assert load(write(tmp_path, config.example())) == load(write(tmp_path, "")) == Config()


def test_the_example_shows_every_key_with_its_meaning() -> None:
    shown = tomllib.loads(config.example())
    for each in fields(Config):
        if each.name == "file":
            continue
        assert each.name in shown
        if isinstance(shown[each.name], dict):
            default = getattr(Config(), each.name)
            assert shown[each.name] == {key.name: getattr(default, key.name) for key in fields(default)}
    lines = [line for line in config.example().splitlines() if "=" in line.split("#")[0]]
    assert all(line.partition("# ")[2] for line in lines)


def test_row_78_an_unknown_key_is_refused_by_name_with_its_line_and_the_nearest_known_one(tmp_path: Path) -> None:
    assert "line 2: unknown key database.prot, did you mean database.port?" in refused(tmp_path, "[database]\nprot = 5432\n")
    assert "line 1: unknown section gatewy, did you mean gateway?" in refused(tmp_path, "[gatewy]\nport = 1\n")
    assert refused(tmp_path, "zzzzzz = 1\n").endswith("line 1: unknown key zzzzzz")


def test_row_78_every_problem_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    text = (
        'mode = "papr"\n[database]\nport = "5432"\nconnect_timeout_seconds = -1\n[gateway]\nport = 1e9\n'
        "request_timeout_seconds = nan\n[pacing]\nrequests_max = 1000000000\n[mail]\ntimeout_seconds = true\n"
    )
    message = refused(tmp_path, text)
    for part in (
        "line 1: mode must be one of live, paper, replay, not 'papr'",
        "line 3: database.port must be a whole number, not '5432'",
        "line 4: database.connect_timeout_seconds must lie in 1 to 600, not -1",
        "line 6: gateway.port must be a whole number, not 1000000000.0",
        "line 7: gateway.request_timeout_seconds must lie in 0.1 to 3600, not nan",
        "line 9: pacing.requests_max must lie in 1 to 60, not 1000000000",
        "line 11: mail.timeout_seconds must be a number, not True",
    ):
        assert part in message


@pytest.mark.parametrize(
    "text",
    [
        "[database]\nport = 1\nport = 2\n", "mode = paper\n", "[database\n", "= 3\n", "mode = 'live'\nmode = 'live'\n",
        "a = " + "[" * 100_000, "port = " + "9" * 5000, "\x00", "[a.b.c.d]\nx = 1\n",
    ],
)  # fmt: skip
def test_row_78_what_is_no_TOML_of_ours_is_one_refusal_and_never_a_traceback(tmp_path: Path, text: str) -> None:
    assert "scizor.toml" in refused(tmp_path, text)


@pytest.mark.parametrize("text", ["mode = replay\n", "[paths]\nstate=/srv/scizor # here\n"])
def test_row_78_a_text_without_quotes_is_told_to_be_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(write(tmp_path, text))
    assert refusal.value.hint == 'put text in quotes, as in mode = "paper"'
    with pytest.raises(ConfigurationError) as refusal:
        load(write(tmp_path, "[database\n"))
    assert refusal.value.hint == ""


def test_row_78_bytes_that_are_no_text_and_numbers_beyond_measure_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "scizor.toml"
    path.write_bytes(b"mode = \"\xff\xfe\"\n")
    with pytest.raises(ConfigurationError, match="cannot read"):
        load(path)
    assert "must lie in" in refused(tmp_path, "[mail]\ntimeout_seconds = 1" + "0" * 400 + "\n")


def test_a_text_with_control_characters_is_refused(tmp_path: Path) -> None:
    for text in ("a\\u0000b", "a\\nb", "a\\u001bb"):
        assert "paths.state must hold no control characters" in refused(tmp_path, f'[paths]\nstate = "{text}"\n')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[gateway]\nclient_id_first = 9\nclient_id_last = 8\n", "client_id_first is above"),
        ("[pacing]\nrequests_max = 10\ndaemon_share = 10\n", "leaves nothing for the jobs"),
        ('[backup]\nrecipients = "age1x"\n', "what cannot be read back is never verified"),
        ('mode = "replay"\n[clock]\norigin = "2025-01-15T06:00:00Z"\n', "clock.origin and clock.started go together"),
        ('mode = "replay"\n[clock]\norigin = "yesterday"\nstarted = "2025-01-15T06:00:00"\n', "must look like"),
        ('[clock]\norigin = "2025-01-15T06:00:00Z"\nstarted = "2025-01-15T06:00:00Z"\n', 'belongs to mode = "replay" only'),
        ('mode = "live"\n[clock]\nspeed = 60\n', 'belongs to mode = "replay" only'),
        ('mode = "replay"\n[clock]\nspeed = 60\n', "clock.speed needs clock.origin"),
        ('[mail]\nhost = "localhost"\n', "mail.host is set and mail.to is empty"),
        ('[mail]\nhost = "localhost"\nto = " , "\n', "mail.host is set and mail.to is empty"),
        ("mode = 3\n", "must be text"),
        ("database = 3\n", "database is a section"),
        ("[gateway]\nclient_id_first = 0\n", "must lie in 1"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in refused(tmp_path, text)


def test_a_whole_number_will_do_for_a_number(tmp_path: Path) -> None:
    found = load(write(tmp_path, "[mail]\ntimeout_seconds = 5\n"))
    assert found.mail.timeout_seconds == 5.0 and isinstance(found.mail.timeout_seconds, float)


def test_the_clock_comes_from_the_configuration(tmp_path: Path) -> None:
    text = 'mode = "replay"\n[clock]\norigin = "2025-01-15T06:00:00Z"\nstarted = "2026-01-01T00:00:00Z"\nspeed = 60\n'
    clock = load(write(tmp_path, text)).make_clock()
    assert (clock.origin, clock.started, clock.speed) == (datetime(2025, 1, 15, 6, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), 60.0)


def test_paths_are_relative_to_the_checkout_and_never_to_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = load(write(tmp_path, '[paths]\nstate = "var/x"\nlogs = "/somewhere/logs"\n')).make_paths()
    assert paths.state == ROOT / "var" / "x" and paths.logs == Path("/somewhere/logs")


def test_a_missing_file_names_the_example(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(tmp_path / "absent.toml")
    assert "scizor.example.toml" in refusal.value.hint and "bin/demo" in refusal.value.hint


def test_SCIZOR_CONFIG_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCIZOR_CONFIG", "/somewhere/mine.toml")
    assert config.default_file() == Path("/somewhere/mine.toml")
    monkeypatch.delenv("SCIZOR_CONFIG")
    assert config.default_file() == ROOT / "etc" / "scizor.toml"


# Secrets


@pytest.mark.parametrize("mode", [0o644, 0o440, 0o404, 0o666, 0o777])
def test_row_76_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "password"
    file.write_text("cAnArY")
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"permissions {mode:04o} on {file} must be 0400") as refusal:
        secret(str(file))
    assert refusal.value.hint == f"chmod 0400 {file}" and "cAnArY" not in str(refusal.value)


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_row_76_a_secret_of_ours_alone_is_read(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "password"
    file.write_text(" hunter2\n")
    file.chmod(mode)
    assert secret(str(file)) == "hunter2"
    assert secret("") is None


def test_row_76_what_is_no_secret_file_is_refused_by_name(tmp_path: Path) -> None:
    binary, empty, pipe, folder = (tmp_path / name for name in ("binary", "empty", "pipe", "folder"))
    binary.write_bytes(b"cAnArY\xff\xfe")
    empty.write_text("\n")
    os.mkfifo(pipe, 0o400)
    folder.mkdir(0o700)
    for file in (binary, empty):
        file.chmod(0o400)
    for file in (binary, empty, pipe, folder, tmp_path / "absent"):
        with pytest.raises(ConfigurationError, match=f"secret file {file}") as refusal:
            secret(str(file))
        assert "cAnArY" not in str(refusal.value)


def test_row_77_a_refused_configuration_never_repeats_a_password_that_was_put_there(tmp_path: Path) -> None:
    message = refused(tmp_path, '[database]\npassword = "cAnArY"\nport = "postgresql://a:cAnArY@db"\n')
    assert "cAnArY" not in message and "database.password, did you mean database.password_file?" in message


def test_a_credential_is_what_systemd_has_loaded_and_else_the_file_that_it_is_loaded_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "ROOT", tmp_path)
    own = tmp_path / "etc" / "secrets" / "collector"
    own.parent.mkdir(parents=True)
    own.write_text("of the file\n")
    own.chmod(0o400)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert config.secret("credential:collector") == "of the file"
    loaded = tmp_path / "loaded"
    loaded.mkdir()
    (loaded / "collector").write_text("of systemd\n")
    (loaded / "collector").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(loaded))
    assert config.secret("credential:collector") == "of systemd"
    own.chmod(0o440)
    (loaded / "collector").unlink()
    with pytest.raises(ConfigurationError, match="must be 0400"):
        config.secret("credential:collector")
    for name in ("", "../collector", "a/b", "a\nb"):
        with pytest.raises(ConfigurationError, match="names no credential"):
            config.secret(f"credential:{name}")
    named = replace(config.Config(), database=replace(config.DatabaseConfig(), password_file="credential:b", owner_password_file="credential:a"))
    assert credentials.named(named) == ["a", "b"] and credentials.named(config.Config()) == []
