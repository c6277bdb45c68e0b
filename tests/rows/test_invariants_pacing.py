"""I21: IB's limits hold across all processes. Four jobs and a person by hand, killed and started again, for hours of a virtual
clock; what the Gateway read is recounted by brute force, with nothing shared with the scheduler."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from scizor.base.protocols import PacingClass
from scizor.ib.pacing import Limits
from scizor.market.types import Bar, Instrument, Outcome, OutcomeKind, Timeframe, Window
from scizor.run.paced import fetch_all
from tests.bench.recount import Read, violations
from tests.conftest import EPOCH
from tests.run.virtual import MemoryLedger, VirtualClock, run

DAY = date(2025, 1, 14)
CLASSES = (PacingClass.DAILY, PacingClass.GAP_FILL, PacingClass.BACKFILL, PacingClass.DAILY, PacingClass.GAP_FILL)


def window_of(number: int, hour: int, timeframe: Timeframe) -> Window:
    instrument = Instrument(number, f"S{number}", "ASX", "XASX", "AUD", 1000 + number, 1, primary_exchange="ASX")
    if timeframe is Timeframe.DAY1:
        return Window(instrument, timeframe, DAY - timedelta(days=hour), DAY)
    start = datetime(2025, 1, 13, 23, tzinfo=UTC) + timedelta(hours=hour)
    return Window(instrument, timeframe, DAY, DAY, start=start, end=start + timedelta(hours=1))


@dataclass
class Wire:
    """The Gateway as IB counts: it reads a request some time after it was sent, and answers later or never."""

    clock: VirtualClock
    dice: random.Random
    reads: list[Read] = field(default_factory=list)
    open: int = 0
    open_most: int = 0

    async def fetch(self, window: Window, on_first_frame: Callable[[datetime], None]) -> Outcome:
        asked_at = self.clock.now()
        self.open += 1
        self.open_most = max(self.open_most, self.open)
        try:
            await self.clock.sleep(self.dice.uniform(0, 0.3))
            hard = window.timeframe.seconds <= 30
            contract = f"{window.instrument.con_id}/TRADES"
            at = (self.clock.now() - EPOCH).total_seconds()
            self.reads.append(Read(at, f"{contract}/{window.timeframe}/{window.start}/{window.first}", contract, 1, hard))
            if self.dice.random() < 0.02:  # silence
                await self.clock.sleep(30)
                return Outcome(OutcomeKind.TIMEOUT, asked_at=asked_at)
            await self.clock.sleep(self.dice.uniform(0.05, 2.5))
            on_first_frame(self.clock.now())
            return Outcome(OutcomeKind.OK, (Bar(DAY, 1.0, 1.0, 1.0, 1.0),), asked_at=asked_at, answered_at=self.clock.now())
        finally:
            self.open -= 1


async def jobs(clock: VirtualClock, seed: int, windows_each: int, is_lawless: bool) -> Wire:
    """Each job is killed at a random moment, its requests are noticed dead, and it begins again with what is left."""
    dice = random.Random(seed)
    wire, ledger = Wire(clock, dice), MemoryLedger()
    ledger.is_ignored = is_lawless
    sizes = (Timeframe.SEC5, Timeframe.SEC30, Timeframe.SEC30, Timeframe.DAY1)

    async def job(number: int) -> None:
        left = [window_of(dice.randrange(12), dice.randrange(6), dice.choice(sizes)) for _ in range(windows_each)]
        left = list(dict.fromkeys(left))
        while left:
            before = set(ledger.rows)
            done: list[Window] = []

            async def attempt() -> None:
                asked = fetch_all(list(left), wire.fetch, ledger, clock, Limits(), pacing_class=CLASSES[number])  # noqa: B023
                async with aclosing(asked) as answers:
                    async for window, _ in answers:
                        done.append(window)  # noqa: B023

            task = asyncio.create_task(attempt())
            await asyncio.wait({task}, timeout=dice.uniform(20, 900))
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
                ledger.kill([id for id in set(ledger.rows) - before if ledger.rows[id].is_open], clock.now())
            else:
                task.result()
            left = [each for each in left if each not in done]

    await asyncio.gather(*(job(number) for number in range(len(CLASSES))))
    return wire


@pytest.mark.parametrize("seed", [21, 22])
def test_I21_pacing_holds_across_five_jobs_that_are_killed_and_start_again(seed: int) -> None:
    wire = run(lambda clock: jobs(clock, seed, 60, is_lawless=False))
    assert len(wire.reads) > 200, f"seed {seed}"
    assert violations(wire.reads) == {}, f"seed {seed}"
    assert wire.open_most <= 50
    span = max(wire.reads).at - min(wire.reads).at
    assert span > 1200, "there was nothing to wait for"


def test_I21_planted_the_same_jobs_without_the_ledger_break_every_rule() -> None:
    wire = run(lambda clock: jobs(clock, 21, 60, is_lawless=True))
    assert set(violations(wire.reads)) >= {"window", "identical"}


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(100))
def test_I21_in_full(seed: int) -> None:
    wire = run(lambda clock: jobs(clock, seed, 500, is_lawless=False))
    assert violations(wire.reads) == {}, f"seed {seed}"
