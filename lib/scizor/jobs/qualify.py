"""bin/symbols qualify: asks the Gateway who each contract is, and keeps its con_id, smallest price step, name and hours.

IB publishes no number for these questions beside 50 messages a second, which the client keeps; a handful are open at a
time, so that a slow Gateway is not buried. What it refuses for good is flagged with its own words and not asked again
for a week; everything else may be asked again at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from scizor.base.errors import UnreachableError, UsageError
from scizor.base.exit import Exit
from scizor.base.progress import Progress, progress
from scizor.db import symbols
from scizor.jobs.listing import tell
from scizor.market.types import Instrument, Outcome, OutcomeKind
from scizor.run.context import Context, Result

if TYPE_CHECKING:
    from scizor.ib.connection import Connection as Gateway
    from scizor.ib.contracts import Qualified

OPEN_MAX = 5
REFUSED_FOR = timedelta(days=7)


@dataclass(slots=True)
class Tally:
    """What came of the questions. refused: for good, flagged; failed: worth asking again. Lines for a person."""

    qualified: int = 0
    refused: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    unasked: int = 0


def run(context: Context) -> Result:
    instruments = choose(context)
    if not instruments:
        return tell("nothing to ask: every symbol has its contract")
    if context.args.dry_run:
        return tell(f"would ask about {len(instruments)} contracts: " + ", ".join(each.symbol for each in instruments))
    return result_of(asyncio.run(ask_all(context, instruments)))


def choose(context: Context) -> list[Instrument]:
    """Those named; else all that are collected and were never asked about; --all: those that were, too."""
    named, now = context.args.symbol, context.clock.now()
    instruments = symbols.load_instruments(context.connection, now, named or None)
    if named:
        return instruments
    unqualified = symbols.load_unqualified(context.connection)
    return [each for each in instruments if not each.refused and (context.args.all or each.symbol in unqualified)]


async def ask_all(context: Context, instruments: Sequence[Instrument]) -> Tally:
    """Asks the Gateway about each and stores each answer as it comes. Raises UnreachableError and RefusedError of the
    connection; a connection that is lost on the way leaves the rest unasked."""
    from scizor.ib.connection import connect  # late: it brings ib_insync

    async with connect(context.config.gateway, context.config.mode, context.clock) as gateway:
        with progress("contracts", len(instruments)) as advance:
            answers = await ask(context, gateway, instruments, advance)
        tally = Tally(unasked=len(instruments) - len(answers))
        for instrument in instruments:
            _count(tally, instrument, answers.get(instrument.symbol_id))
        if gateway.lost and tally.unasked and not tally.qualified:
            raise UnreachableError(f"the connection to the Gateway was lost: {gateway.lost}", hint="run it again")
    return tally


async def ask(
    context: Context, gateway: Gateway, instruments: Sequence[Instrument], advance: Progress | None = None
) -> dict[int, Qualified | Outcome]:
    """Asks over an open connection, a few at a time, and stores each answer as it comes. Returns the answers by symbol id;
    those that were not asked, because the connection was lost or the run was told to stop, are absent."""
    waiting = list(reversed(instruments))
    answers: dict[int, Qualified | Outcome] = {}

    async def worker() -> None:
        while waiting and gateway.is_open and not context.stop.is_asked:
            instrument = waiting.pop()
            answer = await _one(context, gateway, instrument)
            if not gateway.lost or isinstance(answer, Qualified):
                answers[instrument.symbol_id] = answer
            if advance:
                advance(text=instrument.symbol)

    from scizor.ib.contracts import Qualified

    workers = [asyncio.create_task(worker()) for _ in range(min(OPEN_MAX, len(instruments)))]
    try:
        await asyncio.gather(*workers)  # not a TaskGroup: its ExceptionGroup would hide a ScizorError from the runner
    finally:
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return answers


async def _one(context: Context, gateway: Gateway, instrument: Instrument) -> Qualified | Outcome:
    from scizor.ib.contracts import qualify

    now = context.clock.now()
    answer = await qualify(gateway, instrument, timeout_seconds=context.config.gateway.request_timeout_seconds)
    if isinstance(answer, Outcome):
        if answer.is_permanent:
            context.transact(partial(symbols.refuse, symbol_id=instrument.symbol_id, why=_said(answer), until=now + REFUSED_FOR))
        return answer
    keep = partial(
        symbols.set_contract, symbol_id=instrument.symbol_id, con_id=answer.con_id, now=now, tick_size=answer.min_tick,
        name=answer.long_name, time_zone=answer.time_zone, trading_hours=answer.trading_hours, liquid_hours=answer.liquid_hours,
    )  # fmt: skip
    try:
        context.transact(keep)
    except UsageError as clash:  # another contract than the stored one, or another symbol's
        context.transact(partial(symbols.refuse, symbol_id=instrument.symbol_id, why=clash.message, until=None))
        return Outcome(OutcomeKind.ERROR, text=clash.message, is_permanent=True, asked_at=now, answered_at=context.clock.now())
    return answer


def _said(answer: Outcome) -> str:
    return f"{answer.code}: {answer.text}" if answer.code is not None else answer.text or answer.kind.value


def _count(tally: Tally, instrument: Instrument, answer: Qualified | Outcome | None) -> None:
    if isinstance(answer, Outcome):
        line = _said(answer) if answer.text.startswith(instrument.symbol) else f"{instrument.symbol}: {_said(answer)}"
        (tally.refused if answer.is_permanent else tally.failed).append(line)
    elif answer is not None:
        tally.qualified += 1


def result_of(tally: Tally) -> Result:
    """0 when all were qualified, else 3: the rest is stored."""
    missed = len(tally.refused) + len(tally.failed) + tally.unasked
    counts = {"targets": tally.qualified + missed, "succeeded": tally.qualified, "failed": missed}
    parts = [
        f"{tally.qualified} contracts qualified",
        f"{len(tally.refused)} refused, not asked again for a week" if tally.refused else "",
        f"{len(tally.failed)} not answered" if tally.failed else "",
        f"{tally.unasked} not asked" if tally.unasked else "",
    ]
    text = ", ".join(each for each in parts if each)
    if missed:
        hint = "bin/symbols lint says what to do about the refused ones" if tally.refused else "run it again"
        return Result(text, Exit.PARTIAL, tally.refused + tally.failed, hint=hint, counts=counts)
    return tell(text)
