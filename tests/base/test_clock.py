"""Clocks that are handed in: the wall's, an accelerated one on which several processes agree, and one that stands still."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from scizor.base.clock import RunningClock, StoppedClock

ORIGIN = datetime(2025, 1, 15, 5, 0, tzinfo=UTC)


def accelerated(speed: float = 60.0) -> RunningClock:
    return RunningClock(ORIGIN, datetime.now(UTC), speed)


def test_without_an_origin_it_is_the_wall_s_time_in_UTC() -> None:
    before = datetime.now(UTC)
    now = RunningClock().now()
    assert before <= now <= datetime.now(UTC) and now.utcoffset() == timedelta(0)


def test_an_accelerated_clock_passes_a_minute_in_a_second() -> None:
    clock = accelerated()
    begun, wall = clock.now(), time.monotonic()
    clock.pause(30)
    passed, on_the_wall = (clock.now() - begun).total_seconds(), time.monotonic() - wall
    assert 0.5 <= on_the_wall < 2
    assert passed == pytest.approx(on_the_wall * 60, rel=0.05)


def test_every_duration_is_in_the_clock_s_own_seconds() -> None:
    clock = accelerated()

    async def measure() -> float:
        wall = time.monotonic()
        await clock.sleep(12)
        with pytest.raises(TimeoutError):
            async with clock.timeout(12):
                await asyncio.Event().wait()
        return time.monotonic() - wall

    assert 0.4 <= asyncio.run(measure()) < 1.5
    assert clock.wall_seconds(600) == 10


def test_processes_with_the_same_origin_count_on_the_same_clock() -> None:
    started = datetime.now(UTC)
    mine = RunningClock(ORIGIN, started, 60.0)
    code = (
        "import sys; from datetime import datetime; from scizor.base.clock import RunningClock\n"
        "print(RunningClock(*map(datetime.fromisoformat, sys.argv[1:3]), 60.0).now().isoformat())"
    )
    before = mine.now()
    said = subprocess.run([sys.executable, "-c", code, ORIGIN.isoformat(), started.isoformat()], capture_output=True, text=True, check=True)
    assert before <= datetime.fromisoformat(said.stdout.strip()) <= mine.now()


def test_no_timeout_waits_and_a_negative_sleep_does_not() -> None:
    async def body() -> None:
        async with RunningClock().timeout(None):
            await RunningClock().sleep(-5)

    asyncio.run(body())
    RunningClock().pause(-5)


def test_a_stopped_clock_moves_when_told_and_when_somebody_sleeps_on_it() -> None:
    told: list[float] = []
    clock = StoppedClock(ORIGIN, told.append)
    wall = time.monotonic()
    clock.move(60)
    clock.pause(600)
    asyncio.run(clock.sleep(3600))
    assert clock.now() == ORIGIN + timedelta(seconds=60 + 600 + 3600)
    assert told == [600, 3600] and time.monotonic() - wall < 1
