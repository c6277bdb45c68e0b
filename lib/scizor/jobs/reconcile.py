"""bin/reconcile: what two sources say of the same sessions, and which of them is wrong.

Shorter bars against the daily ones of the same symbol; or a second vendor's file against what is stored. Both at prices as
traded, so that a split between two fetches is no difference. Every difference becomes a row of reconciliations; bars are
never changed by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import reconcile as stored
from scizor.db import symbols as stored_symbols
from scizor.db.reconcile import Series
from scizor.jobs import listing
from scizor.jobs.listing import tell
from scizor.market import due, reconcile, reconcile_file
from scizor.market.exchanges import ZONES
from scizor.market.ladder import ladder
from scizor.market.reconcile import Difference
from scizor.market.types import Bar, Timeframe
from scizor.run.context import Context, Result

COLUMNS = ("symbol", "timeframe", "session", "at", "field", "ours", "theirs", "wrong", "reason")
CONTEXT = timedelta(days=14)  # of our bars on each side of a file's, to judge by
LINES_MAX = 30  # of differences that nothing is wrong with; the table has all


class Compared(NamedTuple):
    """A series and what differs. sessions: how many were compared."""

    of: Series
    against: str
    found: list[tuple[date, Difference]]
    sessions: int
    first: date
    last: date


def run(context: Context) -> Result:
    args = context.args
    if args.files and (args.first or args.last or args.days):
        raise UsageError("a file says itself from when to when it is", hint="leave out --from, --to and --days")
    if args.days and args.first:
        raise UsageError("--days and --from both say when to begin", hint="leave out one")
    done = _files(context) if args.files else _shorter(context)
    if not done:
        return Result("no symbol has both daily bars and shorter ones of these days", was_idle=True)
    if not args.dry_run:
        for each in done:
            run_id = context.row.id if context.row else None
            kept = _by_session(each.found)
            stored.store(context.connection, each.of, each.against, kept, each.first, each.last, context.clock.now(), run_id)
    return _told(context, done, is_own=not args.files)


def _by_session(found: Sequence[tuple[date, Difference]]) -> list[tuple[date, Difference]]:
    """One row a session and field: of several bars the first of the gravest, with how many there are."""
    grave = ("ours", "unknown", "theirs", "neither")
    rows: dict[tuple[date, str], list[Difference]] = {}
    for day, one in found:
        rows.setdefault((day, one.field), []).append(one)
    kept = []
    for (day, _), each in rows.items():
        first = min(each, key=lambda one: grave.index(one.wrong))
        at = f"{first.start:%H:%M} UTC: " if isinstance(first.start, datetime) else ""
        more = f" (one of {len(each)} bars)" if len(each) > 1 else ""
        kept.append((day, first._replace(reason=f"{at}{first.reason}{more}")))
    return kept


# Shorter bars against daily ones


def _shorter(context: Context) -> list[Compared]:
    args = context.args
    today = due.latest_today(context.clock.now())
    first = due.parse_date(args.first, today) if args.first else date.min
    first = today - timedelta(days=args.days) if args.days else first
    last = due.parse_date(args.last, today) if args.last else today
    wanted = [stored_symbols.valid(each) for each in args.symbol] or None
    known = stored.series(context.connection, wanted, None)
    daily = {each.symbol_id: each for each in known if each.timeframe is Timeframe.DAY1}
    chosen = [
        each for each in known
        if each.timeframe is not Timeframe.DAY1 and each.symbol_id in daily and args.timeframe in (None, str(each.timeframe))
    ]  # fmt: skip
    if not chosen and wanted:
        raise UsageError("there is no symbol with daily bars and shorter ones to compare", hint="bin/collect-daily fetches daily bars")
    done = []
    for each in chosen:
        low, high = max(first, each.first, daily[each.symbol_id].first), min(last, each.last, daily[each.symbol_id].last)
        if low <= high:
            done.append(_one(context, daily[each.symbol_id], each, low, high))
    return done


def _one(context: Context, daily: Series, shorter: Series, first: date, last: date) -> Compared:
    whole = stored.sessions(context.connection, shorter, first, last)
    bars = stored.bars(context.connection, daily, first - CONTEXT, last)
    tick_size = ladder(daily.calendar).tick_size
    found: list[tuple[date, Difference]] = []
    before: Bar | None = None
    shared = 0
    for bar in bars:
        day = bar.start
        if day in whole and day >= first:
            shared += 1
            differences = reconcile.against_shorter(bar, whole[day], before, tick_size)
            found += [(day, _closer(context, shorter, each, bar)) for each in differences]
        before = bar
    return Compared(daily, str(shorter.timeframe), found, shared, first, last)


def _closer(context: Context, shorter: Series, one: Difference, daily: Bar) -> Difference:
    """Looks at the bars themselves where they go beyond the daily range."""
    if one.wrong != "unknown" or "goes beyond" not in one.reason:
        return one
    limit = daily.high if one.field == "high" else daily.low
    wrong, reason = reconcile.spike(stored.bars(context.connection, shorter, daily.start, daily.start), one.field, limit)
    return one._replace(wrong=wrong, reason=f"{one.reason}: {reason}")


# A second vendor's file


def _files(context: Context) -> list[Compared]:
    args = context.args
    symbol = stored_symbols.valid(args.symbol[0]) if len(args.symbol) == 1 else ""
    size = Timeframe(args.timeframe) if args.timeframe else Timeframe.DAY1
    done: list[Compared] = []
    for path in args.files:
        zone = args.zone or ZONES.get(_calendar(context, symbol), "UTC")
        read = reconcile_file.read(path.name, _bytes(path), zone, symbol)
        for problem in read.problems:
            context.log.warning("%s", problem)
        if read.is_daily is not (size is Timeframe.DAY1):
            raise UsageError(f"{path}: these bars are {'daily' if read.is_daily else 'shorter than a day'}", hint="--timeframe 1min, 5min, ...")
        known = {each.symbol: each for each in stored.series(context.connection, list(read.bars), size)}
        if not known:
            raise UsageError(f"{path}: nothing is stored of {', '.join(sorted(read.bars)[:5])} in {size}", hint="--symbol CODE, --timeframe")
        done += _file(context, args.name or path.name, known, read)
    return done


def _file(context: Context, name: str, known: dict[str, Series], read: reconcile_file.Read) -> list[Compared]:
    found: dict[str, list[Difference]] = {}
    common: Counter[date] = Counter()
    days: dict[str, dict[date, date]] = {}
    spans = {}
    for symbol, series in known.items():
        theirs = read.bars[symbol]
        zone = ZoneInfo(ZONES.get(series.calendar, "UTC"))
        first, last = _date(theirs[0].start, zone), _date(theirs[-1].start, zone)
        ours = stored.bars(context.connection, series, first - CONTEXT, last + CONTEXT)
        shared = {each.start for each in ours} & {each.start for each in theirs}
        common.update(shared)
        found[symbol] = reconcile.compare(ours, theirs, ladder(series.calendar).tick_size)
        days[symbol] = {each.start: _date(each.start, zone) for each in (*ours, *theirs)}
        spans[symbol] = first, last, len({_date(each, zone) for each in shared})
    judged = reconcile.whole_days(found, common)
    return [
        Compared(known[symbol], name[:200], [(days[symbol][one.start], one) for one in each], spans[symbol][2], *spans[symbol][:2])
        for symbol, each in judged.items()
    ]  # fmt: skip


def _calendar(context: Context, symbol: str) -> str:
    known = stored_symbols.load_listed(context.connection)
    return known[symbol].calendar if symbol in known else "XASX"


def _bytes(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(reconcile_file.BYTES_MAX + 1)
    except OSError as problem:
        raise UsageError(f"cannot read {path}: {problem.strerror}") from None


def _date(start: date | datetime, zone: ZoneInfo) -> date:
    """The session that a bar belongs to: the exchange's day, which no exchange of ours shares between two sessions."""
    return start.astimezone(zone).date() if isinstance(start, datetime) else start


# What a person reads


def _told(context: Context, done: Sequence[Compared], *, is_own: bool) -> Result:
    rows = list(_rows(done))
    sessions = sum(each.sessions for each in done)
    votes = Counter(one.wrong for each in done for _, one in each.found)
    if context.args.form != "text":
        print(listing.render(rows, COLUMNS, context.args.form))
    names = ("the daily bar", "the shorter ones") if is_own else ("ours", "the other source")
    parts = ((votes["ours"], f"{names[0]} wrong"), (votes["theirs"], f"{names[1]} wrong"), (votes["neither"], "both right"), (votes["unknown"], "unknown"))
    said = ", ".join(f"{count} {word}" for count, word in parts if count)
    summary = f"{sessions} sessions of {len(done)} series compared" + (f": {said}" if said else ", and they agree")
    serious = [each for each in rows if each["wrong"] in (("ours", "theirs", "unknown") if is_own else ("ours", "unknown"))]
    if not serious:
        if context.args.form == "text" and rows:
            print(listing.render(rows[:LINES_MAX], COLUMNS, "text"))
        return tell(summary) if context.args.form == "text" else Result(summary)
    lines = listing.render(serious, COLUMNS, "text").splitlines()
    return Result(summary, Exit.FINDING, lines, hint="the table reconciliations has all; bin/explain SYMBOL TIMEFRAME DAY says where a bar is from")


def _rows(done: Iterable[Compared]) -> Iterable[dict[str, object]]:
    for each in done:
        for day, one in each.found:
            at = f"{one.start:%H:%M}" if isinstance(one.start, datetime) else None
            yield {
                "symbol": each.of.symbol, "timeframe": f"{each.of.timeframe} against {each.against}", "session": day, "at": at,
                "field": one.field, "ours": one.ours, "theirs": one.theirs, "wrong": one.wrong, "reason": one.reason,
            }  # fmt: skip
