"""One port, one account of the right mode, and errors that say what to do."""

from __future__ import annotations

import asyncio
import socket
from datetime import date
from typing import Any

import pytest

from scizor.base.clock import RunningClock
from scizor.base.config import GatewayConfig
from scizor.base.errors import ConfigurationError, RefusedError, UnreachableError
from scizor.base.exit import Exit
from scizor.ib.connection import Connection, ConnectionEvent, connect, mode_of
from scizor.ib.history import current_time, fetch
from scizor.market.types import Instrument, OutcomeKind, Timeframe, Window
from tests.conftest import EPOCH
from tests.ib.gateway import FARMS, Pencil, Session, pencil

BHP = Instrument(1, "BHP", "ASX", "XASX", "AUD", 4036812, 1, primary_exchange="ASX")
WINDOW = Window(BHP, Timeframe.DAY1, date(2025, 1, 13), date(2025, 1, 14))


def refused(error: type[Exception], config: GatewayConfig, mode: str = "replay") -> Any:
    """The error with which connecting ends."""

    async def scene() -> None:
        async with connect(config, mode, RunningClock()):
            raise AssertionError("connected")

    with pytest.raises(error) as caught:
        asyncio.run(scene())
    return caught.value


def test_row_12_nothing_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    error = refused(UnreachableError, GatewayConfig(port=port, connect_timeout_seconds=0.6), mode="paper")
    assert error.exit == Exit.UNREACHABLE
    assert f"nothing listens on 127.0.0.1:{port}" in error.message
    assert "(connection refused)" in error.message
    assert "4001 live" in error.hint


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_row_12_no_replay_gateway_is_told_how_it_is_started(host: str) -> None:
    error = refused(UnreachableError, GatewayConfig(host=host, port=1, connect_timeout_seconds=0.3), mode="replay")
    assert error.message == f"nothing listens on {host}:1 (connection refused)"
    assert "bin/replay-gateway --simulated 7" in error.hint


def test_row_12_a_gateway_that_comes_up_in_time_is_waited_for() -> None:
    async def scene() -> int:
        async with pencil() as first:
            port = first.port
        opening = asyncio.ensure_future(late(port))
        config = GatewayConfig(port=port, connect_timeout_seconds=5.0, ready_timeout_seconds=0.2)
        async with connect(config, "replay", RunningClock()) as connection:
            client_id = connection.client_id
        server = await opening
        server.close()
        return client_id

    async def late(port: int) -> asyncio.Server:
        await asyncio.sleep(0.3)
        return await asyncio.start_server(greet, "127.0.0.1", port)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(reader, writer)
        await reader.readexactly(4)
        await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
        session.raw(b"\x00\x00\x00\x10176\x0020250115 17\x00")
        await session.next()
        session.send("managedAccts", accounts="REPLAY1")
        session.send("nextValidId", order_id=1)
        await session.next()
        writer.close()

    assert asyncio.run(scene()) == 100


def test_row_13_an_open_socket_without_a_handshake() -> None:
    async def silent(session: Session) -> bool:
        await session.reader.read(1000)
        await session.reader.read(1000)
        return False

    async def scene() -> None:
        async with pencil(greet=silent) as gateway:
            config = GatewayConfig(port=gateway.port, connect_timeout_seconds=0.3)
            async with connect(config, "replay", RunningClock()):
                raise AssertionError("connected")

    with pytest.raises(UnreachableError) as caught:
        asyncio.run(scene())
    assert "open, but no API handshake" in caught.value.message
    assert "enable API clients" in caught.value.hint and "trusted IPs" in caught.value.hint


@pytest.mark.parametrize(
    "words",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x00\x00\x05 200\x00", b"\x00\x00\x00\x10200\x0020250115 17\x00",
     b"\x00\x00\x00\x10042\x0020250115 17\x00", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x04a\x00b\x00"],
)  # fmt: skip
def test_row_13_a_peer_that_hangs_up_or_is_no_gateway_is_told_apart_at_once(words: bytes) -> None:
    async def greet(session: Session) -> bool:
        await session.reader.read(4)
        session.raw(words)
        await session.writer.drain()
        if words:
            await session.reader.read(100)
            await session.reader.read(100)
        return False

    async def scene() -> float:
        async with pencil(greet=greet) as gateway:
            began = asyncio.get_running_loop().time()
            with pytest.raises(UnreachableError, match="no API handshake"):
                async with connect(gateway.config, "replay", RunningClock()):
                    raise AssertionError("connected")
            return asyncio.get_running_loop().time() - began

    assert asyncio.run(scene()) < 4, "it waited for its deadline of five seconds"


@pytest.mark.parametrize(
    ("mode", "accounts", "says"),
    [
        ("paper", "U1234567", "live"), ("live", "DU1234567", "paper"), ("live", "REPLAY1", "replay"),
        ("replay", "U1234567", "live"), ("replay", "DU1234567", "paper"), ("paper", "REPLAY1", "replay"),
        ("paper", "DU1234567,U7654321", "live"), ("live", "DF1234567", "paper"), ("paper", "F1234567", "live"),
    ],
)  # fmt: skip
def test_row_14_an_account_that_does_not_match_the_mode_is_refused_before_anything_is_asked(
    mode: str, accounts: str, says: str
) -> None:
    async def scene() -> Pencil:
        async with pencil(accounts=accounts) as gateway:
            with pytest.raises(RefusedError) as caught:
                async with connect(gateway.config, mode, RunningClock()):
                    raise AssertionError("connected")
            assert caught.value.exit == Exit.REFUSED
            assert f"configured mode {mode}" in caught.value.message and says in caught.value.message
            assert "1234567" not in str(caught.value), "the account is shown unmasked"
            await asyncio.sleep(0.05)
            return gateway

    assert asyncio.run(scene()).names == ["startApi"]


def test_row_14_another_account_than_the_configured_one_is_refused() -> None:
    async def scene() -> Pencil:
        async with pencil(accounts="DU1111111", account="DU2222222") as gateway:
            with pytest.raises(RefusedError, match="not the configured one"):
                async with connect(gateway.config, "paper", RunningClock()):
                    raise AssertionError("connected")
            return gateway

    assert asyncio.run(scene()).names == ["startApi"]


@pytest.mark.parametrize(
    ("mode", "accounts", "account"),
    [("live", "U1234567", ""), ("paper", "DU1234567", "DU1234567"), ("paper", "DF1234567,DU1234568", "DU1234568"), ("replay", "RP1", "")],
)
def test_I20_the_right_account_is_taken(mode: str, accounts: str, account: str) -> None:
    async def scene() -> str:
        async with pencil(accounts=accounts, account=account) as gateway, connect(gateway.config, mode, RunningClock()) as found:
            return found.account

    assert asyncio.run(scene()) == (account or accounts)


def test_modes_of_accounts() -> None:
    named = {"U1": "live", "F12A": "live", "DU1": "paper", "DF12": "paper", "DI3": "paper", "RP1": "replay", "U": "replay", "DUX": "replay"}
    assert {account: mode_of(account) for account in named} == named


def test_row_15_the_next_client_id_of_our_range_is_taken() -> None:
    async def scene() -> tuple[int, list[int]]:
        async with pencil(ids_in_use=(100, 101)) as gateway, connect(gateway.config, "replay", RunningClock()) as connection:
            return connection.client_id, [session.client_id for session in gateway.sessions]

    assert asyncio.run(scene()) == (102, [100, 101, 102])


def test_row_15_when_all_are_taken_the_error_names_them_and_each_was_tried_once() -> None:
    async def scene() -> list[int]:
        async with pencil(ids_in_use=(7, 8, 9), client_id_first=7, client_id_last=9) as gateway:
            with pytest.raises(UnreachableError) as caught:
                async with connect(gateway.config, "replay", RunningClock()):
                    raise AssertionError("connected")
            assert "7 to 9" in caught.value.message and "in use" in caught.value.message
            return [session.client_id for session in gateway.sessions]

    assert asyncio.run(scene()) == [7, 8, 9]


def test_I20_client_id_0_is_refused() -> None:
    error = refused(ConfigurationError, GatewayConfig(client_id_first=0))
    assert "client id 0" in error.message


def test_rows_16_17_18_notices_become_states_and_events_once() -> None:
    notices = [
        (1100, "Connectivity between IBKR and Trader Workstation has been lost."),
        (1100, "Connectivity between IBKR and Trader Workstation has been lost."),
        (2105, "HMDS data farm connection is broken:ushmds"),
        (2103, "Market data farm connection is broken:usfarm.nj"),
        (1102, "Connectivity between IBKR and Trader Workstation has been restored - data maintained."),
        (2106, "HMDS data farm connection is OK:ushmds"),
        (2110, "Connectivity between Trader Workstation and server is broken. It will be restored automatically."),
        (1101, "Connectivity between IBKR and Trader Workstation has been restored - data lost."),
        (99999, "Something new"),
    ]
    states: list[tuple[bool, bool]] = []

    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        for code, text in notices:
            session.error(-1, code, text)
            await asyncio.sleep(0.02)
        session.send("currentTime", time=1736920800)

    async def scene() -> list[ConnectionEvent]:
        events: list[ConnectionEvent] = []
        async with pencil(answer) as gateway:
            async with connect(gateway.config, "replay", RunningClock(), on_event=events.append) as connection:
                asking = asyncio.ensure_future(current_time(connection, timeout_seconds=5))
                while not asking.done():
                    state = (connection.is_usable, connection.health.is_history_ready)
                    if not states or states[-1] != state:
                        states.append(state)
                    await asyncio.sleep(0.002)
            assert gateway.names == ["startApi", "reqCurrentTime"], "1102 made the library ask for something"
        return events

    told = [(each.event, each.code) for each in asyncio.run(scene())]
    assert told[:3] == [("connected", None), ("farm-ok", 2104), ("farm-ok", 2106)] or told[:3] == [
        ("farm-ok", 2104), ("farm-ok", 2106), ("connected", None),
    ]  # fmt: skip
    assert told[3:] == [
        ("upstream-lost", 1100), ("farm-broken", 2105), ("farm-broken", 2103), ("upstream-restored", 1102), ("farm-ok", 2106),
        ("upstream-lost", 2110), ("upstream-restored-data-lost", 1101), ("unknown-code", 99999), ("closed", None),
    ]  # fmt: skip
    assert states == [(True, True), (False, False), (True, False), (True, True), (False, False), (True, True)]


def test_row_18_connect_waits_for_the_history_farm_but_not_for_ever() -> None:
    async def scene(farms: tuple[tuple[int, str], ...]) -> bool:
        async with (
            pencil(farms=farms, ready_timeout_seconds=0.2) as gateway,
            connect(gateway.config, "replay", RunningClock()) as connection,
        ):
            return connection.health.is_history_ready

    assert asyncio.run(scene(FARMS))
    assert asyncio.run(scene(((2107, "HMDS data farm connection is inactive but should be available upon demand.ushmds"),)))
    assert not asyncio.run(scene(FARMS[:1]))
    assert not asyncio.run(scene(((2105, "HMDS data farm connection is broken:ushmds"),)))


def test_a_lost_socket_ends_every_open_request_at_once_and_says_so() -> None:
    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        if len(session.seen) == 4:  # startApi and three requests
            session.writer.close()

    async def scene() -> tuple[list[Any], Connection, list[ConnectionEvent], float]:
        events: list[ConnectionEvent] = []
        async with (
            pencil(answer) as gateway,
            connect(gateway.config, "replay", RunningClock(), on_event=events.append) as connection,
        ):
            loop = asyncio.get_running_loop()
            began = loop.time()
            ends = await asyncio.gather(
                fetch(connection, WINDOW, timeout_seconds=30),
                fetch(connection, WINDOW, timeout_seconds=30),
                current_time(connection, timeout_seconds=30),
            )
            took = loop.time() - began
            again = await fetch(connection, WINDOW, timeout_seconds=30)
            return [*ends, again], connection, events, took

    ends, connection, events, took = asyncio.run(scene())
    assert [each.kind for each in ends] == [OutcomeKind.ERROR] * 4
    assert "lost" in ends[0].text and not ends[0].is_permanent
    assert took < 2
    assert connection.lost and not connection.is_open and connection.open_requests == 0
    assert events[-1].event == "lost"


def test_the_clock_that_is_handed_in_runs_the_deadlines() -> None:
    """A hundred seconds of an accelerated clock pass in a tenth of one of the wall's."""

    async def scene() -> tuple[Any, float]:
        clock = RunningClock(EPOCH, RunningClock().now(), 1000.0)
        async with pencil(connect_timeout_seconds=500.0) as gateway, connect(gateway.config, "replay", clock) as connection:
            loop = asyncio.get_running_loop()
            began = loop.time()
            outcome = await fetch(connection, WINDOW, timeout_seconds=100)
            return outcome, loop.time() - began

    outcome, took = asyncio.run(scene())
    assert outcome.kind is OutcomeKind.TIMEOUT
    assert 0.08 < took < 5
    assert (outcome.answered_at - outcome.asked_at).total_seconds() >= 100


def test_a_late_time_is_not_taken_for_the_next_one() -> None:
    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        if [each for each, _ in session.seen].count("reqCurrentTime") == 2:
            session.send("currentTime", time=1000)
            session.send("currentTime", time=2000)

    async def scene() -> tuple[Any, Any]:
        async with pencil(answer) as gateway, connect(gateway.config, "replay", RunningClock()) as connection:
            first = await current_time(connection, timeout_seconds=0.1)
            return first, await current_time(connection, timeout_seconds=5)

    first, second = asyncio.run(scene())
    assert first.kind is OutcomeKind.TIMEOUT
    assert second.timestamp() == 2000


def test_messages_leave_below_fifty_a_second_of_the_clock() -> None:
    """IB counts them at its socket; the third breach hangs up."""
    arrivals: list[float] = []

    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        arrivals.append(asyncio.get_running_loop().time())
        session.bars(fields["req_id"], [("20250113", 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1)])

    async def scene() -> list[Any]:
        clock = RunningClock(EPOCH, RunningClock().now(), 2.0)
        async with pencil(answer, connect_timeout_seconds=20.0) as gateway, connect(gateway.config, "replay", clock) as connection:
            return await asyncio.gather(*(fetch(connection, WINDOW, timeout_seconds=60) for _ in range(150)))

    ends = asyncio.run(scene())
    assert all(each.is_ok for each in ends)
    half = [sum(at <= other < at + 0.5 for other in arrivals) for at in arrivals]  # half a wall second is one of the clock
    assert max(half) <= 50


def test_the_throttle_runs_on_the_clock_that_is_handed_in() -> None:
    """A hundred and fifty messages are three seconds of the clock; at twenty times that is no wait at all."""

    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        session.bars(fields["req_id"], [("20250113", 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1)])

    async def scene() -> float:
        clock = RunningClock(EPOCH, RunningClock().now(), 20.0)
        async with pencil(answer, connect_timeout_seconds=200.0) as gateway, connect(gateway.config, "replay", clock) as connection:
            began = asyncio.get_running_loop().time()
            ends = await asyncio.gather(*(fetch(connection, WINDOW, timeout_seconds=600) for _ in range(150)))
            assert all(each.is_ok for each in ends)
            return asyncio.get_running_loop().time() - began

    assert asyncio.run(scene()) < 2
