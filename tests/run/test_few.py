"""A few tasks at a time: bounded, finished, and their first error is the one that comes out."""

from __future__ import annotations

import asyncio

import pytest

from scizor.run.few import Few


def test_no_more_than_a_few_are_in_hand_and_all_are_waited_for() -> None:
    now, most, done = 0, 0, []

    async def work(number: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001 * (number % 3))
        now -= 1
        done.append(number)

    async def run() -> None:
        async with Few(3) as few:
            for number in range(20):
                await few.start(work(number))

    asyncio.run(run())
    assert (most, sorted(done)) == (3, list(range(20)))


@pytest.mark.parametrize("later", [0, 5])
def test_what_one_raised_comes_out_as_it_was_and_the_others_are_finished(later: int) -> None:
    done = []

    async def work(number: int) -> None:
        await asyncio.sleep(0.001)
        if number == 1:
            raise LookupError("number one")
        await asyncio.sleep(0.01)
        done.append(number)

    async def run() -> None:
        async with Few(3) as few:
            for number in range(3 + later):
                await few.start(work(number))

    with pytest.raises(LookupError, match="number one"):
        asyncio.run(run())
    assert done == [0, 2]


def test_what_the_body_raised_comes_before_what_a_task_raised() -> None:
    async def work() -> None:
        raise LookupError

    async def run() -> None:
        async with Few(2) as few:
            await few.start(work())
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(run())
