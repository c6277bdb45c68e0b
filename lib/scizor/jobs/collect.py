"""bin/collect-daily: chooses the daily windows that are due, fetches them under the one pacing budget, stores each with
its outcome in one transaction, and says what could not be had.

The path of a bar: due.windows -> paced.fetch_all -> ib.history.fetch -> db.windows.store. This file chooses; fetching.py
fetches and stores; telling.py tells.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from scizor.base.errors import ConfigurationError, UsageError
from scizor.db import coverage as stored_coverage
from scizor.db import symbols as stored_symbols
from scizor.db.series import origin_id
from scizor.jobs import calendars, fetching, telling
from scizor.market import due
from scizor.market.calendar import closed, venue
from scizor.market.types import Coverage, Instrument, Origin, Session, Timeframe, Why, Window
from scizor.run.context import Context, Result

FAILED = (Why.ERROR, Why.OUTAGE, Why.NO_PERMISSION, Why.NO_CONTRACT)
PRIORITY_LAST = 3  # the watch-lists' third tier
NO_PERMISSION_MAX = 5  # symbols of one exchange without permission stop that exchange


def run(context: Context) -> Result:
    """Everything that is due, or the part of it that the options choose."""
    now, args = context.clock.now(), context.args
    if args.include_permanent and not (args.retry_failed or args.date):
        raise UsageError("--include-permanent goes with --retry-failed or --date")
    instruments = choose(stored_symbols.load_instruments(context.connection, now, args.symbol or None), args)
    if not instruments and not args.symbol and not (args.priority_only or args.low_priority):
        raise ConfigurationError("the universe is empty: there is nothing to collect", hint="bin/symbols import etc/universe/*.csv")
    only = {due.parse_date(args.date, due.latest_today(now))} if args.date else None
    sessions = calendars.load(context, instruments, now, earliest=min(only) if only else None)
    if only and (why := _no_session(sessions, min(only))):
        return Result(why, was_idle=True)
    origin = Origin()
    coverages = stored_coverage.load(context.connection, Timeframe.DAY1, origin, origin_id(context.connection, origin))
    windows = due.windows(
        instruments, coverages, sessions, now, context.config.collect,
        only=only, retry_failed=args.retry_failed, origin=origin,
    )  # fmt: skip
    if not args.include_permanent:
        windows = [each for each in windows if not _is_hopeless(coverages.get(each.instrument.symbol_id), each, now)]
    stopped = stopped_exchanges(instruments, coverages, now)
    windows = [each for each in windows if venue(each.instrument) not in stopped][: args.limit]
    plan = telling.plan_of(context, windows, sessions, instruments, stopped)
    if args.dry_run:
        print(plan)
        return Result(was_idle=True)
    if not windows:
        return Result("nothing to retry" if args.retry_failed else "nothing is due", was_idle=True)
    waiting = _waiting(instruments, coverages, now)
    context.log.info("%s", plan)
    if not coverages and sys.stderr.isatty():
        print(plan, file=sys.stderr)
    tally = asyncio.run(fetching.collect(context, windows, sessions))
    result = telling.result_of(tally)
    result.leaves_failures = waiting
    return result


def choose(instruments: Sequence[Instrument], args: argparse.Namespace) -> list[Instrument]:
    """The scope: --priority-only and --low-priority together are exactly the universe, and share nothing."""
    if args.priority_only:
        return [each for each in instruments if each.priority <= PRIORITY_LAST]
    if args.low_priority:
        return [each for each in instruments if each.priority > PRIORITY_LAST]
    return list(instruments)


def stopped_exchanges(instruments: Sequence[Instrument], coverages: Mapping[int, Coverage], now: datetime) -> dict[str, int]:
    """Exchanges of which five symbols or more were refused for want of permission, and wait: with how many they are.

    The subscription is missing, not a symbol: asking for the rest would only be refused as well. When the first of them
    may be asked again, the exchange is tried again.
    """
    waiting: Counter[str] = Counter()
    for each in instruments:
        coverage = coverages.get(each.symbol_id)
        if coverage and any(
            gap.why is Why.NO_PERMISSION and gap.next_at is not None and gap.next_at > now for gap in coverage.incomplete
        ):
            waiting[venue(each)] += 1
    return {exchange: count for exchange, count in waiting.items() if count >= NO_PERMISSION_MAX}


def _waiting(instruments: Sequence[Instrument], coverages: Mapping[int, Coverage], now: datetime) -> bool:
    """Whether something that failed before waits for its next time, so that this run did not try it."""
    gaps = (gap for each in instruments if (found := coverages.get(each.symbol_id)) for gap in found.incomplete)
    return any(gap.why in FAILED and gap.next_at is not None and gap.next_at > now for gap in gaps)


def _is_hopeless(coverage: Coverage | None, window: Window, now: datetime) -> bool:
    """What failed for a permanent cause whose week has not passed: --retry-failed leaves it alone."""
    gaps = coverage.incomplete if coverage else ()
    return any(
        gap.why in (Why.NO_PERMISSION, Why.NO_CONTRACT) and gap.next_at is not None and gap.next_at > now
        and window.first <= gap.session_date <= window.last
        for gap in gaps
    )  # fmt: skip


def _no_session(sessions: Mapping[str, Sequence[Session]], day: date) -> str:
    """Why no calendar has that day, or nothing when at least one has it."""
    reasons = [closed(calendar, day, known) for calendar, known in sessions.items()]
    return "; ".join(reason for reason in reasons if reason) if all(reasons) else ""
