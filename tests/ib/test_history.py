"""The first promise of the product: a failed request is never taken for an empty one."""

from __future__ import annotations

import asyncio
import math
import random
import struct
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from scizor.base.clock import RunningClock
from scizor.ib import wire
from scizor.ib.answers import read_history
from scizor.ib.connection import connect
from scizor.ib.history import fetch
from scizor.market.types import Instrument, Outcome, OutcomeKind, Timeframe, Window
from tests.ib.gateway import VERSION, Pencil, Session, pencil

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


def answered(rows: list[tuple[Any, ...]], window: Window = WINDOW) -> Outcome:
    """How a fetch ends that is answered with these rows."""

    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        if name == "reqHistoricalData":
            session.bars(fields["req_id"], rows)

    async def scene() -> Outcome:
        async with pencil(answer) as gateway:
            return await ask(gateway, window)

    return asyncio.run(scene())


MINUTES = Window(
    BHP, Timeframe.MIN1, date(2025, 1, 15), date(2025, 1, 15),
    start=datetime(2025, 1, 14, 23, 0, tzinfo=UTC), end=datetime(2025, 1, 15, 5, 10, tzinfo=UTC),
)  # fmt: skip


@pytest.mark.parametrize("rows", [[], [("20250110", *ROWS[0][1:])], [("20250115", *ROWS[0][1:])]])
def test_row_20_an_answer_without_bars_in_the_window_is_unconfirmed(rows: list[tuple[Any, ...]]) -> None:
    outcome = answered(rows)
    assert (outcome.kind, outcome.bars, outcome.code) == (OutcomeKind.EMPTY_UNCONFIRMED, (), None)


def test_what_lies_outside_the_window_is_cut_off() -> None:
    outcome = answered([("20250110", *ROWS[0][1:]), *ROWS, ("20250115", *ROWS[0][1:])])
    assert [bar.start for bar in outcome.bars] == [date(2025, 1, 13), date(2025, 1, 14)]
    epochs = [int(MINUTES.start.timestamp()) + each for each in (-60, 0, 60, 22200, 22260)]  # type: ignore[union-attr]
    outcome = answered([(str(each), *ROWS[0][1:]) for each in epochs], MINUTES)
    assert [bar.start for bar in outcome.bars] == [MINUTES.start, MINUTES.start + timedelta(minutes=1)]  # type: ignore[operator]


def test_row_31_minus_one_is_none_and_other_numbers_stay() -> None:
    rows = [("20250113", *ROWS[0][1:5], -1, -1, -1), ("20250114", *ROWS[1][1:5], 2.5e9, 0.0, 0)]
    outcome = answered(rows)
    assert [(bar.volume, bar.wap, bar.trades) for bar in outcome.bars] == [(None, None, None), (2.5e9, 0.0, 0)]
    assert answered([("20250113", *ROWS[0][1:5], -7, 1.0, 1)]).bars[0].volume == -7


@pytest.mark.parametrize("text", ["", "NaN", "x", "1e400", "-Infinity"])
def test_row_30_an_impossible_price_reaches_validation_and_the_other_bars_are_kept(text: str) -> None:
    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        bars = [("20250113", "40.5", text, "40.2", "40.66", "8", "40.5", "9"), ROWS[1]]
        fields_out = ["17", fields["req_id"], "", "", 2, *bars[0], *bars[1]]
        session.raw(wire.frame("".join(f"{each}\0" for each in fields_out).encode()))

    async def scene() -> Outcome:
        async with pencil(answer) as gateway:
            return await ask(gateway)

    outcome = asyncio.run(scene())
    assert outcome.is_ok and len(outcome.bars) == 2
    assert not math.isfinite(outcome.bars[0].high) and outcome.bars[1].high == 41.1


@pytest.mark.parametrize("stamp", ["20250115 10:00:00", "20250115  10:00:00", "20250115 10:00:00 Australia/NSW", "20250114-23:00:00", "20250115"])
def test_rows_36_37_a_timestamp_that_is_no_epoch_is_refused(stamp: str) -> None:
    outcome = answered([(stamp, *ROWS[0][1:])], MINUTES)
    assert (outcome.kind, outcome.bars) == (OutcomeKind.ERROR, ())
    assert "formatDate=2" in outcome.text or "stamped 2025-01-15" in outcome.text


def test_row_36_an_epoch_in_a_daily_answer_is_refused() -> None:
    assert answered([("1736920800", *ROWS[0][1:])]).kind is OutcomeKind.ERROR


def test_the_same_bars_have_the_same_sha256_and_others_another() -> None:
    marks = [answered(rows).sha256 for rows in (ROWS, ROWS, [ROWS[0], (*ROWS[1][:7], 8802)])]
    assert marks[0] == marks[1] != marks[2]


def test_I10_bars_are_those_that_were_sent_bit_for_bit() -> None:
    """Random bit patterns of doubles and the edges of their range."""
    seed = 7
    dice = random.Random(seed)
    edges = [0.1, 1e-8, 123456789.12345678, 5e-324, 1.7976931348623157e308, 0.30000000000000004, 948837.22, 1e22, 2.0**53 + 2]

    def number() -> float:
        while True:
            value = dice.choice(edges) if dice.random() < 0.3 else struct.unpack(">d", dice.randbytes(8))[0]
            if math.isfinite(value) and value != -1:
                return abs(value)

    for _ in range(20):
        sent = [
            (f"{date(2025, 1, 1) - timedelta(days=day):%Y%m%d}", *(number() for _ in range(6)), dice.randrange(2**40))
            for day in range(200)
        ]
        payload = wire.encode("historicalData", {"req_id": 1, "bars": sent}, VERSION)
        found = read_history(payload.decode().split("\0")[:-1]).bars
        assert [repr(tuple(bar)[1:]) for bar in found] == [repr(row[1:]) for row in sent], f"seed {seed}"


def test_the_first_frame_that_names_a_request_is_told_once_whatever_it_says() -> None:
    told: list[datetime] = []

    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        if fields.get("con_id") == CBA.con_id:
            session.error(fields["req_id"], 162, PACING)
        elif name == "reqHistoricalData" and len(session.seen) < 5:
            session.error(fields["req_id"], 2174, "Warning: You submitted request with date-time attributes")
            await asyncio.sleep(0.1)
            session.bars(fields["req_id"], ROWS)

    async def scene() -> list[tuple[Outcome, list[datetime]]]:
        ends = []
        async with pencil(answer) as gateway, connect(gateway.config, "replay", RunningClock()) as connection:
            for instrument in (BHP, CBA, BHP, BHP):
                told.clear()
                window = Window(instrument, Timeframe.DAY1, WINDOW.first, WINDOW.last)
                ends.append((await fetch(connection, window, timeout_seconds=0.5, on_first_frame=told.append), list(told)))
        return ends

    good, refused, _, silent = asyncio.run(scene())
    assert good[0].is_ok and len(good[1]) == 1
    assert good[0].asked_at <= good[1][0] <= good[0].answered_at - timedelta(seconds=0.09)  # type: ignore[operator]
    assert refused[0].kind is OutcomeKind.PACING and len(refused[1]) == 1
    assert silent[0].kind is OutcomeKind.TIMEOUT and silent[1] == []


def test_an_error_of_the_callback_reaches_the_caller_and_not_the_stream() -> None:
    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        session.bars(fields["req_id"], ROWS)

    def broken(at: datetime) -> None:
        raise LookupError("the ledger is away")

    async def scene() -> None:
        async with pencil(answer) as gateway, connect(gateway.config, "replay", RunningClock()) as connection:
            with pytest.raises(LookupError, match="ledger"):
                await fetch(connection, WINDOW, timeout_seconds=2, on_first_frame=broken)
            assert (await fetch(connection, WINDOW, timeout_seconds=2)).is_ok
            assert connection.counts["malformed"] == 0

    asyncio.run(scene())


def test_a_cancelled_task_cancels_its_request_at_the_gateway() -> None:
    async def scene() -> list[str]:
        async with pencil() as gateway, connect(gateway.config, "replay", RunningClock()) as connection:
            task = asyncio.ensure_future(fetch(connection, WINDOW, timeout_seconds=30))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled() and connection.open_requests == 0
            await asyncio.sleep(0.05)
            return gateway.names

    assert asyncio.run(scene()) == ["startApi", "reqHistoricalData", "cancelHistoricalData"]


def test_row_23_delayed_data_is_refused_and_its_request_cancelled() -> None:
    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        if name == "reqHistoricalData":
            session.error(fields["req_id"], 10167, "Requested market data is not subscribed. Displaying delayed market data.")
            session.bars(fields["req_id"], ROWS)

    async def scene() -> tuple[Outcome, list[str]]:
        async with pencil(answer) as gateway:
            outcome = await ask(gateway)
            await asyncio.sleep(0.05)
            return outcome, gateway.names

    outcome, names = asyncio.run(scene())
    assert (outcome.kind, outcome.bars, outcome.is_permanent) == (OutcomeKind.NO_PERMISSION, (), True)
    assert names[-1] == "cancelHistoricalData"
