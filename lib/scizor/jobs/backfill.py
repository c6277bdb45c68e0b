"""bin/backfill: years of bars of any size, on purpose. It chooses windows; fetching.py fetches and stores, telling.py tells.

The one path to bars: chunks.windows -> paced.fetch_all (class backfill, behind everybody else) -> db.windows.store. What is
stored is never asked again, so it may be stopped at any point and goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import NamedTuple

from scizor.base.errors import UsageError
from scizor.base.protocols import PacingClass
from scizor.db import coverage as stored_coverage
from scizor.db import symbols as stored_symbols
from scizor.db import watchlist as stored_watchlist
from scizor.db.series import origin_id
from scizor.db.watchlist import Intraday
from scizor.jobs import answering, calendars, fetching, heads, telling
from scizor.market import chunks, due
from scizor.market.chunk_size import STEPS, USUAL, sizes
from scizor.market.chunks import SMALL_BARS_DAYS, Want
from scizor.market.types import Coverage, Instrument, Kind, Origin, Session, Timeframe, Window
from scizor.run.context import Context, Result

AGAIN = "run it again: it goes on where it stopped"


def run(context: Context) -> Result:
    """Everything that the watch-lists' flags want, or what the options name."""
    now, args = context.clock.now(), context.args
    wants = wanted(context, now)
    if not wants:
        return Result("no watch-list wants shorter bars: bin/watchlist set --1min or --5min, or name --symbol", was_idle=True)
    instruments = list({each.instrument.symbol_id: each.instrument for each in wants}.values())
    sessions = calendars.load(context, instruments, now, earliest=min(each.first for each in wants))

    def windows(step: int) -> list[Window]:
        return plan(context, wants, sessions, now, step=step)

    if not args.dry_run:
        if heads.learn(context, wants, windows(answering.step(context)), PacingClass.BACKFILL):
            wants = wanted(context, now)  # the contracts are known by now
        heads.explain(context, wants, sessions)
    return carry_out(context, windows, sessions, instruments, Manner(PacingClass.BACKFILL, "history", "nothing is missing", AGAIN))


class Manner(NamedTuple):
    """label: what the progress bar says; idle: what is said when there is nothing to do; again: what a person can do about a
    failure at once."""

    pacing_class: PacingClass
    label: str
    idle: str
    again: str


def carry_out(
    context: Context, choose: Callable[[int], list[Window]], sessions: Mapping[str, Sequence[Session]],
    instruments: Sequence[Instrument], manner: Manner,
) -> Result:  # fmt: skip
    """Tells the plan (and no more with --dry-run), fetches and stores, and says what could not be had. choose: the windows,
    given the step of their size; asked again when the answers ask for another one."""
    step, most = answering.step(context), context.args.limit
    windows = choose(step)[:most]
    told = telling.plan_of(context, windows, sessions, instruments, {}, manner.pacing_class)
    if context.args.dry_run:
        print(told)
        return Result(was_idle=True)
    if not windows:
        return Result(manner.idle, was_idle=True)
    context.log.info("%s", told)
    if sys.stderr.isatty():
        print(told, file=sys.stderr)
    total = fetching.Tally(0)
    while windows:
        changed = (
            partial(answering.is_other, context, step)
            if most is None and answering.may_change(context, windows)
            else None
        )
        total.add(asyncio.run(fetching.collect(
            context, windows, sessions, label=manner.label, pacing_class=manner.pacing_class, enough=changed
        )))  # fmt: skip
        if not total.is_cut or context.stop.is_asked:
            break
        step = answering.step(context)
        windows = choose(step)
        context.log.info("requests are of size %d of %d now: %d are left", step + 1, len(STEPS), len(windows))
    return telling.result_of(total, manner.again)


def wanted(context: Context, now: datetime) -> list[Want]:
    """The series that are wanted, the most urgent first. UsageError for options that contradict each other."""
    args = context.args
    named = bool(args.symbol or args.watchlist)
    if args.symbol and args.watchlist:
        raise UsageError("--symbol and --watchlist both say which symbols: name one of them")
    today = due.latest_today(now)
    first = due.parse_date(args.first, today) if args.first else None
    last = due.parse_date(args.last, today) if args.last else None
    if first and last and last < first:
        raise UsageError(f"--from {first} lies after --to {last}")
    timeframes = [Timeframe(each) for each in args.timeframe]
    if args.symbol and not timeframes:
        raise UsageError("--symbol needs --timeframe", hint="for instance --timeframe 1min; repeatable")
    oldest = now.date() - timedelta(days=SMALL_BARS_DAYS)
    if first and first < oldest and (small := [each.value for each in timeframes if each.seconds <= 30]):
        raise UsageError(
            f"IB keeps {' and '.join(small)} bars for six months: --from {first} lies before {oldest}",
            hint=f"--from {oldest}",
        )
    flags = {} if args.symbol else stored_watchlist.load_intraday(context.connection, args.watchlist)
    instruments = stored_symbols.load_instruments(context.connection, now, args.symbol or None)
    if named and not args.symbol:
        instruments = [each for each in instruments if each.symbol_id in flags]
    origin = Origin(Kind(args.kind), regular_hours=not args.all_hours)
    found = [
        Want(each, timeframe, first or begin(context, each, timeframe, flags.get(each.symbol_id), now), last, origin)
        for each in instruments for timeframe in timeframes or flagged(flags.get(each.symbol_id))
    ]  # fmt: skip
    return sorted(found, key=lambda each: (each.instrument.priority, -each.timeframe.seconds, each.instrument.symbol))


def flagged(flags: Intraday | None) -> list[Timeframe]:
    """What a symbol's watch-lists want, the longer bars first: they cost less and say more."""
    if flags is None:
        return []
    return [Timeframe.MIN5] * flags.collect_5min + [Timeframe.MIN1] * flags.collect_1min


def begin(context: Context, instrument: Instrument, timeframe: Timeframe, flags: Intraday | None, now: datetime) -> date:
    """The horizon: of daily bars in years, of shorter ones in days."""
    terms = context.config.collect
    if timeframe is Timeframe.DAY1:
        return due.horizon(now, instrument.daily_years or terms.daily_years)
    return now.date() - timedelta(days=(flags.days if flags and flags.days else terms.intraday_days))


def plan(
    context: Context, wants: Iterable[Want], sessions: Mapping[str, Sequence[Session]], now: datetime, *, holes: bool = False,
    step: int = USUAL, also: Mapping[tuple[int, Timeframe, Origin], Collection[date]] = {},
) -> list[Window]:  # fmt: skip
    """The windows of all series, those of one priority newest first across symbols: the newest days of all come before the
    oldest of one. step: of their size. also: by series, sessions to be asked for whatever is known."""
    args = context.args
    size = sizes(step, getattr(args, "sessions", None))
    found: list[tuple[int, int, Window]] = []
    coverages: dict[tuple[Timeframe, Origin], Mapping[int, Coverage]] = {}
    for want in wants:
        key = (want.timeframe, want.origin)
        if key not in coverages:
            number = origin_id(context.connection, want.origin)
            coverages[key] = stored_coverage.load(context.connection, want.timeframe, want.origin, number)
        windows = chunks.windows(
            want, coverages[key].get(want.instrument.symbol_id), sessions[want.instrument.calendar], now,
            context.config.collect.settle_minutes, size=size, holes=holes, is_forced=args.retry_failed,
            also=also.get((want.instrument.symbol_id, want.timeframe, want.origin), ()),
        )  # fmt: skip
        found += [(want.instrument.priority, -want.timeframe.seconds, window) for window in windows]
    found.sort(key=lambda each: (*each[:2], -each[2].last.toordinal(), each[2].instrument.symbol))
    return [window for *_, window in found]
