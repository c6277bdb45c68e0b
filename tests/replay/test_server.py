"""The gateway's session rules, seen with a client that says exactly what a test wants."""

from __future__ import annotations

import asyncio
import json
import struct
from datetime import datetime
from pathlib import Path

import pytest

from scizor.base.clock import StoppedClock
from scizor.base.errors import UnreachableError
from scizor.ib import wire
from scizor.replay.tws.options import GatewayOptions
from scizor.replay.tws.server import serve
from tests.replay.conftest import CLOSE, Serving
from tests.replay.memory import MemorySource
from tests.replay.wireclient import BHP, DAILY, WireClient


@pytest.mark.parametrize(("low", "high", "version"), [(157, 176, 176), (100, 157, 157), (100, 193, 178), (100, 200, 178)])
def test_the_version_is_the_lower_of_both(serving: Serving, low: int, high: int, version: int) -> None:
    async def main() -> None:
        async with serving() as gateway, WireClient(gateway.port, low=low, high=high) as client:
            assert client.version == version
            assert (await client.until("managedAccts"))["accounts"] == "RP0000001"
            assert (await client.until("nextValidId"))["order_id"] == 1
            codes = [(await client.until("error"))["code"] for _ in range(3)]
            assert codes == [2104, 2106, 2158]
            name, values = await client.ask("reqHistoricalData", 9, **DAILY)
            assert name == "historicalData"
            assert len(values["bars"]) == 10

    asyncio.run(main())


@pytest.mark.parametrize(("low", "high"), [(179, 200), (213, 222), (100, 150)])
def test_a_client_without_a_common_version_is_closed_without_a_word(serving: Serving, low: int, high: int) -> None:
    async def main() -> None:
        async with serving() as gateway, WireClient(gateway.port, None, low, high) as client:
            assert await client.reader.read() == b""

    asyncio.run(main())


def test_nothing_is_said_between_the_welcome_and_start_api(serving: Serving) -> None:
    """ibapi 9.81 throws away what shares its first read."""

    async def main() -> None:
        async with serving() as gateway, WireClient(gateway.port, None) as client:
            welcome = await client.reader.read(100)
            assert welcome.startswith(b"\0\0\0") and b"178\0" in welcome
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.reader.read(1), 0.05)

    asyncio.run(main())


def test_what_is_asked_before_start_api_is_dropped(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway, WireClient(gateway.port, None) as client:
            client.version, _ = wire.read_welcome(await client._payload())
            client.say("reqCurrentTime")
            client.say("startApi", client_id=3)
            assert (await client.next())[0] == "managedAccts"
            assert [each.verdict for each in gateway.requests()] == ["dropped", "served"]

    asyncio.run(main())


def test_a_client_id_is_free_again_when_its_owner_has_gone_and_negative_ones_are_refused(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway:
            async with WireClient(gateway.port, 5) as first:
                await first.until("nextValidId")
                async with WireClient(gateway.port, 5) as second:
                    assert (await second.until("error"))["code"] == 326
                    assert await second.is_closed()
            await asyncio.sleep(0.05)
            async with WireClient(gateway.port, 5) as third:
                await third.until("nextValidId")
            async with WireClient(gateway.port, -1) as fourth:
                assert (await fourth.until("error"))["code"] == 326
            assert gateway.violations == {"client-id": 2}

    asyncio.run(main())


def test_the_thirty_third_client_is_let_go(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway:
            clients = [WireClient(gateway.port, number) for number in range(32)]
            for each in clients:
                await each.__aenter__()
                await each.until("nextValidId")
            with pytest.raises((EOFError, ConnectionError)):
                async with WireClient(gateway.port, 99):
                    pass
            for each in clients:
                await each.close()

    asyncio.run(main())


def test_row_49_and_51_frames_that_are_none_end_the_connection_and_messages_that_are_none_do_not(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway:
            for junk in (b"GET / HTTP/1.1\r\n\r\n", b"API\0\0\0\0\x05hello", b"API\0\xff\xff\xff\xff"):
                reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                writer.write(junk)
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await reader.readexactly(1)
                writer.close()
            async with WireClient(gateway.port) as client:
                await client.until("error", code=2158)
                for payload in (b"", b"9999\0001\0", b"20\x001\x00", b"49\x001\x00\xff\x00", b"49\x001", b"49\0soon\0"):
                    client.writer.write(wire.frame(payload))
                    assert (await client.until("error"))["code"] == 320
                client.say("reqCurrentTime")
                assert (await client.until("currentTime"))["time"] > 0
                assert gateway.violations["unreadable"] == 9
                client.writer.write(struct.pack(">I", 0xFFFFFFFF))
                assert await client.is_closed()

    asyncio.run(main())


def test_row_50_requests_in_single_bytes_or_all_at_once_are_the_same(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway, WireClient(gateway.port) as client:
            await client.until("error", code=2158)
            frames = [
                wire.frame(wire.encode("reqHistoricalData", {**DAILY, "req_id": n}, client.version)) for n in (1, 2)
            ]
            for byte in b"".join(frames):
                client.writer.write(bytes([byte]))
                await asyncio.sleep(0)
            slow = [(await client.until("historicalData", req_id=n))["bars"] for n in (1, 2)]
            client.writer.write(b"".join(frames))
            fast = [(await client.until("historicalData", req_id=n))["bars"] for n in (1, 2)]
            assert slow == fast

    asyncio.run(main())


def test_orders_are_refused_and_counted_and_live_data_says_that_it_is_not_served(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway, WireClient(gateway.port) as client:
            await client.until("error", code=2158)
            client.say("placeOrder", fields=["17", "4036812", "BHP"])
            assert await client.until("error", req_id=17, code=201)
            client.say("reqGlobalCancel", fields=["1"])
            client.say("reqMktDepth", fields=["5", "21"])
            assert "does not serve reqMktDepth" in (await client.until("error", req_id=21, code=321))["text"]
            assert gateway.violations == {"order": 2}

    asyncio.run(main())


def test_a_cancel_is_echoed_and_a_second_one_finds_nothing(serving: Serving) -> None:
    async def main() -> None:
        async with serving(service_seconds=60) as gateway, WireClient(gateway.port) as client:
            await client.until("error", code=2158)
            client.say("reqHistoricalData", req_id=28, **DAILY)
            client.say("cancelHistoricalData", req_id=28)
            told = await client.until("error", req_id=28)
            assert (told["code"], told["text"]) == (
                162, "Historical Market Data Service error message:API historical data query cancelled: 28",
            )  # fmt: skip
            client.say("cancelHistoricalData", req_id=28)
            assert (await client.until("error", req_id=28))["text"] == "No historical data query found for ticker id:28"
            assert gateway.open == 0

    asyncio.run(main())


def test_an_id_that_is_still_open_is_refused(serving: Serving) -> None:
    async def main() -> None:
        async with serving(service_seconds=60) as gateway, WireClient(gateway.port) as client:
            await client.until("error", code=2158)
            client.say("reqHistoricalData", req_id=28, **DAILY)
            client.say("reqHistoricalData", req_id=28, **{**DAILY, "duration": "11 D"})
            assert "Duplicate ticker ID" in (await client.until("error", req_id=28, code=322))["text"]
            assert gateway.open == 1

    asyncio.run(main())


def test_a_head_timestamp_is_open_until_it_is_cancelled_and_a_lost_connection_frees_everything(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway:
            async with WireClient(gateway.port) as client:
                await client.until("error", code=2158)
                for req_id, what in ((1, "TRADES"), (2, "BID")):
                    name, _ = await client.ask("reqHeadTimestamp", req_id, **BHP, what=what, use_rth=True, format_date=2)
                    assert name == "headTimestamp"
                assert gateway.open == 2
                client.say("cancelHeadTimestamp", req_id=1)
                client.say("reqCurrentTime")
                await client.until("currentTime")
                assert gateway.open == 1
            await asyncio.sleep(0.05)
            assert gateway.open == 0

    asyncio.run(main())


def test_the_rate_of_messages_is_rejected_by_code_100_or_paced(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway, WireClient(gateway.port) as client:
            await client.until("error", code=2158)
            await asyncio.sleep(1.0 - gateway.clock.now().microsecond / 1e6)
            for _ in range(153):
                client.say("reqCurrentTime")
            texts = [(await client.until("error", code=100))["text"] for _ in range(3)]
            assert texts[0] == "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"
            assert await client.is_closed()
            assert gateway.violations == {"messages": 3}
        async with serving(speed=50, message_rule="pace") as gateway, WireClient(gateway.port) as client:
            await client.until("error", code=2158)
            for _ in range(153):
                client.say("reqCurrentTime")
            stamps = [(await client.until("currentTime"))["time"] for _ in range(153)]
            assert stamps[-1] - stamps[0] >= 2, "a hundred of them have waited their turn"
            assert not gateway.violations

    asyncio.run(main())


def test_requests_are_stamped_when_the_socket_is_read_and_not_when_they_are_served() -> None:
    """On a clock that stands still, a slow source cannot move the stamps."""

    async def main() -> None:
        clock = StoppedClock(CLOSE)
        async with serve(GatewayOptions(port=0), MemorySource(), clock) as gateway, WireClient(gateway.port) as client:
            await client.until("error", code=2158)
            clock.move(12.5)
            client.say("reqHistoricalData", req_id=1, **DAILY)
            await client.until("historicalData")
            (entry,) = gateway.requests("reqHistoricalData")
            assert (entry.at - CLOSE).total_seconds() == 12.5

    asyncio.run(main())


def test_the_report_says_what_was_asked_and_what_was_said_of_it(serving: Serving, tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"

    async def main() -> None:
        async with serving(regime="strict", report=report) as gateway, WireClient(gateway.port) as client:
            await client.until("error", code=2158)
            for req_id in (1, 2):
                await client.ask("reqHistoricalData", req_id, **DAILY)

    asyncio.run(main())
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    first, second = [each for each in lines if each["kind"] == "request" and each["id"] == 20]
    assert first["fields"]["duration"] == "10 D"
    assert (first["verdict"], second["verdict"], second["rules"]) == ("served", "violation", ["identical"])
    assert first["key"] == second["key"]
    assert (datetime.fromisoformat(second["at"]) - datetime.fromisoformat(first["at"])).total_seconds() < 5
    (answer,) = [each for each in lines if each["kind"] == "answer"]
    assert (answer["n"], answer["result"]) == (first["n"], "bars=10")
    assert lines[0]["result"] == "simulated, made up by a test"
    assert lines[-1]["kind"] == "stop"


def test_a_taken_port_is_one_sentence(serving: Serving) -> None:
    async def main() -> None:
        async with serving() as gateway:
            with pytest.raises(UnreachableError, match="cannot listen"):
                async with serve(GatewayOptions(port=gateway.port), MemorySource(), gateway.clock):
                    pass

    asyncio.run(main())


def test_a_bug_of_the_gateway_is_not_mistaken_for_silence(monkeypatch: pytest.MonkeyPatch, serving: Serving) -> None:
    def broken(*_: object) -> None:
        raise LookupError("planted")

    monkeypatch.setattr("scizor.replay.tws.server.answer", broken)

    async def main() -> None:
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what["exception"]))
        async with serving() as gateway, WireClient(gateway.port) as client:
            client.say("reqHistoricalData", req_id=9, **DAILY)
            while not told:
                await asyncio.sleep(0.01)
            assert [each.result for each in gateway.log if each.kind == "bug"] == ["LookupError: planted"]
        assert [type(each) for each in told] == [LookupError]

    asyncio.run(main())
