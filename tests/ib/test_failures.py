"""I9: success is never reported for a failed or partial fetch, whatever the Gateway does, and honest neighbours are served.

The replay gateway breaks one request in each case; a second one, of another contract, is open at the same moment.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta

import pytest

from scizor.base.clock import RunningClock
from scizor.base.config import GatewayConfig
from scizor.ib.connection import Connection, connect
from scizor.ib.history import fetch
from scizor.market.types import Bar, Instrument, Kind, Origin, Outcome, OutcomeKind, Timeframe, Window
from scizor.replay.tws.options import GatewayOptions
from scizor.replay.tws.server import Gateway, serve
from tests.replay.conftest import MemorySource

BHP = Instrument(1, "BHP", "ASX", "XASX", "AUD", 4036812, 1, primary_exchange="ASX")
CBA = Instrument(2, "CBA", "ASX", "XASX", "AUD", 4036818, 1, primary_exchange="ASX")
NOW = datetime(2025, 1, 15, 6, 30, tzinfo=UTC)
SPEED = 20.0

K = OutcomeKind
TAILS = {
    "pacing": K.PACING, "no-data": K.EMPTY_UNCONFIRMED, "cancelled": K.CANCELLED, "invalid-step": K.ERROR,
    "no-permission": K.NO_PERMISSION, "different-ip": K.ERROR,
}  # fmt: skip
#: fault, argument -> how the request ends. None: as if nothing had happened.
CASES: dict[tuple[str, str], OutcomeKind | None] = {
    **{(name, ""): kind for name, kind in TAILS.items()},
    **{(f"spanish-{name}", ""): kind for name, kind in TAILS.items()},  # IB leaves the tail in English, where it was seen
    ("error", "162:Mensaje de error: infracción del ritmo de solicitudes"): K.ERROR,
    ("error", "162:la consulta no devolvió datos"): K.ERROR,
    ("error", "162:历史市场数据服务错误消息:HMDS查询未返回任何数据"): K.ERROR,
    ("error", "162:"): K.ERROR,
    ("error", "31337:HMDS query returned no data"): K.ERROR,
    ("200", ""): K.ERROR, ("203", ""): K.ERROR, ("321", ""): K.ERROR, ("322", ""): K.PACING, ("354", ""): K.NO_PERMISSION,
    ("366", ""): K.ERROR, ("420", ""): K.NO_PERMISSION, ("10089", ""): K.NO_PERMISSION, ("10167", ""): K.NO_PERMISSION,
    ("10197", ""): K.ERROR,
    ("silence", ""): K.TIMEOUT, ("late", "8"): K.TIMEOUT, ("slow", "60"): K.TIMEOUT,
    ("close", ""): K.ERROR, ("drop", ""): K.ERROR, ("oversized", ""): K.ERROR, ("oversized", "4194305"): K.ERROR,
    ("truncated", ""): K.ERROR, ("error-after", "1"): K.ERROR, ("error-after", "3"): K.ERROR, ("error-after", "0"): K.ERROR,
    ("empty-frame", ""): None, ("unknown-message", ""): None, ("bad-utf8", ""): None, ("dribble", ""): None,
    ("coalesced", "0.2"): None, ("twice", ""): None,
}  # fmt: skip
LOSES = ("close", "drop", "oversized")  # the neighbour may fall with it, but as an error


def expected(source: MemorySource, window: Window) -> tuple[Bar, ...]:
    con_id = window.instrument.con_id or 0
    return tuple(source.bars(con_id, Timeframe.DAY1, Kind.TRADES, True, window.first, window.last, NOW))


async def run_cases(seed: int, count: int) -> Counter[OutcomeKind]:
    """`count` random cases on as few connections as they leave alive."""
    dice = random.Random(seed)
    source, met = MemorySource(), Counter[OutcomeKind]()
    clock = RunningClock(NOW, RunningClock().now(), SPEED)
    names = list(CASES)
    async with serve(GatewayOptions(port=0), source, clock) as gateway, AsyncExitStack() as stack:
        connection: Connection | None = None
        for number in range(count):
            name, argument = names[number % len(names)] if number < len(names) else dice.choice(names)
            if connection is None or not connection.is_open:
                await stack.aclose()
                config = GatewayConfig(port=gateway.port, connect_timeout_seconds=200, ready_timeout_seconds=20)
                connection = await stack.enter_async_context(connect(config, "replay", clock))
            case = f"seed {seed}, case {number}: {name}={argument}"
            broken, honest = await _one(dice, gateway, connection, name, argument)
            met[broken[1].kind] += 1
            _judge(case, source, name, CASES[name, argument], *broken, *honest)
    return met


async def _one(
    dice: random.Random, gateway: Gateway, connection: Connection, name: str, argument: str
) -> tuple[tuple[Window, Outcome], tuple[Window, Outcome]]:
    rule = gateway.inject(name, argument, con_id=BHP.con_id or 0, times=1)
    windows = []
    for instrument in (BHP, CBA):
        last = date(2025, 1, 14) - timedelta(days=dice.randrange(3000))
        last -= timedelta(days=max(0, last.weekday() - 4))
        windows.append(Window(instrument, Timeframe.DAY1, last - timedelta(days=dice.choice((6, 30, 400))), last, Origin()))
    seconds = 4.0 if CASES[name, argument] is OutcomeKind.TIMEOUT else 400.0
    ends = await asyncio.gather(
        fetch(connection, windows[0], timeout_seconds=seconds), fetch(connection, windows[1], timeout_seconds=400.0)
    )
    gateway.forget(rule)
    return (windows[0], ends[0]), (windows[1], ends[1])


def _judge(
    case: str, source: MemorySource, name: str, kind: OutcomeKind | None,
    window: Window, outcome: Outcome, other: Window, neighbour: Outcome,
) -> None:  # fmt: skip
    if kind is None:
        assert outcome.is_ok and outcome.bars == expected(source, window), f"{case}: {outcome.kind} {outcome.text}"
    else:
        assert (outcome.kind, outcome.bars) == (kind, ()), f"{case}: {outcome.kind} {outcome.text}"
        assert outcome.kind not in (OutcomeKind.OK, OutcomeKind.EMPTY_CONFIRMED)
        if kind is OutcomeKind.EMPTY_UNCONFIRMED:
            assert name in ("no-data", "spanish-no-data"), case
    if neighbour.is_ok:
        assert neighbour.bars == expected(source, other), case
    else:
        assert name in LOSES and neighbour.kind is OutcomeKind.ERROR, f"{case}: the neighbour: {neighbour.kind} {neighbour.text}"


@pytest.mark.parametrize("seed", [1, 2])
def test_I9_success_is_never_reported_for_a_failed_or_partial_fetch(seed: int) -> None:
    met = asyncio.run(run_cases(seed, 200))
    assert sum(met.values()) == 200
    assert {K.OK, K.PACING, K.EMPTY_UNCONFIRMED, K.NO_PERMISSION, K.TIMEOUT, K.CANCELLED, K.ERROR} <= set(met)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(3, 53))
def test_I9_in_full(seed: int) -> None:
    asyncio.run(run_cases(seed, 200))


def test_row_25_a_timeout_of_one_symbol_leaves_the_others_alone() -> None:
    async def scene() -> tuple[list[Outcome], int]:
        clock = RunningClock(NOW, RunningClock().now(), SPEED)
        async with serve(GatewayOptions(port=0), MemorySource(), clock) as gateway:
            gateway.inject("silence", con_id=BHP.con_id or 0, nth=2)
            config = GatewayConfig(port=gateway.port, connect_timeout_seconds=200)
            async with connect(config, "replay", clock) as connection:
                windows = [Window(each, Timeframe.DAY1, date(2025, 1, 6), date(2025, 1, 14)) for each in (BHP, CBA) * 5]
                ends = await asyncio.gather(*(fetch(connection, each, timeout_seconds=20) for each in windows))
                await asyncio.sleep(0.05)
                return ends, gateway.open

    ends, still_open = asyncio.run(scene())
    assert [each.kind for each in ends].count(OutcomeKind.TIMEOUT) == 1
    assert sum(each.is_ok for each in ends) == 9
    assert still_open == 0, "the unanswered request was not cancelled"
