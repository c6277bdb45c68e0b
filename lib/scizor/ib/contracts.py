"""Which contract a symbol is: its conId, on which everything that we store hangs.

A code can be somebody else's next year; a conId cannot. One answer is taken only when it is the one instrument that was
asked for; two candidates are an error that names both, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from scizor.ib.connection import Connection
from scizor.ib.resets import near_reset
from scizor.market.types import Instrument, Outcome, OutcomeKind

if TYPE_CHECKING:
    from scizor.ib.library import Contract

RETRY_SECONDS = 5.0  # between two questions about a contract that a reset hides


@dataclass(frozen=True, slots=True)
class Qualified:
    """A contract as IB describes it. min_tick: the smallest price step, in the currency. time_zone: as IB spells it
    (Australia/NSW). trading_hours, liquid_hours: IB's strings, some days ahead, local to time_zone."""

    con_id: int
    symbol: str
    local_symbol: str
    exchange: str
    primary_exchange: str
    currency: str
    sec_type: str
    trading_class: str
    long_name: str
    min_tick: float
    time_zone: str
    trading_hours: str
    liquid_hours: str
    valid_exchanges: tuple[str, ...]
    stock_type: str = ""
    industry: str = ""


async def qualify(connection: Connection, instrument: Instrument, *, timeout_seconds: float) -> Qualified | Outcome:
    """Asks for the contract by its code, exchange and currency, or by its conId where it has one.

    A 200 near one of IB's resets is not believed: it is asked again until the timeout (clock seconds), and ends as a
    failure that is not permanent. An Outcome is the failure, with IB's code and text.
    """
    clock = connection.clock
    deadline = clock.now() + timedelta(seconds=timeout_seconds)
    while True:
        left = max(0.1, (deadline - clock.now()).total_seconds())
        answer = await _ask(connection, instrument, left)
        if not (isinstance(answer, Outcome) and answer.code == 200 and near_reset(clock.now())):
            return answer
        if clock.now() + timedelta(seconds=RETRY_SECONDS) >= deadline or connection.lost:
            return Outcome(
                answer.kind, (), answer.code, answer.text, False, answer.asked_at, answer.answered_at
            )
        await clock.sleep(RETRY_SECONDS)


async def _ask(connection: Connection, instrument: Instrument, timeout_seconds: float) -> Qualified | Outcome:
    contract = contract_of(instrument) if instrument.con_id is not None else _contract_by_code(instrument)
    answer = await connection.ask(
        "details",
        lambda number: connection.wire.reqContractDetails(number, contract),
        None,  # IB knows no cancel for it
        timeout_seconds=timeout_seconds,
    )
    if isinstance(answer, Outcome):
        return answer

    def failed(text: str, *, is_permanent: bool = True) -> Outcome:
        return Outcome(OutcomeKind.ERROR, (), None, text, is_permanent, answer.asked_at, answer.answered_at)

    found = {each.con_id: each for each in map(_qualified, answer.items)}
    wanted = [each for each in found.values() if _fits(each, instrument)]
    if len(wanted) == 1:
        return wanted[0]
    if wanted:
        return failed(f"{instrument.symbol} is ambiguous: " + _named(wanted))
    if found:
        return failed(f"asked for {_asked(instrument)} and got another contract: " + _named(list(found.values())))
    return failed(f"no contract for {_asked(instrument)}, and no reason", is_permanent=False)


def _fits(each: Qualified, instrument: Instrument) -> bool:
    """Whether it is what was asked for. A wrong conId in the answer is caught here, and nowhere later."""
    if instrument.con_id is not None:
        return each.con_id == instrument.con_id
    primary = instrument.primary_exchange
    return (
        each.con_id > 0
        and each.sec_type == instrument.sec_type
        and (not instrument.currency or each.currency == instrument.currency)
        and (not primary or not each.primary_exchange or _venue(each.primary_exchange) == _venue(primary))
        and _plain(code_of(instrument)) in (_plain(each.symbol), _plain(each.local_symbol))
    )


def contract_of(instrument: Instrument) -> Contract:
    """The qualified contract for a request: its conId decides, so no code is sent that might have changed since."""
    from scizor.ib.library import Contract

    if instrument.con_id is None:
        raise ValueError(f"{instrument.symbol} is not qualified: it has no conId")
    return Contract(
        conId=instrument.con_id, secType=instrument.sec_type, exchange=instrument.exchange, currency=instrument.currency
    )


def _contract_by_code(instrument: Instrument) -> Contract:
    from scizor.ib.library import Contract

    return Contract(
        symbol=code_of(instrument),
        secType=instrument.sec_type,
        exchange=instrument.exchange,
        primaryExchange=instrument.primary_exchange,
        currency=instrument.currency,
    )


def code_of(instrument: Instrument) -> str:
    """What IB calls it: the exchange's code; a class of shares behind a space (BRK B) where others write a dot."""
    code = instrument.code or instrument.symbol
    stem, dot, share_class = code.partition(".")
    return f"{stem} {share_class}" if dot and len(share_class) == 1 else code


def _plain(code: str) -> str:
    return code.upper().replace(".", " ")


def _venue(exchange: str) -> str:
    """ISLAND is IB's old name of NASDAQ."""
    return {"ISLAND": "NASDAQ", "NASDAQ.NMS": "NASDAQ", "NASDAQ.SCM": "NASDAQ"}.get(exchange, exchange)


def _asked(instrument: Instrument) -> str:
    if instrument.con_id is not None:
        return f"conId {instrument.con_id} ({instrument.symbol})"
    return f"{code_of(instrument)} on {instrument.exchange} in {instrument.currency}"


def _named(candidates: list[Qualified]) -> str:
    shown = [
        f"{each.symbol} conId {each.con_id} on {each.primary_exchange or each.exchange} in {each.currency} ({each.long_name})"
        for each in candidates[:5]
    ]
    return "; ".join(shown) + (f"; and {len(candidates) - 5} more" if len(candidates) > 5 else "")


def _qualified(details: Any) -> Qualified:
    contract = details.contract
    return Qualified(
        con_id=contract.conId,
        symbol=contract.symbol,
        local_symbol=contract.localSymbol,
        exchange=contract.exchange,
        primary_exchange=contract.primaryExchange,
        currency=contract.currency,
        sec_type=contract.secType,
        trading_class=contract.tradingClass,
        long_name=details.longName,
        min_tick=details.minTick,
        time_zone=details.timeZoneId,
        trading_hours=details.tradingHours,
        liquid_hours=details.liquidHours,
        valid_exchanges=tuple(each for each in details.validExchanges.split(",") if each),
        stock_type=details.stockType,
        industry=details.industry,
    )
