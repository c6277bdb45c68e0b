"""bin/export: which years of which series to write, and writing them. What proves, detaches and brings back is in exporting.py.

The path of a bar: db.archives.held (what there is) -> copy_out (CSV) -> archive.table.parse -> archive.files.write ->
the manifest and `archives`. The former versions of its bars go the same way into a file beside it. A year that has not changed since
its files were written is left alone: rows, newest known_from, and the sums of revisions and flags tell.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scizor.archive import files, manifest, table
from scizor.archive.manifest import Entry, Manifest
from scizor.base.errors import NoSpaceError, RefusedError, UsageError
from scizor.base.exit import Exit
from scizor.base.progress import progress
from scizor.db import archives
from scizor.db import symbols as stored_symbols
from scizor.db.archives import Former, Held
from scizor.jobs import exporting
from scizor.jobs.exporting import Tally
from scizor.market import due
from scizor.market.pieces import year_of
from scizor.market.types import Timeframe
from scizor.run.context import Context, Result

if TYPE_CHECKING:
    import pyarrow as pa

ROW_BYTES = {"parquet": 20, "csv": 160}
FILE_BYTES = 8000  # columns, statistics and page heads of a Parquet file, however few its rows
SAVED_EVERY = 200  # files: so many are written again, at worst, after a kill
LINES_MAX = 12


def run(context: Context) -> Result:
    """Exports, verifies and detaches, or imports, what the options choose."""
    args = context.args
    _refuse_contradictions(context)
    folder = folder_of(context)
    if args.back:
        return exporting.bring_back(context, manifest.load(folder))
    found = manifest.load(folder, context.config.mode)
    if found.mode != context.config.mode:
        raise RefusedError(f"{folder} holds bars of mode {found.mode}, not {context.config.mode}", hint="name another: --folder")
    chosen = choose(context)
    waiting = [each for each in chosen if not is_current(found, each, args.format)]
    if kept := [each for each in chosen if each.counted is None and is_only_copy(found, each)]:
        context.log.info("%d files are of years that left the table and of which it has something again; they stay as they are", len(kept))
    if args.dry_run:
        print(plan(context, folder, chosen, waiting))
        return Result(was_idle=True)
    tally = Tally(unchanged=len(chosen) - len(waiting))
    _make_room(folder, waiting, args.format)
    write(context, found, waiting, tally)
    if (args.verify or args.detach) and not tally.is_cut_short:
        exporting.verify(context, found, chosen, tally)
    gone = exporting.detach(context, found, tally) if args.detach and not tally.is_cut_short and not tally.damaged else {}
    return result_of(tally, gone, is_idle=not (args.verify or args.detach))


def folder_of(context: Context) -> Path:
    named = context.args.folder
    return Path(named).expanduser().resolve() if named else context.paths.state / "archive"


def choose(context: Context) -> list[Held]:
    """What is stored of what the options name."""
    args, connection = context.args, context.connection
    start, end = span_of(context)
    symbols = None
    if args.symbol:
        found = stored_symbols.load_instruments(connection, context.clock.now(), args.symbol, inactive=True)
        symbols = [each.symbol_id for each in found]
    held = archives.held(connection, start, end, symbols=symbols, timeframes=args.timeframe or None, source=args.source)
    return [each for each in held if not args.year or each.piece.year in args.year]


def span_of(context: Context) -> tuple[datetime, datetime]:
    """[start, end) of the bars' starts: whole years where nothing else is said."""
    args = context.args
    years = sorted(args.year) or [1900, 2150]
    start, end = year_of(years[0])[0], year_of(years[-1])[1]
    latest = due.latest_today(context.clock.now())
    if args.first:
        start = max(start, _midnight(due.parse_date(args.first, latest)))
    if args.last:
        end = min(end, _midnight(due.parse_date(args.last, latest)) + timedelta(days=1))
    if start >= end:
        raise UsageError("--from, --to and --year leave no day")
    return start, end


def is_current(found: Manifest, each: Held, form: str) -> bool:
    """Whether the file that the manifest names still says what is stored. Only a look at its size: --verify reads."""
    if form == "parquet" and is_only_copy(found, each):
        return True
    wanted = [(each.piece.path, each.counted), *([(each.piece.former_path, each.former)] if each.former else [])]
    for path, counted in wanted:
        entry = found.entries.get(f"{path}.{form}")
        if entry is None or entry.counted != counted:
            return False
        file = found.folder / entry.path
        if not (file.is_file() and file.stat().st_size == entry.bytes):
            return False
    return True


def is_only_copy(found: Manifest, each: Held) -> bool:
    """The file for which a year left the table: there may be no other, so it is never written again. What the table got of
    that year since goes into a file when the year is imported and detached anew."""
    return each.folder == str(found.folder) and each.piece.is_whole


def write(context: Context, found: Manifest, waiting: Sequence[Held], tally: Tally) -> None:
    """Writes each file, and the manifest every now and then. A stop is heeded between two files."""
    connection, now = context.connection, context.clock.now()
    unsaved = 0
    with progress("export", len(waiting)) as advance:
        for each in waiting:
            if context.stop.is_asked:
                tally.is_cut_short = True
                break
            path = f"{each.piece.path}.{context.args.format}"
            bars = exporting.stored_bars(context, each)
            if not bars.num_rows:  # it left between the look and now
                continue
            evidence = archives.requests(connection, each.series, each.piece.start, each.piece.end)
            entry, size = _put(found, each, path, bars, evidence, now)
            beside = None
            if each.former and (former := exporting.former_bars(context, each)).num_rows:
                other, more = _put(found, each, archives.former_of(path), former, evidence, now)
                beside = Former(other.path, other.counted.rows, other.counted.newest, bytes.fromhex(other.sha256), bytes.fromhex(other.digest))
                tally.written, size = tally.written + 1, size + more
            if each.piece.is_whole and context.args.format == "parquet":
                sha, digest = bytes.fromhex(entry.sha256), bytes.fromhex(entry.digest)
                archives.written(connection, str(found.folder), path, each, entry.counted, entry.bytes, sha, digest, now, beside)
            tally.written, tally.bars, tally.bytes = tally.written + 1, tally.bars + entry.counted.rows, tally.bytes + size
            context.log.debug("wrote %s: %d bars, %d bytes", path, entry.counted.rows, size)
            advance(text=each.piece.symbol)
            unsaved += 1
            if unsaved == SAVED_EVERY:
                found.save()
                unsaved = 0
    if unsaved:
        found.save()


def _put(
    found: Manifest, each: Held, path: str, bars: pa.Table, evidence: tuple[dict[str, Any], ...], now: datetime
) -> tuple[Entry, int]:
    """Writes one file and names it in the manifest; the entry, and the file's size."""
    file = found.folder / path
    files.write(bars, file)
    first, last = table.ends(bars)
    former = "known_to" in bars.column_names
    entry = Entry(
        path, each.piece, table.counted(bars), first, last, file.stat().st_size, files.sha256(file).hex(), table.digest(bars).hex(), now,
        each.con_id, () if former else evidence, former,
    )  # fmt: skip
    found.entries[path] = entry
    return entry, entry.bytes


def plan(context: Context, folder: Path, chosen: Sequence[Held], waiting: Sequence[Held]) -> str:
    """What would be written, how much, and where."""
    rows = sum(each.rows for each in waiting)
    lines = [
        f"{len(waiting)} files to write of {len(chosen)}, {rows:,} bars, about {_size(waiting, context.args.format) / 1e6:.1f} MB, "
        f"in {folder}"
    ]
    shown = waiting if context.args.verbose else waiting[:LINES_MAX]
    lines += [f"  {each.piece.path}.{context.args.format}  {each.rows:,} bars" for each in shown]
    if len(waiting) > len(shown):
        lines.append(f"  … and {len(waiting) - len(shown)} more (-v shows all)")
    if context.args.detach:
        years = ", ".join(map(str, sorted(context.args.year)))
        lines.append(f"then {years} would be verified and detached: {sum(each.rows for each in chosen):,} bars leave the table")
    return "\n".join(lines)


def result_of(tally: Tally, gone: dict[int, int], *, is_idle: bool) -> Result:
    """0; 3 when it was cut short; 4 when a file is damaged or a year may not go."""
    parts = [f"{tally.written} files written, {tally.bars:,} bars, {tally.bytes / 1e6:.1f} MB; {tally.unchanged} unchanged"]
    if tally.verified:
        parts.append(f"{tally.verified} verified")
    parts += [f"{year} detached: {bars:,} bars" for year, bars in gone.items()]
    result = Result("; ".join(parts), failures=tally.lines, was_idle=is_idle and not tally.written)
    if tally.lines:
        result.status, result.kind = Exit.FINDING, "archive"
        result.hint = "what the table still holds is written anew by the next run; the rest must come from a copy"
    elif tally.is_cut_short:
        result.status, result.hint = Exit.PARTIAL, "run it again: it goes on where it stopped"
    return result


def _refuse_contradictions(context: Context) -> None:
    args = context.args
    sizes = [str(each) for each in Timeframe]
    if unknown := [each for each in args.timeframe if each not in sizes]:
        raise UsageError(f"--timeframe {unknown[0]} is none of {', '.join(sizes)}")
    if any(not 1900 <= year <= 2150 for year in args.year):
        raise UsageError("--year takes a year as 2009")
    if args.detach and (not args.year or args.symbol or args.timeframe or args.source or args.first or args.last):
        raise UsageError("--detach takes whole years of everything: --year YEAR and no other choice")
    if args.detach and args.format != "parquet":
        raise UsageError("--detach needs Parquet, which has checksums of its own")
    if args.back and (args.detach or args.verify):
        raise UsageError("--import goes without --detach and --verify: it always compares")
    if args.back and (args.first or args.last):
        raise UsageError("--import takes files as they are: --symbol, --timeframe, --year choose among them")


def _make_room(folder: Path, waiting: Sequence[Held], form: str) -> None:
    """NoSpaceError before the first file, rather than at the hundredth."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free, needed = shutil.disk_usage(there).free, _size(waiting, form)
    if needed > free:
        raise NoSpaceError(f"{folder} needs about {needed / 1e9:.2f} GB, and has {free / 1e9:.2f} GB", hint="name another: --folder")


def _size(waiting: Sequence[Held], form: str) -> int:
    return sum(each.rows * ROW_BYTES[form] + FILE_BYTES for each in waiting)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
