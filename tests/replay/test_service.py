"""The history farm's model: D4 and D5 stand on it, so its own arithmetic is measured here. Speeds and times are the clock's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from scizor.base.clock import RunningClock, StoppedClock
from scizor.replay.tws.service import LostError, Service
from tests.replay.conftest import CLOSE, Serving
from tests.replay.wireclient import DAILY, WireClient

SPEED = 20.0


def clock() -> RunningClock:
    return RunningClock(CLOSE, datetime.now(UTC), SPEED)


async def timed(service: Service, count: int, seconds: float, running: RunningClock) -> float:
    before = running.now()
    await asyncio.gather(*[service.serve(seconds) for _ in range(count)])
    return (running.now() - before).total_seconds()


@pytest.mark.parametrize(("count", "expected"), [(1, 2.0), (4, 2.0), (8, 2.0 * 8 / 4 * 3)])
def test_up_to_its_limit_it_is_fast_and_above_it_everybody_suffers(count: int, expected: float) -> None:
    async def main() -> None:
        running = clock()
        service = Service(running, 0, 0, collapse_above=4, collapse_factor=3)
        assert await timed(service, count, 2.0, running) == pytest.approx(expected, rel=0.15, abs=0.5)
        assert service.most == count
        assert service.count == 0

    asyncio.run(main())


def test_whoever_backs_off_is_served_again_at_once() -> None:
    async def main() -> None:
        running = clock()
        service = Service(running, 0, 0, collapse_above=4, collapse_factor=10)
        tasks = [asyncio.ensure_future(service.serve(2.0)) for _ in range(8)]
        await running.sleep(2)
        for task in tasks[4:]:
            task.cancel()
        before = running.now()
        await asyncio.gather(*tasks[:4])
        assert (running.now() - before).total_seconds() == pytest.approx(1.9, abs=0.5)

    asyncio.run(main())


def test_slow_for_a_while_then_stalled_for_a_while_then_as_before() -> None:
    async def main() -> None:
        running = clock()
        service = Service(running, 0, 0, None, 10)
        service.slow(30, seconds=3)
        assert await timed(service, 1, 1.0, running) == pytest.approx(3.9, abs=0.5)
        service.stall(3)
        assert await timed(service, 1, 1.0, running) == pytest.approx(4.0, abs=0.5)
        service.stall(2)
        assert await timed(service, 1, 0.0, running) == pytest.approx(2.0, abs=0.5), "nothing passes, however small"
        assert await timed(service, 1, 1.0, running) == pytest.approx(1.0, abs=0.5)

    asyncio.run(main())


def test_silence_loses_what_is_in_service_and_what_comes_and_nothing_after() -> None:
    async def main() -> None:
        running = clock()
        service = Service(running, 0, 0, None, 10)
        before = asyncio.ensure_future(service.serve(1.0))
        await asyncio.sleep(0)
        service.silence(3)
        for each in (before, asyncio.ensure_future(service.serve(0))):
            with pytest.raises(LostError):
                await each
        await running.sleep(3)
        await service.serve(0.1)

    asyncio.run(main())


def test_without_latency_nothing_waits_for_a_clock() -> None:
    async def main() -> None:
        await Service(StoppedClock(CLOSE), 0, 0, 4, 10).serve(0)

    asyncio.run(main())


def test_a_gateway_with_latency_counts_what_is_open_and_answers_in_time(serving: Serving) -> None:
    async def main() -> None:
        async with serving(speed=SPEED, service_seconds=2, bar_seconds=0.1) as gateway:
            async with WireClient(gateway.port) as client:
                await client.until("error", code=2158)
                for req_id in range(6):
                    client.say("reqHistoricalData", req_id=req_id, **{**DAILY, "duration": f"{10 + req_id} D"})
                for _ in range(6):
                    await client.until("historicalData")
            asked = gateway.requests("reqHistoricalData")
            assert [each.open for each in asked] == [1, 2, 3, 4, 5, 6]
            took = {each.n: each.at for each in gateway.log if each.kind == "answer"}
            seconds = [(took[each.n] - each.at).total_seconds() for each in asked]
            assert seconds == pytest.approx([2 + 0.1 * (10 + n) for n in range(6)], abs=0.6)

    asyncio.run(main())


def test_events_of_the_service_are_ordered_by_name(serving: Serving) -> None:
    async def main() -> None:
        async with serving(speed=SPEED, service_seconds=0.2) as gateway, WireClient(gateway.port) as client:
            await client.until("error", code=2158)
            took = []
            for number, (name, arg) in enumerate((("service-slow", "20:60"), ("service-stalled", "3"), ("service-silent", "5"))):
                gateway.inject(name, arg)
                before = gateway.clock.now()
                client.say("reqHistoricalData", req_id=number, **{**DAILY, "duration": f"{10 + number} D"})
                if name == "service-silent":
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(client.until("historicalData"), 0.4)
                    assert gateway.open == 1
                else:
                    await client.until("historicalData")
                    took.append((gateway.clock.now() - before).total_seconds())
                    gateway.inject("service-slow", "1:0")
            assert took == pytest.approx([4.0, 3.2], abs=0.8)

    asyncio.run(main())
