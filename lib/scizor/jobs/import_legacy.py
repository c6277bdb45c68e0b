"""bin/import-legacy: the previous product's bars, through the one path to bars, under an origin of their own.

Nothing is asked of the Gateway, and nothing that we collected changes: the bars come in as TRADES of the source `legacy`, so the
official series, its coverage and market_data are as they were. A stretch of a series at a time is stored, in a transaction of
its own; a run that was killed goes on by finding what is there unchanged. In the end every row of the source is looked for
in the tables, whatever the import has counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.base.progress import progress
from scizor.db import answer, legacy, migrate, originals, requests, series, windows
from scizor.db import symbols as stored_symbols
from scizor.db.connect import Connection
from scizor.db.coverage import load_series
from scizor.db.legacy import Proved, Source
from scizor.db.sql import query
from scizor.jobs import calendars
from scizor.jobs.show import aligned
from scizor.market import calendar
from scizor.market import legacy as words
from scizor.market.legacy import Row, Theirs
from scizor.market.types import Instrument, Kind, Origin, Outcome, OutcomeKind, Session, Timeframe, Window
from scizor.market.universe import Listed
from scizor.run.context import Context, Result

LEGACY = Origin(Kind.TRADES, "legacy", True)
STRETCH_ROWS = 50_000  # in memory at a time; a stretch ends where a session does
CONFLICT, UNFINISHED = "legacy_conflict", "unfinished"


@dataclass(slots=True)
class Counts:
    """What the windows said; the proof asks the tables."""

    windows: int = 0
    stored: int = 0
    revised: int = 0
    unchanged: int = 0
    done: int = 0
    rules: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Known:
    """Who is who. instruments: ours by id. made: what had to be made, or would have to be. unknown: theirs that are nobody's."""

    instruments: Mapping[int, Instrument]
    of: Mapping[str, Instrument]
    made: tuple[Listed, ...]
    unknown: tuple[Theirs, ...]


def run(context: Context) -> Result:
    args, now, connection = context.args, context.clock.now(), context.connection
    connection.execute("SET statement_timeout TO 0")  # a sort of all rows takes as long as it takes
    source = legacy.inspect(connection, args.source_schema)
    zone, said = _zone(context, source)
    print(said)
    theirs = legacy.symbols(connection, source)
    only = _only(theirs, args.symbol)
    known = _known(context, theirs if only is None else [each for each in theirs if each.id in only], now)
    found = legacy.sizes(connection, source, zone, only)
    total = sum(each.rows for each in found)
    if not total:
        return Result(f"{source.told} has no row" + (" of these symbols" if only else ""), was_idle=True)
    spelled = {each.spelled: size for each in found if each.spelled is not None and (size := words.timeframe_of(each.spelled))}
    zones = {name: calendar.zone(name).key for name in {each.calendar for each in known.instruments.values()}}
    mapping = legacy.Mapping(
        list(known.of), [each.symbol_id for each in known.of.values()], [zones[each.calendar] for each in known.of.values()],
        list(spelled), [size.value for size in spelled.values()], only, zone,
    )  # fmt: skip
    if args.dry_run:
        row = connection.execute(query("origin_id"), series.key_of(LEGACY)).fetchone()
        origin = int(row[0]) if row else 0
        _tell(legacy.proof(connection, source, mapping, origin), [], known, is_dry=True)
        return Result(f"{total:,} rows in {source.told}; nothing was written")
    origin = _origin(context)
    ends = legacy.span(found)
    sessions = calendars.load(context, list(known.instruments.values()), now, earliest=ends[0] - timedelta(days=7) if ends else None)
    if ends:
        first, last = max(ends[0].year, 1970), min(ends[1].year, now.year)
        context.transact(partial(migrate.make_partitions, first_year=first, last_year=max(first, last)))
    context.transact(partial(legacy.refuse, source=source, mapping=mapping, run_id=context.row.id if context.row else None, now=now))
    counts = Counts()
    with progress("rows", total) as bar, legacy.rows(connection, source, mapping) as rows:
        for instrument, timeframe, stretch in _stretches(rows, known.instruments):
            _keep(context, instrument, timeframe, origin, stretch, sessions[instrument.calendar], counts)
            bar(len(stretch), text=f"{instrument.symbol} {timeframe}")
            if context.stop.is_asked:
                return Result(f"{counts.done:,} of {total:,} rows; run it again, it goes on", counts=_row_counts(counts))
    proved = legacy.proof(context.connection, source, mapping, origin)
    refused = legacy.rules(context.connection, source, origin, None if only is None else [each.symbol_id for each in known.of.values()])
    _tell(proved, refused, known, is_dry=False)
    return _verdict(source, proved, total, counts)


def _verdict(source: Source, proved: Sequence[Proved], total: int, counts: Counts) -> Result:
    """0 when every row of the source was found again in the tables."""
    rows, lost = sum(each.rows for each in proved), sum(each.lost for each in proved)
    stored, duplicates, refused = (sum(getattr(each, name) for each in proved) for name in ("stored", "duplicates", "quarantined"))
    sums = f"{rows:,} rows of {source.told} = {stored:,} stored + {duplicates:,} duplicates + {refused:,} quarantined"
    if lost or rows != total:
        odd = f"{lost:,} are nowhere" if lost else f"the table had {total:,} before"
        return Result(
            f"{sums}, and {odd}", Exit.FINDING, [f"{each.timeframe}: {each.lost:,} of {each.rows:,} rows" for each in proved if each.lost],
            hint="does anything still write to it? stop that, and run it again", counts=_row_counts(counts),
        )  # fmt: skip
    done = f"{counts.stored:,} bars were new, {counts.revised:,} changed, {counts.unchanged:,} unchanged"
    return Result(f"{sums}; {done}", counts=_row_counts(counts), was_idle=not counts.stored and not counts.revised)


def _origin(context: Context) -> int:
    """The number of the origin, made when it is new: then its prices are said to be as they were traded, though nobody knows as of
    when the previous product had them adjusted, for so no split ever converts them, and they stay what they were."""
    is_new = context.connection.execute(query("origin_id"), series.key_of(LEGACY)).fetchone() is None
    number = series.origin_id(context.connection, LEGACY)
    if is_new:
        context.connection.execute("UPDATE origins SET price_basis = 'traded' WHERE id = %s", [number])
    return number


def _row_counts(counts: Counts) -> dict[str, int]:
    return {"targets": counts.windows, "succeeded": counts.windows, "rows_stored": counts.stored + counts.revised}


def _zone(context: Context, source: Source) -> tuple[str, str]:
    """The zone of instants without one, and what to say of it."""
    stated = originals.stated_zone(context.connection)
    zone = context.args.time_zone or stated
    if zone and not legacy.has_zone(context.connection, zone):
        raise UsageError(f"there is no time zone {zone}", hint="for example Australia/Sydney, UTC")
    why = "as --time-zone says" if context.args.time_zone else "as the database stated before it was migrated"
    if source.is_naive and not zone:
        raise UsageError(
            f"the timestamps of {source.told} name no time zone, and the database stated none",
            hint="--time-zone Australia/Sydney, or whatever clock they were written by",
        )
    if source.is_naive:
        return zone, f"timestamps without a zone are taken as {zone}, {why}"
    return zone or "UTC", f"timestamps name their instants; midnights in {zone or 'UTC'}" + (f", {why}," if zone else "") + " are dates"


def _only(theirs: Iterable[Theirs], wanted: Sequence[str] | None) -> list[str] | None:
    """Their ids of the symbols that are meant; None: all rows, those of nobody too."""
    if not wanted:
        return None
    codes = {stored_symbols.valid(each) for each in wanted}
    there = {each.symbol.strip().upper(): each.id for each in theirs}
    if missing := sorted(codes - there.keys()):
        raise UsageError(f"the previous product had no {', '.join(missing)}", hint="--symbol takes its codes")
    return [each.id for each in theirs if each.symbol.strip().upper() in codes]


def _known(context: Context, theirs: Sequence[Theirs], now: datetime) -> Known:
    """Theirs as ours. What we lack is made, not active: importing its past is no wish to collect it."""
    ours, lives = stored_symbols.load_listed(context.connection), stored_symbols.load_lives(context.connection)
    found: dict[str, str] = {}
    made: dict[str, Listed] = {}
    unknown: list[Theirs] = []
    for each in theirs:
        there = words.identify(each, ours, lives)
        if there is None and (there := words.instrument(each, ours)) is not None:
            made[there.symbol] = ours[there.symbol] = there
        if there is None:
            unknown.append(each)
        else:
            found[each.id] = there.symbol
    if made and not context.args.dry_run:
        context.transact(partial(stored_symbols.store_listed, listed=list(made.values()), now=now, active=False))
    instruments = {each.symbol: each for each in stored_symbols.load_instruments(context.connection, now, inactive=True)}
    for number, new in enumerate(made.values()):  # in a dry run they have a number that is nobody's
        instruments.setdefault(new.symbol, Instrument(-1 - number, new.symbol, new.exchange, new.calendar, new.currency, None, 9))
    of = {identity: instruments[symbol] for identity, symbol in found.items()}
    return Known({each.symbol_id: each for each in of.values()}, of, tuple(made.values()), tuple(unknown))


def _stretches(
    rows: Iterator[tuple[int, str, Row]], instruments: Mapping[int, Instrument]
) -> Iterator[tuple[Instrument, Timeframe, list[Row]]]:
    """The rows of a series, some thousand at a time, whole days."""
    for (our_id, timeframe), group in groupby(rows, key=lambda each: each[:2]):
        held: list[Row] = []
        for _, _, row in group:
            if len(held) >= STRETCH_ROWS and row.day != held[-1].day:
                yield instruments[our_id], Timeframe(timeframe), held
                held = []
            held.append(row)
        yield instruments[our_id], Timeframe(timeframe), held


def _keep(
    context: Context, instrument: Instrument, timeframe: Timeframe, origin: int, rows: Sequence[Row], sessions: Sequence[Session],
    counts: Counts,
) -> None:  # fmt: skip
    """Stores a stretch: a window, and what the previous product contradicts itself in."""
    now = context.clock.now()
    settled = words.settle(rows, timeframe, over := answer.finished_to(sessions, now), now)
    if settled.conflicts:
        chosen = legacy.accepted(context.connection, instrument.symbol_id, timeframe.value, origin, CONFLICT)
        settled = words.settle(rows, timeframe, over, now, chosen)
    counts.done, counts.windows = counts.done + len(rows), counts.windows + 1
    if settled.bars:
        bars = words.bars(settled.bars, timeframe)
        text = words.exact(windows.text_of(timeframe, bars, sessions), settled.bars)
        outcome = Outcome(OutcomeKind.OK, tuple(bars), text="imported", asked_at=now, answered_at=now)
        window = _window(instrument, timeframe, settled.bars)
        done = context.transact(
            lambda connection: windows.store_text(connection, context.row, None, window, outcome, text, now, sessions)
        )
        counts.stored, counts.revised, counts.unchanged = (
            counts.stored + done.stored, counts.revised + done.revised, counts.unchanged + done.unchanged,
        )  # fmt: skip
        counts.rules.update(done.rules)
    for rule, refused in ((CONFLICT, settled.conflicts), (UNFINISHED, settled.unfinished)):
        if refused:
            counts.rules[rule] += len(refused)
            context.transact(partial(_quarantine, context=context, instrument=instrument, timeframe=timeframe, rows=refused, rule=rule, now=now))


def _window(instrument: Instrument, timeframe: Timeframe, rows: Sequence[Row]) -> Window:
    days = [each.day for each in rows]
    if timeframe is Timeframe.DAY1:
        return Window(instrument, timeframe, min(days), max(days), LEGACY)
    end = rows[-1].start + timedelta(seconds=timeframe.seconds)
    return Window(instrument, timeframe, min(days), max(days), LEGACY, rows[0].start, end)


def _quarantine(
    connection: Connection, context: Context, instrument: Instrument, timeframe: Timeframe, rows: Sequence[Row], rule: str, now: datetime
) -> None:
    """Rows that no rule for one bar refuses, under a request of their own; what is there already is not added again."""
    with connection.transaction():
        series.lock_symbol(connection, instrument.symbol_id)
        mine, known = load_series(connection, instrument.symbol_id, timeframe, LEGACY)
        outcome = Outcome(OutcomeKind.OK, text=f"imported: {rule}", asked_at=now, answered_at=now)
        counts = dict.fromkeys(("stored", "revised", "unchanged", "duplicates", "unfinished"), 0)
        counts |= {"records_collected": len(rows), "quarantined": len(rows)}
        window = _window(instrument, timeframe, rows)
        requests.store_request(connection, known.request, context.row, window, mine.origin, outcome, counts, now, is_pending=False)
        connection.execute(query("quarantine"), {
            **mine.key, "request_id": known.request, "now": now, "starts": [each.start for each in rows],
            "dates": [each.day for each in rows], "rules": [rule] * len(rows), "raws": [each.raw for each in rows],
        })  # fmt: skip


def _tell(proved: Sequence[Proved], refused: Sequence[tuple[str, str, int]], known: Known, *, is_dry: bool) -> None:
    """The counts by bar size, as the tables have them; who was made, and who is nobody's."""
    head = ("bars", "rows", "stored", "duplicates", "quarantined", "to import" if is_dry else "lost")
    lines = [(each.timeframe, *(f"{count:,}" for count in (each.rows, each.stored, each.duplicates, each.quarantined, each.lost))) for each in proved]
    print(aligned([head, *lines], set(range(1, 6))))
    for rule, timeframe, count in refused:
        print(f"  quarantined {rule} {timeframe}: {count:,}")
    if known.made:
        print(("would make, " if is_dry else "made, ") + "not collected: " + ", ".join(f"{each.symbol} ({each.exchange})" for each in known.made))
    if known.unknown:
        named = ", ".join(f"{each.symbol} ({each.exchange or 'no exchange'})" for each in known.unknown[:20])
        print(f"no instrument could be made of: {named}" + (f" and {len(known.unknown) - 20} more" if len(known.unknown) > 20 else ""))
