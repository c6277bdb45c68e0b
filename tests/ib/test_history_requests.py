"""What is asked for a window, and the two small questions: head timestamps and schedules."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scizor.base.clock import RunningClock
from scizor.base.config import GatewayConfig
from scizor.ib.connection import connect
from scizor.ib.history import ScheduledSession, duration_of, end_of, fetch, head, schedule
from scizor.market.types import Bar, Instrument, Kind, Origin, Outcome, OutcomeKind, Timeframe, Window
from scizor.replay.tws.options import GatewayOptions
from scizor.replay.tws.server import serve
from tests.ib.gateway import Session, pencil
from tests.ib.test_history import BHP, MINUTES, ROWS, WINDOW, ask
from tests.replay.conftest import MemorySource

NOW = datetime(2025, 1, 15, 6, 30, tzinfo=UTC)  # 17:30 in Sydney
SPY = Instrument(3, "SPY", "SMART", "XNYS", "USD", 756733, 1, primary_exchange="ARCA")


def daily(first: date, last: date, instrument: Instrument = BHP) -> Window:
    return Window(instrument, Timeframe.DAY1, first, last)


@pytest.mark.parametrize(
    ("first", "last", "duration"),
    [
        (date(2025, 1, 14), date(2025, 1, 14), "1 D"), (date(2025, 1, 13), date(2025, 1, 17), "5 D"),
        (date(2025, 1, 11), date(2025, 1, 12), "1 D"),  # a weekend
        (date(2024, 1, 16), date(2025, 1, 15), "262 D"), (date(2023, 8, 24), date(2025, 1, 15), "365 D"),
        (date(2023, 8, 23), date(2025, 1, 15), "2 Y"), (date(2005, 1, 17), date(2025, 1, 15), "20 Y"),
        (date(2005, 1, 16), date(2025, 1, 15), "21 Y"), (date(1957, 6, 1), date(2025, 1, 15), "68 Y"),
    ],
)  # fmt: skip
def test_durations_of_daily_windows(first: date, last: date, duration: str) -> None:
    assert duration_of(daily(first, last)) == duration


def test_a_window_beyond_what_ib_takes_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="68 years"):
        duration_of(daily(date(1950, 1, 1), date(2025, 1, 15)))
    with pytest.raises(ValueError, match="start and end"):
        duration_of(Window(BHP, Timeframe.MIN1, date(2025, 1, 15), date(2025, 1, 15)))


@pytest.mark.parametrize(
    ("timeframe", "hours", "duration"),
    [
        (Timeframe.SEC5, 2, "7200 S"), (Timeframe.SEC30, 24, "86400 S"), (Timeframe.MIN1, 6, "1 D"),
        (Timeframe.MIN5, 24 * 6, "5 D"), (Timeframe.HOUR1, 24 * 29, "22 D"), (Timeframe.HOUR4, 24 * 13, "3 W"),
        (Timeframe.MIN5, 24 * 700, "2 Y"),
    ],
)  # fmt: skip
def test_durations_of_intraday_windows(timeframe: Timeframe, hours: int, duration: str) -> None:
    end = datetime(2025, 1, 15, 6, 0, tzinfo=UTC)
    start = end - timedelta(hours=hours)
    assert duration_of(Window(BHP, timeframe, start.date(), end.date(), start=start, end=end)) == duration


@pytest.mark.parametrize(
    ("last", "instrument", "end"),
    [
        (date(2025, 1, 14), BHP, "20250114 13:00:00 UTC"),  # midnight in Sydney, in summer
        (date(2024, 7, 15), BHP, "20240715 14:00:00 UTC"),  # and in winter
        (date(2025, 1, 13), SPY, "20250114 05:00:00 UTC"),
        (date(2025, 1, 14), BHP._replace(calendar="XTKS"), "20250114 22:00:00 UTC"),
        (date(2025, 1, 15), BHP, ""), (date(2025, 1, 15), SPY, ""),
    ],
)  # fmt: skip
def test_end_times_carry_their_zone_and_today_is_asked_without_one(last: date, instrument: Instrument, end: str) -> None:
    assert end_of(daily(last, last, instrument), NOW) == end


def test_every_window_of_a_year_comes_back_whole_from_the_replay_gateway() -> None:
    """Durations are never too short: the first and the last session of each window are in the answer."""
    dice = random.Random(11)
    source = MemorySource()

    async def scene() -> int:
        clock, checked = RunningClock(NOW, RunningClock().now(), 20.0), 0
        async with serve(GatewayOptions(port=0), source, clock) as gateway:
            config = GatewayConfig(port=gateway.port, connect_timeout_seconds=100)
            async with connect(config, "replay", clock) as connection:
                for days in (0, 1, 6, 30, 364, 365, 366, 730, 731, 3000, *(dice.randrange(3600) for _ in range(30))):
                    last = date(2025, 1, 15) - timedelta(days=dice.randrange(30))
                    window = daily(max(date(2015, 1, 1), last - timedelta(days=days)), last)
                    honest = source.bars(4036812, Timeframe.DAY1, Kind.TRADES, True, window.first, window.last, NOW)
                    outcome = await fetch(connection, window, timeout_seconds=200)
                    assert list(outcome.bars) == honest, (window.first, window.last, outcome.kind)
                    checked += len(honest)
        return checked

    assert asyncio.run(scene()) > 10_000


def test_minute_bars_come_back_whole_in_utc() -> None:
    source = MemorySource()

    async def scene() -> Outcome:
        clock = RunningClock(NOW, RunningClock().now(), 1.0)
        async with (
            serve(GatewayOptions(port=0), source, clock) as gateway,
            connect(GatewayConfig(port=gateway.port), "replay", clock) as connection,
        ):
            return await fetch(connection, MINUTES, timeout_seconds=10)

    outcome = asyncio.run(scene())
    assert len(outcome.bars) == 370 and outcome.bars[0].start == MINUTES.start
    assert all(isinstance(bar.start, datetime) and bar.start.tzinfo is UTC for bar in outcome.bars)


# ---- head and schedule -----------------------------------------------------------------------------------------------


def test_head_and_schedule_are_answered_by_the_replay_gateway() -> None:
    async def scene() -> tuple[Any, Any, Any, list[str]]:
        clock = RunningClock(NOW, RunningClock().now(), 1.0)
        async with (
            serve(GatewayOptions(port=0), MemorySource(), clock) as gateway,
            connect(GatewayConfig(port=gateway.port), "replay", clock) as connection,
        ):
            first = await head(connection, BHP, timeout_seconds=5)
            none = await head(connection, BHP._replace(con_id=999, exchange="NYSE"), timeout_seconds=5)
            sessions = await schedule(connection, BHP, days=3, timeout_seconds=5)
            await asyncio.sleep(0.05)
            return first, none, sessions, [str(each.name) for each in gateway.requests()]

    first, none, sessions, names = asyncio.run(scene())
    assert first == datetime(2014, 12, 31, 23, 0, tzinfo=UTC)
    assert isinstance(none, Outcome) and none.kind is OutcomeKind.EMPTY_UNCONFIRMED
    assert sessions[-1] == ScheduledSession(
        date(2025, 1, 15), datetime(2025, 1, 14, 23, 0, tzinfo=UTC), datetime(2025, 1, 15, 5, 11, tzinfo=UTC)
    )
    assert len(sessions) == 3
    assert names.count("cancelHeadTimestamp") == 1, "an answered head timestamp stays open until it is cancelled"


def test_head_and_schedule_end_when_nobody_answers() -> None:
    async def scene() -> tuple[list[OutcomeKind], list[str]]:
        async with pencil() as gateway, connect(gateway.config, "replay", RunningClock()) as connection:
            ends = [
                await head(connection, BHP, timeout_seconds=0.1), await schedule(connection, BHP, days=3, timeout_seconds=0.1)
            ]  # fmt: skip
            await asyncio.sleep(0.05)
            return [each.kind for each in ends if isinstance(each, Outcome)], gateway.names

    kinds, names = asyncio.run(scene())
    assert kinds == [OutcomeKind.TIMEOUT] * 2
    assert names == ["startApi", "reqHeadTimestamp", "cancelHeadTimestamp", "reqHistoricalData", "cancelHistoricalData"]


def test_a_recorded_schedule_is_read(recordings: Path) -> None:
    file = recordings / "ib_wire" / "ibkr_go_live_transcripts" / "historical_schedule_aapl.txt"
    if not file.exists():
        pytest.skip("recordings absent: ib_wire transcripts")
    line = next(each for each in file.read_text().splitlines() if each.startswith("server historical_schedule "))
    recorded = json.loads(line.removeprefix("server historical_schedule "))

    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        rows = [(each["start_date_time"], each["end_date_time"], each["ref_date"]) for each in recorded["sessions"]]
        session.send(
            "historicalSchedule", req_id=fields["req_id"], start=recorded["start_date_time"], end=recorded["end_date_time"],
            time_zone=recorded["time_zone"], sessions=rows,
        )  # fmt: skip

    async def scene() -> Any:
        async with pencil(answer) as gateway, connect(gateway.config, "replay", RunningClock()) as connection:
            return await schedule(connection, SPY, days=21, timeout_seconds=5)

    sessions = asyncio.run(scene())
    assert len(sessions) == 21
    assert sessions[0] == ScheduledSession(
        date(2026, 3, 12), datetime(2026, 3, 12, 13, 30, tzinfo=UTC), datetime(2026, 3, 12, 20, 0, tzinfo=UTC)
    )


def test_an_instrument_without_a_con_id_is_not_asked_about() -> None:
    async def scene() -> list[str]:
        async with pencil() as gateway, connect(gateway.config, "replay", RunningClock()) as connection:
            with pytest.raises(ValueError, match="not qualified"):
                await fetch(connection, daily(WINDOW.first, WINDOW.last, BHP._replace(con_id=None)), timeout_seconds=1)
            return gateway.names

    assert asyncio.run(scene()) == ["startApi"]


def test_other_kinds_and_hours_are_asked_as_they_are_named() -> None:
    asked: list[dict[str, Any]] = []

    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        asked.append(fields)
        session.bars(fields["req_id"], [(*ROWS[0][:5], -1, -1, -1)])

    async def scene() -> Outcome:
        async with pencil(answer) as gateway:
            window = Window(BHP, Timeframe.DAY1, WINDOW.first, WINDOW.last, Origin(Kind.BID, regular_hours=False))
            return await ask(gateway, window)

    assert asyncio.run(scene()).bars == (Bar(date(2025, 1, 13), *ROWS[0][1:5]),)
    wanted = {"what": "BID", "use_rth": False, "format_date": 2, "bar_size": "1 day", "duration": "2 D", "keep_up_to_date": False,
              "con_id": 4036812, "exchange": "ASX", "symbol": "", "end": "20250114 13:00:00 UTC"}  # fmt: skip
    assert {key: asked[0][key] for key in wanted} == wanted
