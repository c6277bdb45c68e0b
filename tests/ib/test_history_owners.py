"""Whose bars an answer holds: never another symbol's, however answers cross, come late, or meet a number that was used before."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import date
from typing import Any

from scizor.base.clock import RunningClock
from scizor.base.errors import ScizorError
from scizor.ib.connection import connect
from scizor.ib.history import fetch
from scizor.market.types import Instrument, Outcome, OutcomeKind, Timeframe, Window
from tests.ib.gateway import Session, pencil

SYMBOLS = [Instrument(each, f"S{each:02}", "ASX", "XASX", "AUD", 9000 + each, 1, primary_exchange="ASX") for each in range(1, 9)]
DAYS = date(2025, 1, 13), date(2025, 1, 14)


def rows(con_id: int) -> list[tuple[Any, ...]]:
    """Prices in a band of their own: 100 × the contract's last digits, and 50 more at most."""
    price = (con_id - 9000) * 100.0
    return [(day, price, price + 50, price, price + 20, 1000.0, price + 10, 5) for day in ("20250113", "20250114")]


def test_I17_no_symbol_ever_has_anothers_bars_though_answers_cross_come_late_and_connections_drop_and_use_their_numbers_again() -> None:
    """Twelve connections, eight requests at once on each: shuffled, some answered only when they were given up, some twice, some cut
    off with the connection. The numbers begin anew on each connection; answers to what was given up come while others wait."""
    rnd = random.Random(17)
    former: list[tuple[int, int]] = []  # (number, contract) of every request

    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        if name == "cancelHistoricalData":
            owner = next(each["con_id"] for kind, each in session.seen if kind == "reqHistoricalData" and each["req_id"] == fields["req_id"])
            session.bars(fields["req_id"], rows(owner))  # it was under way
        if name != "reqHistoricalData":
            return
        asked = [each for kind, each in session.seen if kind == "reqHistoricalData"]
        if len(asked) < len(SYMBOLS):
            return
        for place, each in enumerate(rnd.sample(asked, len(asked))):
            fate = rnd.random()
            former.append((each["req_id"], each["con_id"]))
            if place == 5 and fate < 0.5:
                session.writer.close()
                return
            if fate < 0.15:
                continue  # only once it is given up
            session.bars(each["req_id"], rows(each["con_id"]))
            if fate > 0.8:
                session.bars(each["req_id"], rows(each["con_id"]))
            await asyncio.sleep(0)

    async def scene() -> list[tuple[Instrument, Outcome]]:
        found: list[tuple[Instrument, Outcome]] = []

        async def ask(connection: Any, instrument: Instrument) -> None:
            found.append((instrument, await fetch(connection, Window(instrument, Timeframe.DAY1, *DAYS), timeout_seconds=0.3)))

        async with pencil(answer) as gateway:
            for _ in range(12):
                with suppress(ScizorError, ConnectionError):
                    async with connect(gateway.config, "replay", RunningClock()) as connection:
                        await asyncio.gather(*(ask(connection, each) for each in rnd.sample(SYMBOLS, len(SYMBOLS))))
        return found

    found = asyncio.run(scene())
    good = [(instrument, outcome) for instrument, outcome in found if outcome.kind is OutcomeKind.OK]
    assert len(good) > 40 and len({number for number, _ in former}) < len(former), "too few answers, or no number was used again"
    assert any(outcome.kind is not OutcomeKind.OK for _, outcome in found)
    for instrument, outcome in found:
        band = (instrument.con_id or 0) - 9000
        assert all(band * 100 <= price <= band * 100 + 50 for bar in outcome.bars for price in bar[1:5]), (instrument.symbol, outcome)
        assert len(outcome.bars) == (2 if outcome.kind is OutcomeKind.OK else 0)
