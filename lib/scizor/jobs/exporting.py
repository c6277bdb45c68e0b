"""What bin/export does beside writing: reads files back and compares them, lets years go, and brings them back.

A file is proved when its bytes have the manifest's SHA-256, its pages their checksums, its values the digest of what was
exported, and, while the table still holds them, the table's own values now. Only then may its year leave the table; and the
database counts for itself once more (detach_bar_partition).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scizor.archive import files, table
from scizor.archive.manifest import Entry, Manifest
from scizor.base.errors import FindingError, RefusedError
from scizor.base.exit import Exit
from scizor.base.progress import progress
from scizor.db import archives, migrate
from scizor.db.archives import Former, Held
from scizor.run import history
from scizor.run.context import Context, Result

if TYPE_CHECKING:
    import pyarrow as pa


ROWS_AT_ONCE = 20_000  # former versions of one statement


@dataclass(slots=True)
class Tally:
    """What a run did. lines: what a person must read, the most important first."""

    written: int = 0
    unchanged: int = 0
    bars: int = 0
    bytes: int = 0
    verified: int = 0
    damaged: int = 0
    is_cut_short: bool = False
    lines: list[str] = field(default_factory=list)


def stored_bars(context: Context, each: Held) -> pa.Table:
    """The bars of a piece, from the table, and of a year that left it from its file too."""
    piece = each.piece
    if each.folder:
        return history.load(context.connection, piece.symbol, each.series, piece.origin, piece.start, piece.end)
    return table.parse(archives.copy_out(context.connection, each.series, piece.start, piece.end), piece)


def former_bars(context: Context, each: Held) -> pa.Table:
    """The former versions of a piece's bars, from the table."""
    piece = each.piece
    return table.parse(archives.copy_former(context.connection, each.series, piece.start, piece.end), piece, former=True)


def verify(context: Context, found: Manifest, chosen: Sequence[Held], tally: Tally) -> None:
    """Reads the files of what was chosen back. A damaged one that the table can replace is taken out of the manifest, so
    that the next run writes it anew."""
    proved: list[tuple[str, bytes]] = []
    root = str(found.folder)
    # Of the file for which a year left the table there is nothing to compare with: its digest tells.
    own = [each for each in chosen if not (each.folder == root and each.piece.is_whole)]
    held = {f"{each.piece.former_path}.{context.args.format}": each for each in own if each.former}
    held |= {f"{each.piece.path}.{context.args.format}": each for each in own}
    others = [path for path, entry in found.entries.items() if path not in held and _is_asked(context, entry)]
    is_forgotten = False
    with progress("verify", len(held) + len(others)) as advance:
        for path in [*held, *others]:
            if context.stop.is_asked:
                tally.is_cut_short = True
                break
            entry, each = found.entries.get(path), held.get(path)
            try:
                sha = check(context, found, entry, path, each)
            except FindingError as problem:
                tally.lines.append(problem.message)
                tally.damaged += 1
                if each is not None and path in found.entries:
                    del found.entries[path]
                    is_forgotten = True
                continue
            if entry and not entry.former and each and each.piece.is_whole and not each.folder and path.endswith(".parquet"):
                # a folder that was copied here, or a database that was restored, may not know the file yet
                archives.written(
                    context.connection, root, path, each, entry.counted, entry.bytes, sha, bytes.fromhex(entry.digest), entry.written_at,
                    _beside(found, path),
                )  # fmt: skip
            proved.append((path, sha))
            tally.verified += 1
            advance(text=path)
    if is_forgotten:
        found.save()
    archives.verified(context.connection, root, proved, context.clock.now())


def _beside(found: Manifest, path: str) -> Former | None:
    """The file of former versions beside a file of bars, as the manifest has it."""
    entry = found.entries.get(archives.former_of(path))
    if entry is None:
        return None
    return Former(entry.path, entry.counted.rows, entry.counted.newest, bytes.fromhex(entry.sha256), bytes.fromhex(entry.digest))


def check(context: Context, found: Manifest, entry: Entry | None, path: str, held: Held | None) -> bytes:
    """The SHA-256 of a file that is what the manifest and the table say; FindingError says what it is not."""
    if entry is None:
        raise FindingError(f"{path} is not in the manifest")
    file = found.folder / path
    sha = files.sha256(file)
    if sha.hex() != entry.sha256:
        raise FindingError(f"{path} has changed since it was written: its SHA-256 is another")
    bars = files.read(file, entry.piece, former=entry.former)
    counted = table.counted(bars)
    if counted != entry.counted._replace(flags=counted.flags if entry.counted.flags < 0 else entry.counted.flags) or table.digest(bars).hex() != entry.digest:
        raise FindingError(f"{path} does not hold the values that were exported")
    if held is not None:
        stored = former_bars(context, held) if entry.former else stored_bars(context, held)
        if table.digest(stored) != table.digest(bars):
            raise FindingError(f"{path} is not what is stored now: {stored.num_rows:,} bars there, {bars.num_rows:,} here")
    return sha


def detach(context: Context, found: Manifest, tally: Tally) -> dict[int, int]:
    """Takes the years out of the table; how many bars left, by year. What the database refuses becomes a line."""
    gone = {}
    for year in sorted(set(context.args.year)):
        try:
            gone[year] = archives.detach(context.connection, year, str(found.folder), context.clock.now())
            context.log.info("detached %d: %d bars left the table", year, gone[year])
        except FindingError as refusal:
            tally.lines.append(f"{year} stays: {refusal.message}")
    return gone


def bring_back(context: Context, found: Manifest) -> Result:
    """From files into the table. What is there already is compared and left as it is."""
    if found.mode != context.config.mode:
        raise RefusedError(f"{found.folder} holds bars of mode {found.mode}, not {context.config.mode}")
    args, connection = context.args, context.connection
    wanted = [
        entry for path, entry in sorted(found.entries.items(), key=lambda each: (each[1].former, each[0]))
        if path.endswith(f".{args.format}") and _is_asked(context, entry)
    ]  # fmt: skip
    years = sorted({entry.piece.year for entry in wanted})
    if not wanted:
        return Result(f"{found.folder} holds no {args.format} file of what was asked", was_idle=True)
    if not args.dry_run:
        _make_place(context, years)
    total, tally = archives.Returned(0, 0, 0), Tally()
    with progress("import", len(wanted)) as advance:
        for entry in wanted:
            if context.stop.is_asked:
                tally.is_cut_short = True
                break
            try:
                done = _bring(context, found, entry)
                total = archives.Returned(*(a + b for a, b in zip(total, done, strict=True)))
                tally.verified += 1
            except FindingError as problem:
                tally.lines.append(problem.message + (f". HINT: {problem.hint}" if problem.hint else ""))
            advance(text=entry.piece.symbol)
    if not args.dry_run:
        archives.settle(connection, years, context.clock.now())
    would = "would be " if args.dry_run else ""
    summary = f"{tally.verified} of {len(wanted)} files: {total.stored:,} bars {would}stored, {total.same:,} were there"
    if total.other:
        summary += f", {total.other:,} are otherwise in the table and stay so"
    if args.dry_run:
        print("\n".join([summary, *tally.lines]))
        return Result(was_idle=True)
    result = Result(summary, failures=tally.lines, counts={"targets": len(wanted), "succeeded": tally.verified, "rows_stored": total.stored})
    if tally.lines:
        result.status, result.kind = (Exit.FINDING, "archive")
    elif tally.is_cut_short:
        result.status, result.hint = Exit.PARTIAL, "run it again: what is there is not stored twice"
    return result


def _bring(context: Context, found: Manifest, entry: Entry) -> archives.Returned:
    """One file: proved, stored, and compared with what the table then says."""
    check(context, found, entry, entry.path, None)
    if entry.former:
        return _bring_former(context, found, entry)
    bars = files.read(found.folder / entry.path, entry.piece)
    done = archives.give_back(
        context.connection, entry.piece, entry.con_id, table.text(bars), entry.requests, context.clock.now(), is_trial=context.args.dry_run
    )
    if context.args.dry_run or done.other:
        return done
    series = archives.series_of(context.connection, entry.piece, entry.con_id)
    stored = table.parse(archives.copy_out(context.connection, series, entry.piece.start, entry.piece.end), entry.piece)
    extra = stored.num_rows - bars.num_rows
    if extra == 0 and table.digest(stored).hex() != entry.digest:
        raise FindingError(f"{entry.path}: the table does not hold what the file says")
    if extra > 0:
        context.log.info("%s: the table holds %d bars more than the file", entry.path, extra)
    return done


def _bring_former(context: Context, found: Manifest, entry: Entry) -> archives.Returned:
    """Former versions, after the bars that they belong to: without those they would be a past of nothing."""
    versions = files.read(found.folder / entry.path, entry.piece, former=True)
    total = archives.Returned(0, 0, 0)
    for start in range(0, versions.num_rows, ROWS_AT_ONCE):
        part = versions.slice(start, ROWS_AT_ONCE)
        columns = {name: part[name].to_pylist() for name in table.FORMER}
        done = archives.give_back_former(context.connection, entry.piece, entry.con_id, columns, is_trial=context.args.dry_run)
        total = archives.Returned(*(a + b for a, b in zip(total, done, strict=True)))
    if context.args.dry_run:  # the bars before which they stand would be there by then
        return archives.Returned(total.stored + total.other, total.same, 0)
    if total.other:
        context.log.warning("%s: %d former versions are otherwise here, or their bar is: they stay in the file", entry.path, total.other)
    return total


def _make_place(context: Context, years: Iterable[int]) -> None:
    """Partitions for these years: detached ones that are still there, whole; else new ones."""
    beside = {each.year for each in archives.detached(context.connection)}
    for year in years:
        if year in beside:
            try:
                back = archives.attach(context.connection, year, context.clock.now())
                context.log.info("attached %d: %d bars are back, and are compared with their files", year, back)
            except FindingError as refusal:
                context.log.info("%s: the files' bars are stored beside them", refusal.message)
        migrate.make_partitions(context.connection, year, year)


def _is_asked(context: Context, entry: Entry) -> bool:
    args, piece = context.args, entry.piece
    return (
        (not args.symbol or piece.symbol in {each.upper() for each in args.symbol})
        and (not args.timeframe or str(piece.timeframe) in args.timeframe)
        and (not args.year or piece.year in args.year)
        and (not args.source or piece.origin.source == args.source)
        and entry.path.endswith(f".{args.format}")
    )
