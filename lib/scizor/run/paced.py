"""The one way to the vendor: takes windows in order, reserves under the shared budget, sends, settles, retries, yields.

Why it is shaped like this:
- A reservation is taken singly, committed, then sent: whatever dies, nothing was sent that others do not know of.
- It is settled by the instant of the first frame that answers, once, when it is over: until then it counts as now, which
  is never too early. A request that nobody answered may still lie unread in the Gateway's socket: it stays open and counts
  as now until a later one is answered (they are read in order), or for UNREAD_SECONDS.
- Ledger calls block (Postgres), so they have one thread of their own; the instants are taken in the event loop, at the
  frame. Wake-ups are exact: whoever must wait is told until when, and asks nobody meanwhile.
- Everything has a bound: open requests, results that nobody has taken yet, windows looked at ahead, attempts.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from scizor.base.clock import Clock
from scizor.base.protocols import Grant, Ledger, PacingClass, PacingRequest, PacingRule
from scizor.ib import history, pacing
from scizor.ib.concurrency import Concurrency
from scizor.ib.pacing import Cause, Limits
from scizor.ib.probing import Failure
from scizor.market.types import Outcome, OutcomeKind, Window
from scizor.run.stop import Stop

#: Sends one window and returns how it ended; tells, once, when the first frame that answers it was read.
Fetch = Callable[[Window, Callable[[datetime], None]], Awaitable[Outcome]]
Describe = Callable[[Window, Limits, PacingClass, datetime], PacingRequest]

READY_MAX = 16  # results that wait for the caller; beyond that nothing more is sent
LOOKAHEAD = 64  # windows set aside because they themselves must wait
UNREAD_SECONDS = 60.0  # an unanswered request is taken as read after this
NAP_SECONDS = 30.0  # nobody sleeps longer at a stretch: the machine's clock may be set
BACK_OFF_SECONDS = 15.0  # before the second attempt; doubles
ATTEMPTS_MAX = 3
BUSY_CODE, LOST_CODES = 322, (366,)  # too many open requests; the Gateway has no such query any more


def as_sent(window: Window, limits: Limits, pacing_class: PacingClass, now: datetime) -> PacingRequest:
    """A window as pacing sees it, its key made of what stands on the wire: two windows may become one request there."""
    request = pacing.request_for(window, limits, pacing_class)
    hours = "rth" if window.origin.regular_hours else "all"
    until, duration = history.end_of(window, now) or "now", history.duration_of(window)
    return replace(request, key=f"{request.contract_key}/{window.timeframe}/{hours}/{duration} to {until}")


async def fetch_all(
    windows: Iterable[Window],
    fetch: Fetch,
    ledger: Ledger,
    clock: Clock,
    limits: Limits,
    *,
    pacing_class: PacingClass = PacingClass.DAILY,
    describe: Describe = as_sent,
    concurrency: Concurrency | None = None,
    attempts_max: int = ATTEMPTS_MAX,
    stop: Stop | None = None,
) -> AsyncGenerator[tuple[Window, Outcome], None]:
    """Yields each window that was asked, with its final outcome, as they complete.

    windows: in order of preference, taken as needed (an iterator may be long). Close the generator (contextlib.aclosing)
    when leaving early: what is open is then cancelled and settled. After `stop` is asked nothing new is sent, what is in
    hand is finished, and windows that wait for another attempt come out with their last outcome.
    Raises what fetch or the ledger raised, after everything else in hand has come out.
    """
    concurrency = concurrency or Concurrency.adaptive(limits.soft_open_first, limits.open_max)
    run = _Run(
        iter(windows), fetch, ledger, clock, limits, pacing_class, describe, concurrency, attempts_max, stop or Stop()
    )
    pump = asyncio.create_task(run.pump())
    try:
        while (result := await run.ready.get()) is not None:
            run.wake.set()
            yield result
        await pump
        if run.failure:
            raise run.failure
    finally:
        await run.close(pump)


@dataclass(slots=True)
class _Item:
    """A window on its way. number: its place in the order."""

    number: int
    window: Window
    request: PacingRequest
    attempts: int = 0
    outcome: Outcome | None = None


@dataclass(slots=True)
class _Run:
    source: Iterator[Window]
    fetch: Fetch
    ledger: Ledger
    clock: Clock
    limits: Limits
    pacing_class: PacingClass
    describe: Describe
    concurrency: Concurrency
    attempts_max: int
    stop: Stop
    failure: BaseException | None = None
    ready: asyncio.Queue[tuple[Window, Outcome] | None] = field(default_factory=lambda: asyncio.Queue(READY_MAX))
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    aside: list[tuple[datetime, int, _Item]] = field(default_factory=list)  # a heap: not before, number
    gates: dict[PacingRule, datetime] = field(default_factory=dict)  # the budget of a rule opens then
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    unread: dict[int, Grant] = field(default_factory=dict)  # over, and never answered; by reservation
    unread_at: dict[int, datetime] = field(default_factory=dict)
    cooled_at: datetime | None = None
    count: int = 0
    is_dry: bool = False  # the source has nothing more
    worker: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
    )

    # -- choosing and granting -----------------------------------------------------------------------------------------

    async def pump(self) -> None:
        """Grants until nothing is left, then waits for what is open. What granting raised is the caller's, after what is
        in hand has come out."""
        (problem,) = await asyncio.gather(self._grant_all(), return_exceptions=True)
        if problem is not None:
            self._fail(problem)
        while self.tasks:
            await asyncio.wait(self.tasks)
        for _, _, item in sorted(self.aside, key=lambda each: each[1]):
            if item.outcome:
                await self.ready.put((item.window, item.outcome))
        await self.ready.put(None)

    async def _grant_all(self) -> None:
        watch = asyncio.create_task(self._watch_stop())
        try:
            while not self._is_over():
                await self._step()
        finally:
            watch.cancel()

    def _is_over(self) -> bool:
        if self.stop.is_asked or self.failure:
            return True
        return self.is_dry and not self.aside and not self.tasks

    async def _step(self) -> None:
        """One grant, or one wait."""
        self.wake.clear()
        now = self.clock.now()
        self._take_as_read(now)
        if self.ready.full():
            return await self._wait(None)
        start_at = self.concurrency.may_start(now)
        if start_at is None:
            return await self._wait(now + timedelta(seconds=(self.concurrency.usual or 1.0) / 2))
        if start_at > now:
            return await self._wait(start_at)
        item = self._next(now)
        if item is None:
            return await self._wait(self.aside[0][0] if self.aside else None)
        answer, cause = await asyncio.get_running_loop().run_in_executor(self.worker, self._reserve, item.request)
        if isinstance(answer, Grant):
            self._send(item, answer)
        elif cause is Cause.OPEN:
            heapq.heappush(self.aside, (now, item.number, item))
            await self._wait(answer)
        else:
            if not cause.is_own:
                self.gates[item.request.rule] = answer
            heapq.heappush(self.aside, (answer, item.number, item))
        return None

    def _next(self, now: datetime) -> _Item | None:
        """The first window that may go as far as we know; others are set aside until they may."""
        prefers_fresh = self.concurrency.is_silent and not self.is_dry
        while True:
            if self.aside and self.aside[0][0] <= now and not (prefers_fresh and len(self.aside) < LOOKAHEAD):
                item = heapq.heappop(self.aside)[2]
            elif len(self.aside) < LOOKAHEAD and (fresh := self._fresh()):
                item = fresh
            else:
                prefers_fresh = False
                if self.aside and self.aside[0][0] <= now:
                    continue
                return None
            gate = self.gates.get(item.request.rule, now)
            if gate <= now:
                return item
            heapq.heappush(self.aside, (gate, item.number, item))

    def _fresh(self) -> _Item | None:
        window = next(self.source, None)
        if window is None:
            self.is_dry = True
            return None
        self.count += 1
        return _Item(self.count, window, self.describe(window, self.limits, self.pacing_class, self.clock.now()))

    def _reserve(self, request: PacingRequest) -> tuple[Grant | datetime, Cause]:
        """In the worker. The cause travels beside the Protocol: the ledger need not know of causes."""
        cause = Cause.NONE

        def decide(past: Sequence[PacingRequest], request: PacingRequest, now: datetime) -> datetime:
            nonlocal cause
            decision = pacing.decide(past, request, now, self.limits)
            cause = decision.cause
            return decision.at

        return self.ledger.reserve(request, decide, self.clock.now()), cause

    async def _wait(self, until: datetime | None) -> None:
        """Until an instant, or until something happens; at most a nap."""
        seconds = NAP_SECONDS if until is None else (until - self.clock.now()).total_seconds()
        sleep = asyncio.ensure_future(self.clock.sleep(max(0.0, min(seconds, NAP_SECONDS))))
        wake = asyncio.ensure_future(self.wake.wait())
        try:
            await asyncio.wait((sleep, wake), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            wake.cancel()

    async def _watch_stop(self) -> None:
        await self.stop.wait()
        self.wake.set()

    # -- sending and settling ------------------------------------------------------------------------------------------

    def _send(self, item: _Item, grant: Grant) -> None:
        item.attempts += 1
        self.concurrency.started(grant.id, self.clock.now())
        task = asyncio.create_task(self._fetch_one(item, grant))
        self.tasks.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.wake.set()
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._fail(problem)

    async def _fetch_one(self, item: _Item, grant: Grant) -> None:
        first_at: datetime | None = None
        sent_at = self.clock.now()

        def on_first_frame(at: datetime) -> None:
            nonlocal first_at
            if first_at is None:
                first_at = at
                self._read_before(grant, at)

        outcome: Outcome | None = None
        try:
            outcome = await self.fetch(item.window, on_first_frame)
        finally:
            if outcome is None:  # cancelled, or a failure that _sent hands to the caller
                self.concurrency.withdrawn(grant.id)
                self._settle(self.ledger.closed, grant, self.clock.now())
        now = self.clock.now()
        if first_at is None and outcome.kind is OutcomeKind.TIMEOUT:
            self.unread[grant.id], self.unread_at[grant.id] = grant, now
        else:  # answered, or over without a frame because the socket is gone: nobody will read it any more
            self._settle(self.ledger.closed, grant, first_at or now)
        await self._conclude(item, grant, outcome, sent_at, now)

    async def _conclude(self, item: _Item, grant: Grant, outcome: Outcome, sent_at: datetime, now: datetime) -> None:
        failure = _failure(outcome)
        if failure is None:
            self.concurrency.answered(grant.id, now)
        else:
            self.concurrency.failed(grant.id, now, failure)
        self.wake.set()
        if (
            outcome.kind is OutcomeKind.PACING and outcome.code != BUSY_CODE
        ):  # that one speaks of slots, not of the window
            self._cool_down(item.request.rule, sent_at, now)
        item.outcome = outcome
        if not _is_retriable(outcome) or item.attempts >= self.attempts_max:
            await self.ready.put((item.window, outcome))
            return
        seconds = BACK_OFF_SECONDS * 2 ** (item.attempts - 1)
        heapq.heappush(self.aside, (now + timedelta(seconds=seconds), item.number, item))

    def _cool_down(self, rule: PacingRule, sent_at: datetime, now: datetime) -> None:
        """IB has refused us: a row that stops this rule in every process, once for what was sent before it."""
        if self.cooled_at and sent_at <= self.cooled_at:
            return
        self.cooled_at = now

        def place() -> None:
            row = self.ledger.reserve(pacing.cool_down(rule), lambda _history, _request, at: at, now)
            if isinstance(row, Grant):
                self.ledger.closed(row, now)

        self._submit(place)

    def _read_before(self, grant: Grant, at: datetime) -> None:
        """This one was answered, so whatever was sent before it on the same connection has been read."""
        for id in [each for each in self.unread if each < grant.id]:
            self._settle(self.ledger.closed, self._forget(id), at)

    def _take_as_read(self, now: datetime) -> None:
        limit = now - timedelta(seconds=UNREAD_SECONDS)
        for id in [each for each, at in self.unread_at.items() if at <= limit]:
            self._settle(self.ledger.closed, self._forget(id), now)

    def _forget(self, id: int) -> Grant:
        del self.unread_at[id]
        return self.unread.pop(id)

    # -- the ledger's thread -------------------------------------------------------------------------------------------

    def _settle(self, call: Callable[[Grant, datetime], None], grant: Grant, at: datetime) -> None:
        self._submit(lambda: call(grant, at))

    def _submit(self, call: Callable[[], None]) -> None:
        """Nobody waits for it; what it raises ends the run."""
        loop = asyncio.get_running_loop()

        def look(done: Future[None]) -> None:
            if (problem := done.exception()) is not None:
                loop.call_soon_threadsafe(self._fail, problem)

        self.worker.submit(call).add_done_callback(look)

    def _fail(self, problem: BaseException) -> None:
        self.failure = self.failure or problem
        self.wake.set()

    async def close(self, pump: asyncio.Task[None]) -> None:
        """Cancels what is open and settles it. Returns when the ledger's thread has nothing left to do."""
        pump.cancel()
        tasks = [pump, *self.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        now = self.clock.now()
        for id in list(self.unread):
            self._settle(self.ledger.closed, self._forget(id), now)
        await asyncio.to_thread(self.worker.shutdown)


def _failure(outcome: Outcome) -> Failure | None:
    """What concurrency learns from it; None: a representative answer."""
    if outcome.is_ok or outcome.kind in (OutcomeKind.EMPTY_CONFIRMED, OutcomeKind.EMPTY_UNCONFIRMED):
        return None
    if outcome.kind is OutcomeKind.PACING or outcome.code == BUSY_CODE:
        return Failure.REFUSED
    if outcome.kind is OutcomeKind.TIMEOUT:
        return Failure.UNANSWERED
    return Failure.OTHER


def _is_retriable(outcome: Outcome) -> bool:
    """Whether asking again within this run may help; everything else has its next time in the coverage."""
    if outcome.is_permanent:
        return False
    if outcome.kind in (OutcomeKind.PACING, OutcomeKind.TIMEOUT, OutcomeKind.CANCELLED):
        return True
    return outcome.code == BUSY_CODE or outcome.code in LOST_CODES
