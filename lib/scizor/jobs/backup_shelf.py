"""The folder of backups: which lie there, what a killed run left, what has served its time, and the page that shows them.

Beside each verified backup lies NAME.verified.json, so that they can be told apart when the database is what was lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from scizor.base.errors import ScizorError, UsageError
from scizor.base.generations import Kept, Made, surplus
from scizor.db import backups
from scizor.db.backups import Backup
from scizor.run import dumping, sealing
from scizor.run.context import Context

LATEST = "latest"
PROOF = ".verified.json"


def place(context: Context) -> Path:
    """Where backups lie: --to, else [backup] directory."""
    named = getattr(context.args, "to", None)
    return Path(named).resolve() if named else context.config.backup_directory()


def new_name(context: Context, of: str) -> str:
    """The database's name and the instant; unique in the folder."""
    stem = f"{slug(of)}-{context.clock.now():%Y%m%dT%H%M%SZ}"
    names = [stem, *(f"{stem}-{n}" for n in range(2, 1000))]
    folder = place(context)
    return next(each for each in names if not (folder / each).exists() and not (folder / f"{each}.partial").exists())


def slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def clean(context: Context, of: str) -> None:
    """What a killed run left: its partial folders go; its row is closed, or, if the folder got whole, goes on as complete."""
    for each in sorted(place(context).glob("*.partial")):
        if re.fullmatch(rf"{slug(of)}-\d{{8}}T\d{{6}}Z(-\d+)?\.partial", each.name) and each.is_dir():
            context.log.warning("removing %s: its run did not finish", each)
            sealing.remove(each)
    for row in context.transact(backups.load):
        if row.state == "writing":
            adopt(context, row)


def adopt(context: Context, row: Backup) -> None:
    """A row whose run is gone. Also what a restored database says of the very backup that it came from."""
    folder, now = Path(row.path), context.clock.now()
    try:
        manifest = dumping.load(folder)
        sha = bytes.fromhex(sealing.hash_of(folder / sealing.SUMS))
    except (ScizorError, OSError):
        context.transact(lambda c: backups.failed(c, row.id, "expired", "its run was killed and left nothing", now))
        return
    context.transact(lambda c: backups.complete(c, row.id, size=size_of(folder), sha256=sha, manifest=manifest, now=now))


def resolve(context: Context, named: str) -> Path:
    """A backup by its folder, by its name, or the newest verified one. UsageError names what there is."""
    folder = place(context)
    if named == LATEST:
        proved = [each for each in proofs(folder) if (folder / each[1] / dumping.MANIFEST).exists()]
        if proved:
            return folder / max(proved)[1]
        raise UsageError(f"no verified backup in {folder}", hint="bin/backup makes one; --to names another folder")
    for each in (Path(named), folder / named):
        if (each / dumping.MANIFEST).exists():
            return each.resolve()
    known = sorted(each.parent.name for each in folder.glob(f"*/{dumping.MANIFEST}"))
    raise UsageError(f"{named} is no backup", hint=f"there are: {', '.join(known[-5:])}" if known else f"none is in {folder}")


def proofs(folder: Path) -> list[tuple[str, str]]:
    """(taken at, name) of the backups that lie beside a proof."""
    found = []
    for file in folder.glob(f"*{PROOF}"):
        try:
            found.append((str(json.loads(file.read_bytes())["taken_at"]), file.name.removesuffix(PROOF)))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def is_reachable(folder: Path) -> bool:
    """The folder, or other backups beside it: a disk that is not mounted has neither."""
    return folder.is_dir() or any(folder.parent.glob(f"*/{dumping.MANIFEST}"))


def prove(folder: Path, manifest: dict[str, Any], result: dict[str, Any]) -> None:
    proof = {"taken_at": manifest["taken_at"], **result}
    sealing.put_text(folder.with_name(folder.name + PROOF), json.dumps(proof, indent=1) + "\n")


def disprove(folder: Path) -> None:
    folder.with_name(folder.name + PROOF).unlink(missing_ok=True)


def size_of(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def due(context: Context, rows: Sequence[Backup]) -> list[Backup]:
    """What has served its time, oldest first; nothing while the newest is not verified."""
    backup = context.config.backup
    kept = Kept(backup.daily, backup.weekly, backup.monthly, backup.yearly, backup.last)
    made = [Made(row.id, row.started_at, row.state) for row in rows if row.state != "writing"]
    gone = {each.number for each in surplus(made, kept)}
    return [row for row in rows if row.id in gone]


def prune(context: Context) -> list[str]:
    """Removes it: files first, then the row says so. Returns the names."""
    names = []
    for row in due(context, context.transact(backups.load)):
        if context.stop.is_asked:
            break
        folder = Path(row.path)
        if not is_reachable(folder) or (folder.is_dir() and not (folder / dumping.MANIFEST).exists()):
            context.log.warning("%s is left alone: its disk is not there, or it does not look like a backup", folder)
            continue
        disprove(folder)
        sealing.remove(folder)
        context.transact(lambda c, which=row.id: backups.expired(c, which))  # type: ignore[misc]
        context.log.info("removed %s", folder)
        names.append(folder.name)
    return names


def page(rows: Sequence[Backup], now: datetime) -> str:
    """One line a backup, and what could be brought back, from when and how fast."""
    lines = [f"{'taken at':<17}  {'state':<9} {'MB':>9} {'rows':>12}  {'back in':>8}  folder"]
    for row in reversed(rows):
        result = row.result or {}
        took = f"{result['restore_seconds']:.0f} s" if "restore_seconds" in result else "-"
        mb = f"{row.size / 1e6:,.1f}" if row.size is not None else "-"
        lines.append(f"{row.started_at:%Y-%m-%d %H:%M}Z  {row.state:<9} {mb:>9} {row.manifest.get('rows', 0):>12,}  {took:>8}  {row.path}")
        if row.state in ("corrupt", "complete") and "why" in result:
            lines.append(f"{'':<19}{result['why']}")
    lines += ["", objectives(rows, now)]
    return "\n".join(lines)


def objectives(rows: Sequence[Backup], now: datetime) -> str:
    """RPO and RTO as they are, not as they were planned."""
    verified = [row for row in rows if row.state == "verified"]
    if not verified:
        return "RPO: nothing can be brought back, there is no verified backup. HINT: bin/backup"
    newest = max(verified, key=lambda row: row.started_at)
    age = int((now - newest.started_at).total_seconds())
    took = (newest.result or {}).get("restore_seconds", 0.0)
    return (
        f"RPO: what is younger than {newest.started_at:%Y-%m-%d %H:%M}Z would be lost ({age // 3600}:{age % 3600 // 60:02} h); "
        f"RTO: bringing the rest back took {took:.1f} s, comparison included"
    )
