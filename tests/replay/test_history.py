"""IB's arithmetic: durations, end times, stamps, sizes. Pure, against the made-up source of weekday sessions."""

from __future__ import annotations

import asyncio
import random
import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scizor.ib import wire
from scizor.market.types import Bar, Kind, Timeframe
from scizor.replay.sources import Pattern, matches
from scizor.replay.tws import history
from scizor.replay.tws.historical import Asked, answer
from scizor.replay.tws.history import InvalidError, parse_end
from scizor.replay.tws.options import GatewayOptions
from tests.replay.conftest import CLOSE, Serving
from tests.replay.memory import SYDNEY, MemorySource
from tests.replay.wireclient import DAILY, WireClient

OPTIONS = GatewayOptions()


def ask(source: MemorySource, *, version: int = 178, at: datetime = CLOSE, options: GatewayOptions = OPTIONS, **more: Any) -> dict[str, Any]:
    """The fields of the first message that answers this historical request."""
    payload = wire.encode("reqHistoricalData", {**DAILY, "req_id": 1, **more}, version)
    name, values = wire.decode(payload, wire.Direction.TO_GATEWAY, version)
    found = answer(Asked(name, values, version, at), source, options)
    return wire.decode(found.payloads[0], wire.Direction.FROM_GATEWAY, version)[1]


def dates(told: dict[str, Any]) -> list[str]:
    return [each["date"] for each in told["bars"]]


@pytest.mark.parametrize(
    ("duration", "end", "first", "last", "count"),
    [
        ("1 D", "", "20250115", "20250115", 1),
        ("10 D", "", "20250102", "20250115", 10),
        ("10 D", "20250110-12:00:00", "20241230", "20250110", 10),
        ("1 W", "", "20250109", "20250115", 5),
        ("1 M", "", "20241216", "20250115", 23),
        ("1 Y", "", "20240116", "20250115", 262),
        ("2 D", "20250111 12:00:00", "20250109", "20250110", 2),  # a Saturday
        ("2 D", "20250113 09:59:59", "20250109", "20250110", 2),  # before Monday's open
        ("2 D", "20250113 10:00:01", "20250110", "20250113", 2),
        ("3 D", "20990101-00:00:00", "20250113", "20250115", 3),  # nothing lies beyond the clock
    ],
)
def test_durations_count_sessions_or_calendar_time(
    source: MemorySource, duration: str, end: str, first: str, last: str, count: int
) -> None:
    told = dates(ask(source, duration=duration, end=end))
    assert (told[0], told[-1], len(told)) == (first, last, count)


def test_a_month_to_a_saturday_is_what_a_captured_schedule_was() -> None:
    """1 M asked on 11 April 2026 was answered with 12 March to 10 April."""
    asked = datetime(2026, 4, 11, 17, 52, tzinfo=UTC)
    told = ask(MemorySource(), con_id=999, exchange="NYSE", duration="1 M", what="SCHEDULE", at=asked)
    assert (told["sessions"][0]["session_date"], told["sessions"][-1]["session_date"]) == ("20260312", "20260410")


def test_a_long_duration_ends_at_the_beginning_of_the_recording(source: MemorySource) -> None:
    told = dates(ask(source, duration="20 Y"))
    assert told[0] == "20150101"
    assert dates(ask(source, duration="365 D"))[0] == "20230824"


@pytest.mark.parametrize(
    ("seconds", "end", "first", "last", "count"),
    [
        (3600, "", "15:11:00", "16:10:00", 60),  # after the close: the last hour in which something was traded
        (1800, "20250115 12:00:00", "11:30:00", "11:59:00", 30),
        (60, "20250115 12:00:00", "11:59:00", "11:59:00", 1),
    ],
)
def test_seconds_reach_back_from_the_end_or_the_last_trade(
    source: MemorySource, seconds: int, end: str, first: str, last: str, count: int
) -> None:
    told = ask(source, duration=f"{seconds} S", bar_size="1 min", end=end)
    stamps = [datetime.fromtimestamp(int(each), SYDNEY).strftime("%H:%M:%S") for each in dates(told)]
    assert (stamps[0], stamps[-1], len(stamps)) == (first, last, count)


@pytest.mark.parametrize("size", list(history.SIZES))
def test_every_size_of_the_product_is_served_in_steps_of_its_own_length(source: MemorySource, size: str) -> None:
    told = dates(ask(source, bar_size=size, duration="1 D"))
    if history.SIZES[size] is Timeframe.DAY1:
        assert told == ["20250115"]
    else:
        assert {int(b) - int(a) for a, b in pairwise(told)} == {history.SIZES[size].seconds}
        assert int(told[0]) == int(datetime(2025, 1, 14, 23, 0, tzinfo=UTC).timestamp())


def test_stamps_are_epoch_or_local_with_a_zone_or_local_without_by_version(source: MemorySource) -> None:
    def first(version: int, form: int, **more: Any) -> str:
        return dates(ask(source, version=version, format_date=form, bar_size="1 hour", duration="1 D", **more))[0]

    assert first(178, 2) == first(157, 2) == "1736895600"
    assert first(178, 1) == "20250115 10:00:00 Australia/NSW"
    assert first(173, 1) == "20250115  10:00:00"
    assert first(173, 1, options=GatewayOptions(zone="America/New_York")) == "20250114  18:00:00"
    assert dates(ask(source, version=157, format_date=1))[-1] == "20250115"
    head = datetime(2025, 1, 14, 23, 0, tzinfo=UTC)
    assert history.head_stamp(head, 1, SYDNEY, 178) == "20250114-23:00:00"
    assert history.head_stamp(head, 1, SYDNEY, 173) == "20250115  10:00:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20250115 16:00:00", datetime(2025, 1, 15, 5, tzinfo=UTC)),
        ("20250115  16:00:00", datetime(2025, 1, 15, 5, tzinfo=UTC)),
        ("20250115 16:00:00 UTC", datetime(2025, 1, 15, 16, tzinfo=UTC)),
        ("20250115 16:00:00 US/Eastern", datetime(2025, 1, 15, 21, tzinfo=UTC)),
        ("20250115-16:00:00", datetime(2025, 1, 15, 16, tzinfo=UTC)),
        ("20250115", datetime(2025, 1, 14, 13, tzinfo=UTC)),
        ("", None),
    ],
)
def test_end_times_in_every_form(text: str, expected: datetime | None) -> None:
    assert parse_end(text, SYDNEY) == expected


@pytest.mark.parametrize("text", ["yesterday", "20250230 10:00:00", "2025-01-15", "20250115 25:00:00", "20250115 16:00:00 Mars/Base"])
def test_end_times_that_are_none(text: str) -> None:
    with pytest.raises(InvalidError, match="invalid"):
        parse_end(text, ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("more", "code", "word"),
    [
        ({"bar_size": "7 mins"}, 321, "Legal ones are"),
        ({"what": "GOSSIP"}, 321, "What to show field is missing or incorrect"),
        ({"exchange": "", "con_id": 4036812}, 321, "Please enter exchange"),
        ({"duration": "10"}, 321, "duration"),
        ({"duration": "0 D"}, 321, "duration"),
        ({"duration": "366 D"}, 321, "years"),
        ({"duration": "69 Y"}, 321, "duration"),
        ({"end": "soon"}, 321, "soon"),
        ({"duration": "60 S"}, 162, "invalid step"),
        ({"end": "19990101-00:00:00"}, 162, "HMDS query returned no data: BHP@ASX Trades"),
        ({"con_id": 5}, 200, "No security definition"),
        ({"con_id": 0, "exchange": "SMART", "currency": ""}, 200, "ambiguous"),
    ],
)
def test_requests_that_cannot_be_served_say_why_in_ibs_words(
    source: MemorySource, more: dict[str, Any], code: int, word: str
) -> None:
    told = ask(source, **more)
    assert told["code"] == code
    assert word in told["text"]


def test_an_answer_beyond_the_frame_limit_is_an_error_and_not_a_broken_stream(source: MemorySource) -> None:
    told = ask(source, bar_size="5 secs", duration="20 D")
    assert told["code"] == 162
    assert "shorter duration" in told["text"]


def test_what_has_not_begun_is_not_served_and_bid_ask_is_made_of_both(source: MemorySource) -> None:
    noon = datetime(2025, 1, 15, 1, 0, tzinfo=UTC)
    told = ask(source, bar_size="1 min", duration="1 D", at=noon)
    assert len(told["bars"]) == 120
    morning = datetime(2025, 1, 14, 22, 59, tzinfo=UTC)
    assert dates(ask(source, at=morning))[-1] == "20250114"
    bid, ask_, both = (ask(source, what=what)["bars"][-1] for what in ("BID", "ASK", "BID_ASK"))
    assert (both["low"], both["high"]) == (bid["low"], ask_["high"])
    assert bid["low"] <= both["open"] < both["close"] <= ask_["high"]
    assert (both["volume"], both["wap"], both["trades"]) == (-1, -1, -1)


def test_smart_is_any_exchange_and_everything_that_is_said_must_agree(source: MemorySource) -> None:
    bhp = source.rows[0]
    for pattern, agrees in (
        (Pattern(symbol="BHP", exchange="SMART", currency="AUD"), True),
        (Pattern(symbol="BHP", exchange="NYSE"), False),
        (Pattern(con_id=4036812, exchange="NYSE"), True),
        (Pattern(con_id=1, symbol="BHP"), False),
        (Pattern(local_symbol="BHP", sec_type="STK"), True),
        (Pattern(symbol="BHP", sec_type="OPT"), False),
        (Pattern(exchange="ASX"), False),
    ):
        assert matches(bhp, pattern) == agrees, pattern


@dataclass
class _Random(MemorySource):
    """Bars of any double there is, but for the order of OHLC, which the gateway does not look at."""

    seed: int = 10

    def bars(
        self, con_id: int, timeframe: Timeframe, kind: Kind, regular_hours: bool, first: date, last: date, now: datetime
    ) -> list[Bar]:
        generator = random.Random(self.seed)

        def number() -> float:
            while True:
                (found,) = struct.unpack("<d", generator.randbytes(8))
                if found == found and abs(found) != float("inf"):
                    return float(found)

        return [
            Bar(first + timedelta(days=n), *(number() for _ in range(4)), abs(number()), number(), generator.randrange(2**31))
            for n in range(5_000)
        ]


def test_I10_bars_arrive_bit_for_bit_as_the_source_has_them(serving: Serving) -> None:
    """Any 64-bit float; the count of the invariant (1,000,000) is in `--exhaustive`."""
    _arrive(serving, rounds=4)


@pytest.mark.exhaustive
def test_I10_a_million_bars_arrive_bit_for_bit_as_the_source_has_them(serving: Serving) -> None:
    _arrive(serving, rounds=200)


def _arrive(serving: Serving, rounds: int) -> None:
    source = _Random()
    compared = 0

    async def main() -> None:
        nonlocal compared
        async with serving() as gateway, WireClient(gateway.port) as client:
            gateway.source = source
            await client.until("error", code=2158)
            for number in range(rounds):
                source.seed = number
                _, told = await client.ask("reqHistoricalData", number, **{**DAILY, "duration": f"{1 + number} D"})
                first = datetime.strptime(told["bars"][0]["date"], "%Y%m%d").replace(tzinfo=UTC).date()
                sent = source.bars(0, Timeframe.DAY1, Kind.TRADES, True, first, first, CLOSE)
                for bar, row in zip(sent, told["bars"], strict=True):
                    heard = tuple(row[key] for key in ("open", "high", "low", "close", "volume", "wap", "trades"))
                    assert struct.pack("<6dq", *heard) == struct.pack("<6dq", *bar[1:])
                    compared += 1

    asyncio.run(main())
    assert compared == rounds * 5_000


def test_nothing_in_the_gateway_asks_the_machine_for_the_time() -> None:
    import scizor.replay.tws as room

    for file in Path(next(iter(room.__path__))).glob("*.py"):
        text = file.read_text()
        for word in ("datetime.now(", "time.time(", "asyncio.timeout(", "wait_for(", "utcnow("):
            assert word not in text, (file.name, word)
        assert "asyncio.sleep(" not in text.replace("asyncio.sleep(0)", ""), file.name
