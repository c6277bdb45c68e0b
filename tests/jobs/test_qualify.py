"""bin/symbols qualify over a real socket: what the Gateway says is kept, and what it refuses is flagged once, by name."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from scizor.base.clock import RunningClock
from scizor.base.config import Config
from scizor.base.exit import Exit
from scizor.db import symbols
from scizor.jobs import qualify
from scizor.run.context import Result
from tests.ib.gateway import Session, pencil
from tests.jobs.scripts import Call, context_of

NOW = datetime(2025, 1, 15, 3, 0, tzinfo=UTC)  # far from every reset: a 200 is believed
IDS = {"CBA": 4036818, "CSL": 4036812}


async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
    """Knows every code but XRO (200), keeps silent about WTC, and says of CSL the contract that is BHP's."""
    if name != "reqContractDetails":
        return
    code, number = fields["symbol"] or f"#{fields['con_id']}", fields["req_id"]
    if code == "XRO":
        session.error(number, 200, "No security definition has been found for the request")
    elif code != "WTC":
        session.send(
            "contractData", req_id=number, symbol=code, sec_type="STK", exchange=fields["exchange"], currency=fields["currency"],
            local_symbol=code, con_id=fields["con_id"] or IDS.get(code, sum(code.encode()) * 1000), min_tick=0.01,
            long_name=f"{code} LTD", primary_exchange=fields["primary_exchange"] or "ASX", valid_exchanges="SMART,ASX",
            time_zone="Australia/NSW", trading_hours="20250115:1000-20250115:1600", liquid_hours="20250115:1000-20250115:1600",
        )  # fmt: skip
        session.send("contractDataEnd", req_id=number)


def ask(config: Config, connection: psycopg.Connection, *argv: object, speed: float = 20.0) -> tuple[Result, list[str]]:
    """The result, and the codes that were asked about in order."""

    async def scene() -> tuple[Result, list[str]]:
        clock = RunningClock(NOW, RunningClock().now(), speed)
        async with pencil(answer, connect_timeout_seconds=5 * speed, request_timeout_seconds=20.0) as gateway:
            context = context_of(replace(config, gateway=gateway.config), connection, clock, "symbols", "qualify", *argv)
            tally = await qualify.ask_all(context, qualify.choose(context))
            asked = [fields["symbol"] or f"#{fields['con_id']}" for session in gateway.sessions for name, fields in session.seen if name == "reqContractDetails"]
            return qualify.result_of(tally), asked

    return asyncio.run(scene())


def test_what_the_gateway_says_is_kept(universe: Call, config: Config, collector: psycopg.Connection) -> None:
    result, asked = ask(config, collector, "--symbol", "CBA", "--symbol", "BHP")
    assert (result.status, result.summary) == (Exit.DONE, "2 contracts qualified")
    assert sorted(asked) == ["#4036812", "CBA"]  # a known contract is asked for by its number
    facts = symbols.load_details(collector, "CBA")
    assert (facts["tick_size"], facts["time_zone"]) == (0.01, "Australia/NSW")
    assert facts["qualified_at"] is not None
    listed = symbols.load_listed(collector)["CBA"]
    assert (listed.con_id, listed.name) == (4036818, "Commonwealth Bank")  # the file's name is a person's, and stays


def test_a_refusal_is_flagged_with_its_words_and_not_asked_again_for_a_week(
    universe: Call, config: Config, collector: psycopg.Connection
) -> None:
    result, _ = ask(config, collector, "--symbol", "XRO", "--symbol", "WTC", "--symbol", "CBA")
    assert result.status is Exit.PARTIAL
    assert result.summary == "1 contracts qualified, 1 refused, not asked again for a week, 1 not answered"
    assert [line.split(":")[0] for line in result.failures] == ["XRO", "WTC"]
    assert "No security definition" in result.failures[0]
    states = {each.symbol: each.refused for each in symbols.load_instruments(collector, NOW)}
    assert states["XRO"].startswith("200: No security definition")
    assert states["WTC"] == ""  # silence is no answer
    later = {each.symbol: each.refused for each in symbols.load_instruments(collector, NOW + timedelta(days=8))}
    assert later["XRO"] == ""
    _, asked = ask(config, collector, speed=200.0)
    assert "XRO" not in asked and "APT" not in asked and "CBA" not in asked and "WTC" in asked
    assert len(asked) == 309 - 3


def test_two_symbols_never_share_a_contract(universe: Call, config: Config, collector: psycopg.Connection) -> None:
    """The answer about CSL carries BHP's con_id: nothing is stored under it."""
    result, _ = ask(config, collector, "--symbol", "CSL")
    assert result.failures == ["CSL: contract 4036812 belongs to another symbol"]
    (csl,) = symbols.load_instruments(collector, NOW, ["CSL"])
    assert (csl.con_id, csl.refused) == (None, "CSL: contract 4036812 belongs to another symbol")


def test_a_lost_connection_leaves_the_rest_unasked(universe: Call, config: Config, collector: psycopg.Connection) -> None:
    async def scene() -> qualify.Tally:
        seen = 0

        async def hang_up(session: Session, name: str, fields: dict[str, Any]) -> None:
            nonlocal seen
            seen += name == "reqContractDetails"
            if seen > 20:
                session.writer.close()
            else:
                await answer(session, name, fields)

        clock = RunningClock(NOW, RunningClock().now(), 20.0)
        async with pencil(hang_up, connect_timeout_seconds=100.0, request_timeout_seconds=20.0) as gateway:
            context = context_of(replace(config, gateway=gateway.config), collector, clock, "symbols", "qualify")
            return await qualify.ask_all(context, qualify.choose(context))

    tally = asyncio.run(scene())
    assert 10 <= tally.qualified <= 20
    assert tally.unasked > 250
    assert tally.qualified + len(tally.failed) + len(tally.refused) + tally.unasked == 308
    assert len(tally.failed) <= qualify.OPEN_MAX + 2  # those in hand, and not one line for each of the others
    assert qualify.result_of(tally).status is Exit.PARTIAL
