"""The first promise of the product: a failed request is never taken for an empty one."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from scizor.base.clock import RunningClock
from scizor.ib.connection import connect
from scizor.ib.history import fetch
from scizor.market.types import Instrument, Outcome, OutcomeKind, Timeframe, Window
from tests.ib.gateway import Pencil, Session, pencil

BHP = Instrument(1, "BHP", "ASX", "XASX", "AUD", 4036812, 1, primary_exchange="ASX")
CBA = Instrument(2, "CBA", "ASX", "XASX", "AUD", 4036818, 1, primary_exchange="ASX")
WINDOW = Window(BHP, Timeframe.DAY1, date(2025, 1, 13), date(2025, 1, 14))
ROWS = [
    ("20250113", 40.5, 40.9, 40.2, 40.66, 8123456.22, 40.55, 9120),
    ("20250114", 40.7, 41.1, 40.6, 41.02, 7654321.5, 40.91, 8801),
]
NO_DATA = "Historical Market Data Service error message:HMDS query returned no data: BHP@ASX Trades"
PACING = "Historical Market Data Service error message:Historical data request pacing violation"


async def ask(gateway: Pencil, window: Window = WINDOW, timeout_seconds: float = 2.0) -> Outcome:
    async with connect(gateway.config, "replay", RunningClock()) as connection:
        return await fetch(connection, window, timeout_seconds=timeout_seconds)


def test_row_19_a_pacing_violation_is_never_ok_nor_no_data() -> None:
    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        session.error(fields["req_id"], 162, PACING)

    async def scene() -> Outcome:
        async with pencil(answer) as gateway:
            return await ask(gateway)

    outcome = asyncio.run(scene())
    assert (outcome.kind, outcome.code, outcome.bars) == (OutcomeKind.PACING, 162, ())


def test_a_timeout_is_never_ok_nor_no_data_and_a_late_answer_changes_nothing() -> None:
    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        if name == "cancelHistoricalData":  # the Gateway had the bars under way already
            session.bars(fields["req_id"], ROWS)
        elif name == "reqHistoricalData" and fields["con_id"] == CBA.con_id:
            session.bars(fields["req_id"], ROWS[:1])

    async def scene() -> tuple[Outcome, Outcome, list[str], int]:
        async with pencil(answer) as gateway, connect(gateway.config, "replay", RunningClock()) as connection:
            late = await fetch(connection, WINDOW, timeout_seconds=0.2)
            before = repr(late)
            window = Window(CBA, Timeframe.DAY1, date(2025, 1, 13), date(2025, 1, 14))
            other = await fetch(connection, window, timeout_seconds=2.0)
            assert repr(late) == before
            return late, other, gateway.names, connection.counts["late"]

    late, other, names, counted = asyncio.run(scene())
    assert (late.kind, late.bars, late.code) == (OutcomeKind.TIMEOUT, (), None)
    assert [bar.close for bar in other.bars] == [40.66], "the late answer fell to the next request"
    assert names.count("cancelHistoricalData") == 1
    assert counted == 1


def test_planted_a_library_call_takes_the_same_three_for_empty_lists() -> None:
    """What we protect from: stock ib_insync answers all three with a list, and a late answer fills it afterwards."""
    import ib_insync

    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        if name == "reqHistoricalData" and fields["con_id"] == CBA.con_id:
            session.error(fields["req_id"], 162, PACING)

    async def scene() -> tuple[list[Any], list[Any]]:
        async with pencil(answer) as gateway:
            ib = ib_insync.IB()
            await ib.client.connectAsync("127.0.0.1", gateway.port, 100, 5)
            lists = []
            for con_id in (BHP.con_id, CBA.con_id):
                contract = ib_insync.Contract(conId=con_id, exchange="ASX")
                lists.append(await ib.reqHistoricalDataAsync(contract, "", "2 D", "1 day", "TRADES", True, timeout=0.2))
            ib.disconnect()
            await asyncio.sleep(0.05)
            return lists[0], lists[1]

    assert [list(each) for each in asyncio.run(scene())] == [[], []]


@pytest.mark.parametrize("text", [NO_DATA, NO_DATA.upper()])
def test_row_20_no_data_is_unconfirmed(text: str) -> None:
    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        session.error(fields["req_id"], 162, text)

    async def scene() -> Outcome:
        async with pencil(answer) as gateway:
            return await ask(gateway)

    outcome = asyncio.run(scene())
    assert (outcome.kind, outcome.code, outcome.text) == (OutcomeKind.EMPTY_UNCONFIRMED, 162, text)


def test_an_answer_is_copied_whole() -> None:
    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        session.bars(fields["req_id"], ROWS)

    async def scene() -> tuple[Outcome, Pencil]:
        async with pencil(answer) as gateway:
            return await ask(gateway), gateway

    outcome, gateway = asyncio.run(scene())
    assert outcome.is_ok
    assert [tuple(bar) for bar in outcome.bars] == [(date(2025, 1, 13), *ROWS[0][1:]), (date(2025, 1, 14), *ROWS[1][1:])]
    assert outcome.sha256 is not None and len(outcome.sha256) == 32
    assert gateway.names == ["startApi", "reqHistoricalData"]
