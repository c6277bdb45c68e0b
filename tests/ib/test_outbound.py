"""I20: nothing but questions leaves this machine, whoever asks for more."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import ib_insync
import pytest

from scizor.base.clock import RunningClock
from scizor.base.errors import RefusedError
from scizor.ib import outbound, wire
from scizor.ib.connection import connect
from tests.ib.gateway import Session, pencil

QUESTIONS = {9, 20, 25, 49, 71, 87, 90}


def framed(text: str) -> bytes:
    return wire.frame(text.encode())


def passes(data: bytes) -> bool:
    try:
        outbound.check(data)
    except RefusedError:
        return False
    return True


def test_I20_of_all_message_ids_only_our_questions_pass() -> None:
    assert {number for number in range(-2, 400) if passes(framed(f"{number}\x001\x00"))} == QUESTIONS
    assert outbound.allowed_ids() == QUESTIONS


def test_every_name_on_the_list_is_a_message_to_the_gateway() -> None:
    for name in outbound.ALLOWED:
        assert wire.named(name).direction is wire.Direction.TO_GATEWAY


@pytest.mark.parametrize("name", ["placeOrder", "cancelOrder", "reqGlobalCancel", "exerciseOptions", "replaceFA", "reqPositions"])
def test_I20_what_is_refused_is_named(name: str) -> None:
    with pytest.raises(RefusedError, match=name):
        outbound.check(framed(f"{wire.named(name).id}\x001\x00"))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00", framed(""), framed("\x00"), framed(" 49\x001\x00"), framed("+49\x001\x00"), framed("٤٩\x001\x00"),
        framed("049\x001\x00"),
        framed("49\x001\x00") + framed("3\x001\x00"),  # an order behind a question
        framed("49\x001\x00")[:-1],
        b"API\x00" + framed("3\x001\x00"), b"API\x00" + framed("v157..176") + framed("3\x001\x00"),
    ],
)  # fmt: skip
def test_I20_disguises_do_not_pass(data: bytes) -> None:
    assert not passes(data) or data == framed("049\x001\x00"), "an id with a leading zero is the same question to IB"


def test_the_greeting_passes() -> None:
    assert passes(b"API\x00" + framed("v157..176"))


def test_I20_no_method_of_the_client_gets_more_than_questions_onto_the_wire() -> None:
    """Every method of ib_insync's client is called with whatever it takes; a real socket hears only questions."""
    contract = ib_insync.Contract(conId=1, symbol="BHP", secType="STK", exchange="ASX", currency="AUD")
    order = ib_insync.MarketOrder("BUY", 100)
    known: dict[str, Any] = {
        "contract": contract, "order": order, "execFilter": ib_insync.ExecutionFilter(),
        "subscription": ib_insync.ScannerSubscription(), "data": ib_insync.WshEventData(),
        "implVolOptions": [], "optPrcOptions": [], "fundamentalDataOptions": [],
    }  # fmt: skip
    refused: list[str] = []
    heard: list[int] = []

    async def hear(session: Session, name: str, fields: dict[str, Any]) -> None:
        heard.append(wire.named(name).id)

    async def scene() -> None:
        async with pencil(hear) as gateway, connect(gateway.config, "replay", RunningClock()) as connection:
            for name, method in inspect.getmembers(connection.wire, inspect.ismethod):
                if not name.startswith(("req", "cancel", "place", "exercise", "replace", "query", "subscribe", "unsubscribe",
                                        "update", "verify", "set", "calculate", "request")):  # fmt: skip
                    continue
                if name in ("setConnectOptions", "updateReqId", "reset"):
                    continue
                try:
                    method(*(known.get(each, 1) for each in inspect.signature(method).parameters))
                except RefusedError:
                    refused.append(name)
            for raw in ("3\x001\x00", "58\x001\x00"):
                with pytest.raises(RefusedError):
                    connection.wire.conn.sendMsg(framed(raw))
                with pytest.raises(RefusedError):
                    connection.wire.sendMsg(raw)
            await asyncio.sleep(0.1)

    asyncio.run(scene())
    assert {"placeOrder", "cancelOrder", "reqGlobalCancel", "exerciseOptions", "reqPositions", "reqAccountUpdates"} <= set(refused)
    assert len(refused) > 50
    assert set(heard) == QUESTIONS - {71}


def test_planted_without_the_guard_an_order_would_reach_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "check", lambda data: None)
    heard: list[str] = []

    async def hear(session: Session, name: str, fields: dict[str, Any]) -> None:
        heard.append(name)

    async def scene() -> None:
        async with pencil(hear) as gateway, connect(gateway.config, "replay", RunningClock()) as connection:
            connection.wire.reqGlobalCancel()
            await asyncio.sleep(0.1)

    asyncio.run(scene())
    assert heard == ["reqGlobalCancel"]
