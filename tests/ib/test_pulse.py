"""The short question whether the Gateway is there: what it says, what it sees, and how it ends when nobody answers."""

from __future__ import annotations

import functools
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import GatewayConfig
from scizor.base.errors import RefusedError, UnreachableError
from scizor.ib import pulse
from tests.ib.gateway import Pencil, Session
from tests.jobs.checks.scene import gateway, stay_silent, teller

NOW = datetime(2025, 1, 15, 8, 0, tzinfo=UTC)
CLOCK = StoppedClock(NOW)


@pytest.fixture
def told() -> Iterator[Pencil]:
    with gateway(teller(CLOCK)) as made:
        yield made


def test_it_says_three_things_and_no_more(told: Pencil) -> None:
    seen = pulse.take(told.config, "replay", CLOCK, 5.0)
    assert (seen.account, seen.version, seen.is_upstream, seen.is_ready, seen.ahead_seconds) == ("REPLAY1", 176, True, True, 0.0)
    assert told.names == ["startApi", "reqCurrentTime"]
    assert told.sessions[0].client_id == told.config.client_id_last, "the jobs take the lowest first"


@pytest.mark.parametrize(("ahead", "off"), [(0.0, 0.0), (3.0, 3.0), (-0.9, 0.0), (-5.0, 4.0)])
def test_the_gateway_tells_whole_seconds_so_one_second_behind_is_no_difference(ahead: float, off: float) -> None:
    with gateway(teller(CLOCK, ahead)) as made:
        assert pulse.take(made.config, "replay", CLOCK, 5.0).ahead_seconds == pytest.approx(off, abs=0.01)


def test_row_14_another_account_is_refused_before_anything_is_asked() -> None:
    with gateway(teller(CLOCK), accounts="U1234567") as made:
        with pytest.raises(RefusedError, match=r"live account U\*\*\*"):
            pulse.take(made.config, "paper", CLOCK, 5.0)
        assert made.names == ["startApi"]


def test_row_15_a_client_id_in_use_is_tried_once_more_and_then_named() -> None:
    with gateway(teller(CLOCK), ids_in_use=(131,)) as made:
        with pytest.raises(UnreachableError, match="client id 131 in use"):
            pulse.take(made.config, "replay", CLOCK, 5.0)
        assert len(made.sessions) == 2


def test_row_53_and_12_silence_and_refusal_end_in_time_and_differ() -> None:
    with gateway(stay_silent) as made, pytest.raises(UnreachableError, match="does not answer in time"):
        pulse.take(made.config, "replay", CLOCK, 0.5)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(UnreachableError, match="nothing listens"):
        pulse.take(GatewayConfig(port=port, connect_timeout_seconds=0.2), "paper", CLOCK, 5.0)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xff\xff\xff", b"\0\0\0\3abc"], ids=["hangs up", "http", "length", "no welcome"])
def test_row_13_who_is_no_gateway_is_told_as_that(said: bytes) -> None:
    async def greet(session: Session, said: bytes) -> bool:
        await session.reader.read(4)
        session.raw(said)
        await session.writer.drain()
        return False

    with gateway(teller(CLOCK), greet=functools.partial(greet, said=said)) as made, pytest.raises(UnreachableError, match="no API handshake"):
        pulse.take(made.config, "replay", CLOCK, 2.0)


def test_notices_on_the_way_are_understood_and_unknown_messages_passed_over() -> None:
    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        if name == "reqCurrentTime":
            session.error(-1, 1100, "Connectivity between IB and TWS has been lost.")
            session.raw(b"\0\0\0\x069999\0\0")
            session.send("currentTime", time=int(NOW.timestamp()))

    with gateway(answer) as made:
        seen = pulse.take(made.config, "replay", CLOCK, 5.0)
    assert (seen.is_upstream, seen.is_ready) == (False, False)
