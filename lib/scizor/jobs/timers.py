"""The jobs of the crontab as systemd timers: one .timer and one .service each, and whatever stands in etc/systemd, with this
checkout's path and owner. A unit is named after the script and its words: scizor-fill-gaps-recount-wait."""

from __future__ import annotations

import pwd
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from scizor.base import credentials
from scizor.base.crontab import Entry, values
from scizor.base.errors import ConfigurationError
from scizor.base.paths import Paths
from scizor.run.context import Context, Result

MADE = "# Made by bin/install-cron --systemd for {}; do not edit here, it is replaced."
DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
TEMPLATE_ROOT, TEMPLATE_USER = "/opt/scizor", "scizor"  # what etc/systemd says
STOP_SECONDS = 120

TIMER = """{made}
[Unit]
Description=scizor: {words}

[Timer]
OnCalendar={when}
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
"""

SERVICE = """{made}
[Unit]
Description=scizor: {words}
After=network-online.target

[Service]
Type=oneshot
ExecStart={command}
WorkingDirectory=/
UMask=0077
# another run holds the lock: that is no failure
SuccessExitStatus=75
# the job ends by itself after [collect] deadline_minutes; this is for one that cannot. All its processes go.
TimeoutStartSec={timeout}
TimeoutStopSec={stop}
KillMode=control-group
{more}"""


def write(context: Context, entries: list[Entry]) -> Result:
    """The units into the folder that --systemd names; only what differs, and stale ones of this checkout go."""
    if not context.config.database.host:
        raise ConfigurationError(
            "systemd ends whatever a job has started, and so the embedded server under the other jobs", hint="set [database] host, or use cron: bin/install-cron --apply"
        )
    folder = Path(context.args.systemd).expanduser().absolute()
    units = made(context, entries, is_system=folder.name == "system")
    mark = MADE.format(context.paths.root)
    stale = [each for each in sorted(folder.glob("scizor-*")) if each.is_file() and each.name not in units and each.read_text(errors="replace").startswith(mark + "\n")]
    changed = [name for name, text in units.items() if not (folder / name).exists() or (folder / name).read_text() != text]
    for what, names in (("writes", changed), ("removes", [each.name for each in stale])):
        for name in names:
            context.log.info("%s %s", what, folder / name)
            if context.args.dry_run:
                print(f"{what} {folder / name}")
    if context.args.dry_run:
        return Result()
    try:
        for name in changed:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            partial = folder / f".{Path(name).name}.partial"  # systemd must never read half a unit
            partial.write_text(units[name])
            partial.chmod(0o644)
            partial.replace(folder / name)
        for each in stale:
            each.unlink()
    except OSError as problem:
        raise ConfigurationError(f"cannot write the units: {problem}", hint="a folder of yours, or as root /etc/systemd/system") from None
    if changed or stale:
        user = "" if folder.name == "system" else "--user "
        timers = " ".join(name for name in units if name.endswith(".timer"))
        if sys.stdout.isatty():
            print(f"now: systemctl {user}daemon-reload && systemctl {user}enable --now {timers}")
    return Result(f"{len(changed)} unit files written, {len(stale)} removed in {folder}", was_idle=not (changed or stale))


def made(context: Context, entries: list[Entry], *, is_system: bool) -> dict[str, str]:
    """Name → text of every unit. is_system: for the system's manager: as the checkout's owner, and hardened."""
    root, mark = context.paths.root, MADE.format(context.paths.root)
    for path in (root, context.paths.state, context.paths.logs, context.config.file):
        if not str(path).isprintable() or set("\"'\\") & set(str(path)):
            raise ConfigurationError(f"systemd takes no path with quotes, backslashes or line ends: {path}", hint="move it, or use cron: bin/install-cron --apply")
    more = ""
    if context.config.file:
        more += f'Environment="SCIZOR_CONFIG={_escaped(str(context.config.file.resolve()))}"\n'
    more += "".join(f"LoadCredential={name}:{_escaped(str(credentials.source(name)))}\n" for name in credentials.named(context.config))
    if is_system:
        more += f"User={_owner(root)}\nReadWritePaths=" + " ".join(f'"{_escaped(each)}"' for each in writable(context.config, context.paths)) + "\n"
    units: dict[str, str] = {}
    for entry in entries:
        words = re.findall(r'"\$SCIZOR"/bin/([a-z-]+)(.*)', entry.command)
        if len(words) != 1:
            raise ConfigurationError(f"the entry {str(entry)!r} calls no script of ours alone", hint="see cron/scizor.crontab, which git restores")
        script, arguments = words[0][0], words[0][1].split()
        name = "scizor-" + re.sub(r"[^a-z0-9]+", "-", " ".join([script, *arguments])).strip("-")
        says = {"made": mark, "words": " ".join([script, *arguments])}
        units[f"{name}.timer"] = TIMER.format(**says, when=calendar(entry))
        timeout = context.config.collect.deadline_minutes * 60 + int(context.config.gateway.request_timeout_seconds) + 300
        command = f'"{_escaped(str(root / "bin" / script))}"' + "".join(f" {_escaped(each)}" for each in arguments)
        units[f"{name}.service"] = SERVICE.format(**says, command=command, timeout=timeout, stop=STOP_SECONDS, more=more)
    if is_system:
        for file in sorted((root / "etc" / "systemd").rglob("*")):
            if file.is_file():
                text = re.sub(rf"{TEMPLATE_ROOT}\b", lambda _: str(root), file.read_text())
                units[str(file.relative_to(root / "etc" / "systemd"))] = f"{mark}\n" + re.sub(rf"^User={TEMPLATE_USER}$", f"User={_owner(root)}", text, flags=re.MULTILINE)
    return units


def writable(config: object, paths: Paths) -> list[str]:
    """What a job may write: state, logs, and whatever directory a section of the configuration names; that one need not be there yet."""
    named = [getattr(getattr(config, each.name), "directory", "") for each in fields(cast(Any, config))]
    return sorted({str(paths.state), str(paths.logs)}) + sorted({f"-{paths.root / Path(each).expanduser()}" for each in named if each})


def calendar(entry: Entry) -> str:
    """The entry as OnCalendar=, in UTC whatever the host's zone. systemd.time(7)."""
    minute, hour, day, month, weekday = entry.fields
    if day != "*" and weekday != "*":
        raise ConfigurationError(f"{' '.join(entry.fields)}: cron means either day, systemd would mean both")
    days = "" if weekday == "*" else ",".join(DAYS[each] for each in values(weekday, 0, 7)) + " "
    return f"{days}*-{_field(month, 1, 12)}-{_field(day, 1, 31)} {_field(hour, 0, 23)}:{_field(minute, 0, 59)}:00 UTC"


def _field(text: str, low: int, high: int) -> str:
    return "*" if text == "*" else ",".join(f"{each:02}" for each in values(text, low, high))


def _escaped(text: str) -> str:
    """Within a unit's quotes: systemd expands %; $ it expands in arguments only, and ours have none."""
    return text.replace("%", "%%")


def _owner(root: Path) -> str:
    return pwd.getpwuid(root.stat().st_uid).pw_name
