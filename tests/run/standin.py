"""A stand-in for the Gateway in virtual time: it reads, counts, serves at its pace, and misbehaves on demand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime

from scizor.base.protocols import PacingClass
from scizor.ib.pacing import Limits
from scizor.market.types import Instrument, Outcome, OutcomeKind, Timeframe, Window
from scizor.replay.tws.service import LostError, Service
from scizor.run.paced import as_sent
from tests.bench.recount import Read
from tests.run.virtual import VirtualClock

OK = OutcomeKind.OK


def window(number: int, timeframe: Timeframe = Timeframe.DAY1) -> Window:
    instrument = Instrument(number, f"S{number}", "ASX", "XASX", "AUD", 1000 + number, 1)
    return Window(instrument, timeframe, date(2024, 1, 1), date(2024, 12, 31))


def windows(count: int, first: int = 0, step: int = 1) -> list[Window]:
    return [window(number) for number in range(first, count, step)]


class Standin:
    """fetch is what fetch_all takes. reads: what was read, and when. says: (window, how often it was asked) -> how to end
    it instead of serving it. most_open: at once."""

    def __init__(
        self,
        clock: VirtualClock,
        *,
        service_seconds: float = 0.5,
        collapse_above: int | None = None,
        deadline_seconds: float = 30.0,
        read_seconds: float = 0.0,
        says: Callable[[Window, int], Outcome | None] = lambda _window, _times: None,
    ) -> None:
        self.clock = clock
        self.service = Service(clock, service_seconds, 0.0, collapse_above, 10.0)
        self.deadline_seconds = deadline_seconds
        self.read_seconds = read_seconds
        self.says = says
        self.reads: list[Read] = []
        self.asked: Counter[int] = Counter()
        self.open = 0
        self.opens: list[tuple[float, int]] = []
        self.draw = random.Random(1)

    async def fetch(self, window: Window, on_first_frame: Callable[[datetime], None]) -> Outcome:
        clock = self.clock
        await clock.sleep(self.draw.uniform(0, self.read_seconds))
        number = window.instrument.symbol_id
        self.asked[number] += 1
        request = as_sent(window, Limits(), PacingClass.DAILY, clock.now())
        self.reads.append(Read(clock.now().timestamp(), request.key, request.contract_key))
        self._count(+1)
        try:
            async with clock.timeout(self.deadline_seconds):
                said = self.says(window, self.asked[number])
                if said is not None and said.kind is OutcomeKind.TIMEOUT:
                    await clock.sleep(2 * self.deadline_seconds)
                try:
                    await self.service.serve(self.service.work(0))
                except LostError:
                    await clock.sleep(2 * self.deadline_seconds)
        except TimeoutError:
            return Outcome(OutcomeKind.TIMEOUT, (), None, "no answer", answered_at=clock.now())
        finally:
            self._count(-1)
        on_first_frame(clock.now())
        return said or Outcome(OK, answered_at=clock.now())

    def _count(self, change: int) -> None:
        self.open += change
        self.opens.append((self.clock.now().timestamp(), self.open))

    def most_open(self, first: float, last: float) -> int:
        """Between two instants, seconds of the clock's timestamps."""
        before = [count for at, count in self.opens if at <= first][-1:]
        return max(before + [count for at, count in self.opens if first < at <= last], default=0)
