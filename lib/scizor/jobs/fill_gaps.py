"""bin/fill-gaps: what should be there and is not, of every series that was ever asked for: asked again, exactly that.

A hole is what lies between sessions that were asked for before, or what failed or came incomplete and whose next time has
come. What nobody has asked for yet is no hole: collect-daily and backfill ask for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from scizor.base.errors import UsageError
from scizor.base.protocols import PacingClass
from scizor.db import coverage as stored_coverage
from scizor.db import probes
from scizor.db import symbols as stored_symbols
from scizor.jobs import backfill, calendars
from scizor.jobs.backfill import Manner, carry_out
from scizor.jobs.coverage import audited
from scizor.market import due
from scizor.market.chunks import Want
from scizor.market.completeness import Axis
from scizor.market.types import Origin, Session, Timeframe
from scizor.run.context import Context, Result

Contradicted = dict[tuple[int, Timeframe, Origin], tuple[date, ...]]

AGAIN = "bin/coverage --why has the evidence; bin/fill-gaps --retry-failed tries at once"


def run(context: Context) -> Result:
    now, args = context.clock.now(), context.args
    wants = known(context, now)
    if not wants:
        return Result("nothing was ever asked for", was_idle=True)
    instruments = list({each.instrument.symbol_id: each.instrument for each in wants}.values())
    sessions = calendars.load(context, instruments, now, earliest=None if not args.first else min(each.first for each in wants))
    also = contradicted(context, wants, sessions, now) if args.recount else {}
    manner = Manner(PacingClass.GAP_FILL, "gaps", "no hole is due", AGAIN)
    return carry_out(
        context,
        lambda step: backfill.plan(context, wants, sessions, now, holes=True, step=step, also=also),
        sessions,
        instruments,
        manner,
    )


def known(context: Context, now: datetime) -> list[Want]:
    """Every series of which anything is known, within what the options name."""
    args, today = context.args, due.latest_today(now)
    first = due.parse_date(args.first, today) if args.first else date(1970, 1, 2)
    last = due.parse_date(args.last, today) if args.last else None
    if last and last < first:
        raise UsageError(f"--from {first} lies after --to {last}")
    instruments = stored_symbols.load_instruments(context.connection, now, args.symbol or None)
    wants = []
    for timeframe, origin, number in stored_coverage.kinds(context.connection):
        if (args.timeframe and timeframe.value not in args.timeframe) or origin.source != "ib":
            continue
        held = stored_coverage.load(context.connection, timeframe, origin, number)
        wants += [Want(each, timeframe, first, last, origin) for each in instruments if each.symbol_id in held]
    return sorted(wants, key=lambda each: (each.instrument.priority, each.timeframe is not Timeframe.DAY1))


def contradicted(
    context: Context, wants: Sequence[Want], sessions: Mapping[str, Sequence[Session]], now: datetime
) -> Contradicted:
    """By series, the sessions in which the table of bars does not bear out the ledger."""
    settled = now - timedelta(minutes=context.config.collect.settle_minutes)
    over = {name: [each for each in days if each.last <= settled] for name, days in sessions.items()}
    axes = {name: Axis.of(each) for name, each in over.items()}
    expectations = probes.expectations(context.connection)
    found: Contradicted = {}
    for timeframe, origin, number in stored_coverage.kinds(context.connection):
        mine = [each.instrument for each in wants if (each.timeframe, each.origin) == (timeframe, origin)]
        known = stored_coverage.load(context.connection, timeframe, origin, number, [each.symbol_id for each in mine])
        for symbol_id, whole in audited(context.connection, timeframe, number, mine, known, over, axes, None, expectations).items():
            if whole.contradicted:
                found[symbol_id, timeframe, origin] = whole.contradicted
    return found
