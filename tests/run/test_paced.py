"""Windows through the one budget, in virtual time: hours pass in a second, the ledger has its thread, nothing else is faked."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from scizor.base.errors import UnreachableError
from scizor.base.exit import Exit
from scizor.base.protocols import Decide, Grant, PacingRequest
from scizor.ib.concurrency import Concurrency
from scizor.ib.pacing import COOL_DOWN, Limits
from scizor.market.types import Outcome, OutcomeKind, Window
from scizor.run import paced
from scizor.run.paced import fetch_all
from scizor.run.stop import Stop
from tests.bench.recount import Read, violations
from tests.run.standin import OK, Standin, window, windows
from tests.run.virtual import MemoryLedger, VirtualClock, run

SOFT = Limits()
STRICT = Limits(regime="strict")
Results = list[tuple[Window, Outcome]]


async def everything(
    gateway: Standin, ledger: MemoryLedger, wanted: list[Window], limits: Limits = SOFT, **options: object
) -> Results:
    found = []
    async for each in fetch_all(wanted, gateway.fetch, ledger, gateway.clock, limits, **options):  # type: ignore[arg-type]
        found.append(each)
    return found


def kinds(results: Results) -> Counter[OutcomeKind]:
    return Counter(outcome.kind for _, outcome in results)


# ---- the ordinary day ------------------------------------------------------------------------------------------------


def test_every_window_comes_out_once_and_the_ledger_is_settled() -> None:
    async def body(clock: VirtualClock) -> None:
        gateway, ledger = Standin(clock), MemoryLedger()
        results = await everything(gateway, ledger, windows(100))
        assert sorted(each.instrument.symbol_id for each, _ in results) == list(range(100))
        assert kinds(results) == {OK: 100}
        assert all(row.counted_at and not row.is_open for row in ledger.rows.values())

    run(body)


def test_nothing_to_do_ends_at_once() -> None:
    async def body(clock: VirtualClock) -> None:
        assert await everything(Standin(clock), MemoryLedger(), []) == []

    run(body)


@pytest.mark.parametrize("count", [309, 360])
def test_three_jobs_under_the_hard_rule_reach_the_floor_and_break_nothing(count: int) -> None:
    """D1 and D2 without the machine: what is lost of the floor here is the design's own fault."""

    async def body(clock: VirtualClock) -> None:
        gateway, ledger = Standin(clock, read_seconds=0.2), MemoryLedger()
        jobs = [everything(gateway, ledger, windows(count, each, 3), STRICT) for each in range(3)]
        assert sum(len(each) for each in await asyncio.gather(*jobs)) == count
        reads = sorted(gateway.reads)
        assert not violations(reads)
        assert 3000 / (reads[-1].at - reads[0].at) >= 0.995
        assert ledger.asked < 3 * count

    run(body)


class Process:
    """A job as the ledger sees it: when it is dead it settles nothing, and is buried by whoever looks next."""

    def __init__(self, ledger: MemoryLedger, clock: VirtualClock) -> None:
        self.ledger, self.clock, self.is_dead = ledger, clock, False
        self.open: set[int] = set()

    def reserve(self, request: PacingRequest, decide: Decide, now: datetime) -> Grant | datetime:
        granted = self.ledger.reserve(request, decide, now)
        if isinstance(granted, Grant):
            self.open.add(granted.id)
        return granted

    def answered(self, grant: Grant, at: datetime) -> None:
        if not self.is_dead:
            self.ledger.answered(grant, at)

    def closed(self, grant: Grant, at: datetime) -> None:
        if not self.is_dead:
            self.open.discard(grant.id)
            self.ledger.closed(grant, at)

    def bury(self) -> None:
        self.ledger.kill(sorted(self.open), self.clock.now())


async def four_jobs_and_their_deaths(clock: VirtualClock, seed: int, *, is_lawless: bool = False) -> list[Read]:
    """Each job dies at a random moment, is noticed a while later, and starts again with what it had not finished."""
    print(f"seed {seed}")
    draw = random.Random(seed)
    ledger = MemoryLedger()
    ledger.is_ignored = is_lawless
    gateway = Standin(clock, read_seconds=0.3, service_seconds=draw.choice((0.2, 2.0)))
    limits = Limits(regime="strict", daemon_share=draw.choice((0, 10)))

    async def job(number: int) -> None:
        left = windows(160, number, 4)
        for death in (draw.uniform(0, 700), draw.uniform(0, 1500), None):
            process = Process(ledger, clock)
            finished: set[Window] = set()

            async def work(wanted: list[Window], process: Process, finished: set[Window]) -> None:
                results = fetch_all(wanted, gateway.fetch, process, clock, limits)
                async with aclosing(results):
                    async for done, _ in results:
                        finished.add(done)

            task = asyncio.create_task(work(left, process, finished))
            if death is None:
                await task
                return
            await clock.sleep(death)
            process.is_dead = True
            task.cancel()
            await asyncio.wait([task])
            await clock.sleep(draw.uniform(0, 20))
            process.bury()
            left = [each for each in left if each not in finished]

    await asyncio.gather(*(job(each) for each in range(4)))
    assert set(gateway.asked) == set(range(160))
    return sorted(gateway.reads)


@pytest.mark.parametrize("seed", range(4))
def test_I21_pacing_holds_across_processes_and_their_deaths(seed: int) -> None:
    async def body(clock: VirtualClock) -> None:
        assert not violations(await four_jobs_and_their_deaths(clock, seed))

    run(body)


def test_I21_the_recount_sees_processes_that_ignore_the_ledger() -> None:
    async def body(clock: VirtualClock) -> None:
        assert violations(await four_jobs_and_their_deaths(clock, 0, is_lawless=True))["window"] > 0

    run(body)


@pytest.mark.exhaustive
def test_I21_pacing_holds_for_a_hundred_hours() -> None:
    for seed in range(100, 250):
        test_I21_pacing_holds_across_processes_and_their_deaths(seed)


# ---- refusals, timeouts, other answers -------------------------------------------------------------------------------


def answer(kind: OutcomeKind, code: int | None = None, *, is_permanent: bool = False) -> Outcome:
    return Outcome(kind, (), code, "as on the wire", is_permanent)


def test_row_19_a_pacing_violation_stops_every_process_for_a_window_and_is_then_asked_again() -> None:
    async def body(clock: VirtualClock) -> None:
        def says(asked: Window, times: int) -> Outcome | None:
            return answer(OutcomeKind.PACING, 162) if asked.instrument.symbol_id == 0 and times == 1 else None

        gateway, ledger = Standin(clock, says=says), MemoryLedger()
        jobs = [everything(gateway, ledger, windows(40, each, 2), STRICT) for each in range(2)]
        results = [each for job in await asyncio.gather(*jobs) for each in job]
        assert kinds(results) == {OK: 40}
        reads = sorted(gateway.reads)
        refused = reads[0].at + 0.5
        gap = max(later.at - earlier.at for earlier, later in pairwise(reads))
        assert gap >= 595, "somebody went on after the refusal"
        assert not any(refused + 5 < each.at < refused + 600 for each in reads)
        assert sum(row.key == COOL_DOWN for row in ledger.rows.values()) == 1

    run(body)


def test_row_19_a_pacing_violation_that_stays_comes_out_as_one_and_never_as_empty() -> None:
    async def body(clock: VirtualClock) -> None:
        gateway = Standin(clock, says=lambda _window, _times: answer(OutcomeKind.PACING, 162))
        results = await everything(gateway, MemoryLedger(), windows(3))
        assert kinds(results) == {OutcomeKind.PACING: 3}
        assert set(gateway.asked.values()) == {paced.ATTEMPTS_MAX}
        assert not violations(gateway.reads)["identical"]

    run(body)


def test_row_24_too_many_open_requests_slow_us_down_and_are_asked_again() -> None:
    async def body(clock: VirtualClock) -> None:
        def says(_window: Window, times: int) -> Outcome | None:
            return answer(OutcomeKind.ERROR, 322) if times == 1 and gateway.open > 6 else None

        gateway, concurrency = Standin(clock, says=says), Concurrency.adaptive(4, 50)
        results = await everything(gateway, MemoryLedger(), windows(200), concurrency=concurrency)
        assert kinds(results) == {OK: 200}
        assert gateway.asked.total() < 210 and concurrency.limit <= 7

    run(body)


@pytest.mark.parametrize("code", [321, 10197, 200, 354])
def test_row_24_other_errors_come_out_after_one_request(code: int) -> None:
    async def body(clock: VirtualClock) -> None:
        gateway = Standin(clock, says=lambda _window, _times: answer(OutcomeKind.ERROR, code, is_permanent=code == 321))
        results = await everything(gateway, MemoryLedger(), windows(5))
        assert kinds(results) == {OutcomeKind.ERROR: 5} and gateway.asked.total() == 5

    run(body)


def test_row_25_a_symbol_that_is_never_answered_is_asked_three_times_and_the_others_complete() -> None:
    async def body(clock: VirtualClock) -> None:
        def says(asked: Window, _times: int) -> Outcome | None:
            return answer(OutcomeKind.TIMEOUT) if asked.instrument.symbol_id == 7 else None

        gateway = Standin(clock, says=says)
        results = await everything(gateway, MemoryLedger(), windows(100))
        assert kinds(results) == {OK: 99, OutcomeKind.TIMEOUT: 1}
        assert gateway.asked[7] == 3 and not violations(gateway.reads)["identical"]

    run(body)


def test_what_nobody_answered_counts_as_now_until_a_later_request_is_answered() -> None:
    async def body(clock: VirtualClock) -> None:
        def says(asked: Window, times: int) -> Outcome | None:
            return answer(OutcomeKind.TIMEOUT) if asked.instrument.symbol_id == 0 and times == 1 else None

        gateway, ledger = Standin(clock, says=says), MemoryLedger()
        begun = clock.now()
        results = fetch_all(windows(1), gateway.fetch, ledger, clock, Limits())

        async def first() -> tuple[Window, Outcome]:
            return await anext(aiter(results))

        job = asyncio.create_task(first())
        await clock.sleep(gateway.deadline_seconds + 1)
        before = ledger.rows[1]
        assert before.counted_at is None and before.is_open
        await job
        counted = (ledger.rows[1].counted_at or begun) - begun
        assert counted.total_seconds() >= gateway.deadline_seconds + paced.UNREAD_SECONDS
        await results.aclose()

    run(body)


# ---- stopping --------------------------------------------------------------------------------------------------------


def test_a_stop_finishes_what_is_in_hand_and_sends_nothing_more() -> None:
    async def body(clock: VirtualClock) -> None:
        gateway, ledger, stop = Standin(clock), MemoryLedger(), Stop()
        job = asyncio.create_task(everything(gateway, ledger, windows(309), STRICT, stop=stop))
        await clock.sleep(100)
        asked = gateway.asked.total()
        stop.ask(Exit.TERMINATED)
        results = await job
        assert asked == gateway.asked.total() == len(results) == 60
        assert clock.now().timestamp() - gateway.reads[0].at < 101
        assert not any(row.is_open for row in ledger.rows.values())

    run(body)


def test_a_stop_brings_out_windows_that_wait_for_another_attempt() -> None:
    async def body(clock: VirtualClock) -> None:
        gateway, stop = Standin(clock, says=lambda _window, _times: answer(OutcomeKind.TIMEOUT)), Stop()
        job = asyncio.create_task(everything(gateway, MemoryLedger(), windows(2), stop=stop))
        await clock.sleep(35)
        stop.ask(Exit.TERMINATED)
        assert kinds(await job) == {OutcomeKind.TIMEOUT: 2}

    run(body)


def test_leaving_early_cancels_and_settles_what_is_open() -> None:
    async def body(clock: VirtualClock) -> None:
        gateway, ledger = Standin(clock), MemoryLedger()
        results = fetch_all(windows(100), gateway.fetch, ledger, clock, Limits())
        async with aclosing(results):
            async for _ in results:
                break
        assert gateway.open == 0
        assert ledger.rows and not any(row.is_open for row in ledger.rows.values())
        assert not [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]

    run(body)


def test_what_fetch_raises_comes_after_everything_in_hand() -> None:
    async def body(clock: VirtualClock) -> None:
        def says(asked: Window, _times: int) -> Outcome | None:
            if asked.instrument.symbol_id == 5:
                raise UnreachableError("the Gateway hung up")
            return None

        gateway, ledger = Standin(clock, says=says), MemoryLedger()
        found = []
        with pytest.raises(UnreachableError, match="hung up"):
            async for each in fetch_all(windows(100), gateway.fetch, ledger, clock, Limits()):
                found.append(each)
        assert kinds(found).keys() == {OK} and len(found) == gateway.asked.total() - 1
        assert not any(row.is_open for row in ledger.rows.values())

    run(body)


class Broken(MemoryLedger):
    def reserve(self, request: PacingRequest, decide: Decide, now: datetime) -> Grant | datetime:
        if self.asked >= 10:
            raise UnreachableError("the database is gone")
        return super().reserve(request, decide, now)


def test_what_the_ledger_raises_ends_the_run_and_nothing_is_sent_without_it() -> None:
    async def body(clock: VirtualClock) -> None:
        gateway = Standin(clock)
        with pytest.raises(UnreachableError, match="database is gone"):
            await everything(gateway, Broken(), windows(100))
        assert gateway.asked.total() <= 10

    run(body)


# ---- bounds ----------------------------------------------------------------------------------------------------------


def test_a_slow_caller_holds_everything_up_and_nothing_piles_up() -> None:
    async def body(clock: VirtualClock) -> None:
        taken = 0

        def endless() -> object:
            nonlocal taken
            while True:
                taken += 1
                yield window(taken)

        gateway = Standin(clock)
        results = fetch_all(endless(), gateway.fetch, MemoryLedger(), clock, Limits())  # type: ignore[arg-type]
        async with aclosing(results):
            await anext(aiter(results))
            await clock.sleep(3600)
        assert taken <= paced.READY_MAX + 50

    run(body)


def test_a_contract_that_must_wait_lets_others_go_first() -> None:
    """Nine windows of one contract within two seconds: five, then the other contracts, then the rest."""

    async def body(clock: VirtualClock) -> None:
        one = window(1)
        same = [Window(one.instrument, one.timeframe, one.first, one.last - timedelta(days=each)) for each in range(9)]
        gateway = Standin(clock, service_seconds=0.01)
        await everything(
            gateway, MemoryLedger(), same + windows(20, first=2), STRICT, concurrency=Concurrency.fixed(30)
        )
        assert not violations(gateway.reads)
        assert gateway.reads[-1].at - gateway.reads[0].at < 3
        assert {each.contract for each in gateway.reads[-4:]} == {gateway.reads[0].contract}

    run(body)


def test_the_ledger_never_works_in_the_event_loop() -> None:
    async def body(clock: VirtualClock) -> None:
        seen: set[int] = set()

        class Watched(MemoryLedger):
            def reserve(self, request: PacingRequest, decide: Decide, now: datetime) -> Grant | datetime:
                seen.add(threading.get_ident())
                return super().reserve(request, decide, now)

            def closed(self, grant: Grant, at: datetime) -> None:
                seen.add(threading.get_ident())
                super().closed(grant, at)

        await everything(Standin(clock), Watched(), windows(30))
        assert len(seen) == 1 and threading.get_ident() not in seen

    run(body)


# ---- the soft regime -------------------------------------------------------------------------------------------------


async def seconds_for(clock: VirtualClock, count: int, collapse: int, concurrency: Concurrency | None) -> float:
    begun = clock.now()
    gateway = Standin(clock, collapse_above=collapse)
    assert kinds(await everything(gateway, MemoryLedger(), windows(count), concurrency=concurrency)) == {OK: count}
    return (clock.now() - begun).total_seconds()


@pytest.mark.parametrize("collapse", [4, 8, 16])
def test_an_unknown_collapse_is_found(collapse: int) -> None:
    """D4 in virtual time, held at half."""

    async def body(clock: VirtualClock) -> None:
        best = await seconds_for(clock, 60 * collapse, collapse, Concurrency.fixed(collapse))
        over = await seconds_for(clock, 20 * collapse, collapse, Concurrency.fixed(2 * collapse))
        ours = await seconds_for(clock, 60 * collapse, collapse, None)
        assert best / ours >= 0.7 and best / (3 * over) < 0.3

    run(body)


def test_a_service_that_falls_silent_keeps_two_open_and_loses_nothing() -> None:
    """D5 in virtual time: a minute of silence, three deadlines long."""

    async def body(clock: VirtualClock) -> None:
        gateway = Standin(clock, collapse_above=16, deadline_seconds=20.0)
        job = asyncio.create_task(everything(gateway, MemoryLedger(), windows(309)))
        await clock.sleep(6)
        silent_at = clock.now().timestamp()
        gateway.service.silence(60)
        assert kinds(await job) == {OK: 309}
        assert gateway.most_open(silent_at, silent_at + 20) > 2
        assert gateway.most_open(silent_at + 25, silent_at + 59) <= 2
        assert max(gateway.asked.values()) <= paced.ATTEMPTS_MAX
        assert not violations(gateway.reads)["identical"]
        assert clock.now().timestamp() - silent_at < 120

    run(body)


def test_a_service_that_becomes_thirty_times_slower_loses_nothing_and_is_not_left_idle() -> None:
    async def body(clock: VirtualClock) -> None:
        gateway = Standin(clock, collapse_above=16, deadline_seconds=60.0)
        job = asyncio.create_task(everything(gateway, MemoryLedger(), windows(309)))
        await clock.sleep(5)
        gateway.service.slow(30, 1e6)
        assert kinds(await job) == {OK: 309}
        assert gateway.asked.total() == 309
        seconds = clock.now().timestamp() - gateway.reads[0].at
        assert seconds < 2.5 * 309 * 15 / 16

    run(body)
