"""A symbol is one contract, or an error that names the candidates."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from scizor.base.clock import RunningClock
from scizor.base.config import GatewayConfig
from scizor.ib.connection import connect
from scizor.ib.contracts import Qualified, code_of, qualify
from scizor.ib.resets import near_reset
from scizor.market.types import Instrument, Outcome, OutcomeKind
from scizor.replay.tws.options import GatewayOptions
from scizor.replay.tws.server import serve
from tests.ib.gateway import Session, pencil
from tests.replay.conftest import MemorySource

BHP = Instrument(1, "BHP", "ASX", "XASX", "AUD", None, 1, primary_exchange="ASX")
QUIET = datetime(2025, 1, 15, 3, 0, tzinfo=UTC)  # no reset anywhere
NEAR = datetime(2025, 1, 15, 5, 30, tzinfo=UTC)  # 00:30 in New York


def details(req_id: int, **changes: Any) -> dict[str, Any]:
    return {
        "req_id": req_id, "symbol": "BHP", "sec_type": "STK", "exchange": "ASX", "currency": "AUD", "local_symbol": "BHP",
        "con_id": 4036812, "min_tick": 0.01, "long_name": "BHP GROUP LTD", "primary_exchange": "ASX",
        "valid_exchanges": "SMART,ASX", "time_zone": "Australia/NSW", "trading_hours": "20250115:1000-20250115:1600",
        "liquid_hours": "20250115:1000-20250115:1600", "stock_type": "COMMON",
    } | changes  # fmt: skip


async def ask(
    instrument: Instrument, *rows: dict[str, Any], error: tuple[int, str] | None = None, at: datetime = QUIET, speed: float = 1.0
) -> tuple[Qualified | Outcome, list[dict[str, Any]]]:
    asked: list[dict[str, Any]] = []

    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        asked.append(fields)
        for row in rows:
            session.send("contractData", **details(fields["req_id"], **row))
        if error:
            session.error(fields["req_id"], *error)
        else:
            session.send("contractDataEnd", req_id=fields["req_id"])

    clock = RunningClock(at, RunningClock().now(), speed)
    async with pencil(answer, connect_timeout_seconds=5 * speed) as gateway, connect(gateway.config, "replay", clock) as connection:
        return await qualify(connection, instrument, timeout_seconds=12.0), asked


def test_a_share_is_qualified_by_code_exchange_and_currency() -> None:
    found, asked = asyncio.run(ask(BHP, {}))
    assert isinstance(found, Qualified)
    assert (found.con_id, found.min_tick, found.long_name, found.time_zone) == (4036812, 0.01, "BHP GROUP LTD", "Australia/NSW")
    assert (found.primary_exchange, found.valid_exchanges) == ("ASX", ("SMART", "ASX"))
    assert found.trading_hours == "20250115:1000-20250115:1600"
    assert [(asked[0][each]) for each in ("con_id", "symbol", "sec_type", "exchange", "primary_exchange", "currency")] == [
        0, "BHP", "STK", "ASX", "ASX", "AUD",
    ]  # fmt: skip


def test_a_known_con_id_is_asked_by_it_so_that_a_changed_code_does_not_matter() -> None:
    found, asked = asyncio.run(ask(BHP._replace(con_id=4036812, code="OLD"), {"symbol": "NEW"}))
    assert isinstance(found, Qualified) and found.symbol == "NEW"
    assert (asked[0]["con_id"], asked[0]["symbol"]) == (4036812, "")


def test_row_22_two_candidates_are_an_error_that_names_both() -> None:
    found, _ = asyncio.run(ask(BHP, {}, {"con_id": 77, "long_name": "BHP OTHER"}))
    assert isinstance(found, Outcome)
    assert (found.kind, found.is_permanent) == (OutcomeKind.ERROR, True)
    assert all(each in found.text for each in ("ambiguous", "4036812", "77", "BHP OTHER"))


def test_two_lines_of_one_contract_are_one() -> None:
    found, _ = asyncio.run(ask(BHP, {}, {}))
    assert isinstance(found, Qualified)


@pytest.mark.parametrize("row", [{"con_id": 999}, {"con_id": 0}])
def test_row_38_another_con_id_than_was_asked_for_is_an_error(row: dict[str, Any]) -> None:
    found, _ = asyncio.run(ask(BHP._replace(con_id=4036812), row))
    assert isinstance(found, Outcome) and found.kind is OutcomeKind.ERROR
    assert "another contract" in found.text


@pytest.mark.parametrize("row", [{"currency": "USD"}, {"symbol": "RIO", "local_symbol": "RIO"}, {"primary_exchange": "NYSE"}, {"sec_type": "CFD"}])
def test_row_38_something_else_than_was_asked_for_is_an_error(row: dict[str, Any]) -> None:
    found, _ = asyncio.run(ask(BHP, row))
    assert isinstance(found, Outcome) and "another contract" in found.text


def test_row_22_an_unknown_contract_fails_for_good_far_from_a_reset() -> None:
    text = "No security definition has been found for the request"
    found, asked = asyncio.run(ask(BHP, error=(200, text)))
    assert isinstance(found, Outcome)
    assert (found.kind, found.code, found.text, found.is_permanent) == (OutcomeKind.ERROR, 200, text, True)
    assert len(asked) == 1


def test_row_22_near_a_reset_a_200_is_asked_again_and_is_not_permanent() -> None:
    found, asked = asyncio.run(ask(BHP, error=(200, "No security definition has been found"), at=NEAR, speed=50.0))
    assert isinstance(found, Outcome)
    assert (found.code, found.is_permanent) == (200, False)
    assert 2 <= len(asked) <= 3


def test_an_error_after_some_details_discards_them() -> None:
    found, _ = asyncio.run(ask(BHP, {}, error=(321, "Error validating request.-'bN' : cause - Please enter exchange")))
    assert isinstance(found, Outcome) and found.code == 321


def test_silence_is_a_timeout_and_not_for_ever() -> None:
    async def scene() -> Any:
        clock = RunningClock(QUIET, RunningClock().now(), 50.0)
        async with pencil(connect_timeout_seconds=200.0) as gateway, connect(gateway.config, "replay", clock) as connection:
            return await qualify(connection, BHP, timeout_seconds=5.0)

    assert asyncio.run(scene()).kind is OutcomeKind.TIMEOUT


def test_classes_of_shares_and_codes() -> None:
    assert code_of(BHP) == "BHP"
    assert code_of(BHP._replace(code="BHPDA")) == "BHPDA"
    assert code_of(BHP._replace(symbol="BRK.B")) == "BRK B"
    assert code_of(BHP._replace(symbol="TLS.NASDAQ", code="TLS")) == "TLS"


def test_against_the_replay_gateway_with_a_namesake_abroad() -> None:
    async def scene() -> list[Any]:
        clock = RunningClock(QUIET, RunningClock().now(), 1.0)
        async with serve(GatewayOptions(port=0), MemorySource(), clock) as gateway:
            config = replace(GatewayConfig(), port=gateway.port)
            async with connect(config, "replay", clock) as connection:
                smart = BHP._replace(exchange="SMART", primary_exchange="NYSE", currency="USD", calendar="XNYS")
                anywhere = BHP._replace(exchange="SMART", primary_exchange="", currency="")
                gateway.inject("wrong-con-id", "1", con_id=4036818)
                wrong = BHP._replace(symbol="CBA", con_id=4036818)
                nobody = BHP._replace(symbol="NOBODY")
                asked = [BHP, smart, anywhere, wrong, nobody]
                return [await qualify(connection, each, timeout_seconds=10) for each in asked]

    home, abroad, both, wrong, nobody = asyncio.run(scene())
    assert home.con_id == 4036812 and home.time_zone == "Australia/NSW"
    assert abroad.con_id == 999 and abroad.long_name == "BHP ADR é"
    assert "ambiguous" in both.text and "999" in both.text
    assert wrong.kind is OutcomeKind.ERROR and "another contract" in wrong.text
    assert (nobody.code, nobody.kind, nobody.is_permanent) == (200, OutcomeKind.ERROR, True)


@pytest.mark.parametrize(
    ("at", "name"),
    [
        ("2025-01-15T05:10:00+00:00", "North America"),  # 00:10 in New York, a quarter before
        ("2025-01-15T06:59:00+00:00", "North America"), ("2025-07-15T05:55:00+00:00", "North America"),
        ("2025-01-15T05:46:00+00:00", "North America"), ("2025-01-15T06:10:00+00:00", "North America"),
        ("2025-01-14T20:50:00+00:00", "Asia Pacific, first"), ("2025-01-15T12:20:00+00:00", "Asia Pacific, second"),
        ("2025-01-18T05:30:00+00:00", "weekend"), ("2025-01-15T03:00:00+00:00", None), ("2025-01-15T08:00:00+00:00", None),
        ("2025-01-15T10:00:00+00:00", None),
    ],
)  # fmt: skip
def test_reset_windows(at: str, name: str | None) -> None:
    assert near_reset(datetime.fromisoformat(at)) == name
