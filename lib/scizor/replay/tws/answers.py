"""What the gateway says to requests that need no history farm. One table, SERVED: message name -> function.

A function takes the asking connection's view (`Asker`) and the request's fields, and returns the messages that go back as
(name, fields). Accounts are empty and there are no orders: what a client asks for while it connects ends at once.
Ticks and depth get their rows here when the daemon needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from scizor.replay.sources import ContractRow, Pattern, Source
from scizor.replay.tws import history, texts

Said = list[tuple[str, dict[str, Any]]]
HOURS_DAYS = 6  # as many as a captured answer had


@dataclass(frozen=True, slots=True)
class Asker:
    """What an answer may depend on."""

    now: datetime
    account: str
    next_order_id: int


def error(req_id: int, code: int, text: str) -> tuple[str, dict[str, Any]]:
    return "error", {"req_id": req_id, "code": code, "text": text}


def notice(code: int) -> tuple[str, dict[str, Any]]:
    """A message about the session, to nobody in particular."""
    return error(-1, code, texts.NOTICES[code])


def start_up(asker: Asker) -> Said:
    """What follows startApi."""
    return [*_accounts(asker, {}), *_next_id(asker, {}), *(notice(code) for code in texts.AT_START)]


def _accounts(asker: Asker, _: Mapping[str, Any]) -> Said:
    return [("managedAccts", {"accounts": asker.account})]


def _next_id(asker: Asker, _: Mapping[str, Any]) -> Said:
    return [("nextValidId", {"order_id": asker.next_order_id})]


def _time(asker: Asker, _: Mapping[str, Any]) -> Said:
    return [("currentTime", {"time": int(asker.now.timestamp())})]


def _account_updates(asker: Asker, values: Mapping[str, Any]) -> Said:
    if not values["subscribe"]:
        return []
    stamp = asker.now.strftime("%H:%M")
    return [
        ("accountValue", {"key": "AccountReady", "value": "true", "account": asker.account}),
        ("accountTime", {"time": stamp}),
        ("accountDownloadEnd", {"account": asker.account}),
    ]


def _account_summary(asker: Asker, values: Mapping[str, Any]) -> Said:
    req_id = values["req_id"]
    return [
        ("accountSummary", {"req_id": req_id, "account": asker.account, "tag": "AccountType", "value": "REPLAY"}),
        ("accountSummaryEnd", {"req_id": req_id}),
    ]


def _market_rule(_: Asker, values: Mapping[str, Any]) -> Said:
    """ASX's ladder: the exchange's own steps."""
    return [("marketRule", {"rule_id": values["rule_id"], "steps": [(0, 0.001), (0.1, 0.005), (2, 0.01)]})]


def _ends(name: str) -> Callable[[Asker, Mapping[str, Any]], Said]:
    """Nothing to tell, and that is all of it."""
    return lambda _, values: [(name, {"req_id": values["req_id"]} if "req_id" in values else {})]


def _silently(_: Asker, __: Mapping[str, Any]) -> Said:
    return []


def _refused_order(_: Asker, values: Mapping[str, Any]) -> Said:
    first = next(iter(values.get("fields", ())), "")
    return [error(int(first) if first.isdigit() else -1, 201, texts.ORDER)]


SERVED: Mapping[str, Callable[[Asker, Mapping[str, Any]], Said]] = {
    "reqCurrentTime": _time,
    "reqManagedAccts": _accounts,
    "reqIds": _next_id,
    "setServerLogLevel": _silently,
    "reqMarketDataType": _silently,  # accepted without a word, as the real one does
    "reqMarketRule": _market_rule,
    "reqMktDepthExchanges": lambda _, __: [("mktDepthExchanges", {"rows": []})],
    "reqPositions": _ends("positionEnd"),
    "cancelPositions": _silently,
    "reqPositionsMulti": _ends("positionMultiEnd"),
    "cancelPositionsMulti": _silently,
    "reqAccountUpdates": _account_updates,
    "reqAccountUpdatesMulti": _ends("accountUpdateMultiEnd"),
    "cancelAccountUpdatesMulti": _silently,
    "reqAccountSummary": _account_summary,
    "cancelAccountSummary": _silently,
    "reqPnL": lambda _, values: [("pnl", {"req_id": values["req_id"], "daily": 0, "unrealized": 0, "realized": 0})],
    "cancelPnL": _silently,
    "reqOpenOrders": _ends("openOrderEnd"),
    "reqAllOpenOrders": _ends("openOrderEnd"),
    "reqAutoOpenOrders": _silently,
    "reqCompletedOrders": _ends("completedOrdersEnd"),
    "reqExecutions": _ends("execDetailsEnd"),
    "cancelHeadTimestamp": _silently,
    "placeOrder": _refused_order,
    "cancelOrder": _refused_order,
    "reqGlobalCancel": _silently,
    "exerciseOptions": _refused_order,
    "replaceFA": _silently,
}

#: Messages that would trade or change an account: counted as violations wherever they are seen.
ORDERS = ("placeOrder", "cancelOrder", "reqGlobalCancel", "exerciseOptions", "replaceFA")


def not_served(name: str, values: Mapping[str, Any]) -> Said:
    """For a message that the table of messages names and this gateway does not speak (yet)."""
    candidates = [values.get("req_id"), *values.get("fields", ())[:2]]
    req_id = next((int(each) for each in reversed(candidates) if str(each).isdigit()), -1)
    return [error(req_id, 321, texts.REQUEST[321].format(cause=texts.NOT_SERVED.format(name=name)))]


def pattern(values: Mapping[str, Any]) -> Pattern:
    """The contract in a request's fields, as sources understand it."""
    return Pattern(
        con_id=values["con_id"] or 0,
        symbol=values["symbol"],
        sec_type=values["sec_type"],
        exchange=values["exchange"],
        primary_exchange=values["primary_exchange"],
        currency=values["currency"],
        local_symbol=values["local_symbol"],
        trading_class=values["trading_class"],
    )


def details(row: ContractRow, asked: Pattern, source: Source, now: datetime, with_auction: bool) -> dict[str, Any]:
    """contractData's fields but for the request's id."""
    today = now.astimezone(ZoneInfo(row.time_zone)).date()
    sessions = source.sessions(row.con_id, today, today + timedelta(days=HOURS_DAYS - 1))
    return {
        "symbol": row.symbol,
        "sec_type": row.sec_type,
        "strike": 0,
        "exchange": asked.exchange or row.exchange,
        "currency": row.currency,
        "local_symbol": row.local_symbol or row.symbol,
        "market_name": row.trading_class or row.symbol,
        "trading_class": row.trading_class or row.symbol,
        "con_id": row.con_id,
        "min_tick": row.min_tick,
        "order_types": "LMT,MKT",
        "valid_exchanges": row.valid_exchanges or f"SMART,{row.exchange}",
        "long_name": row.long_name or row.symbol,
        "primary_exchange": row.exchange,
        "industry": row.industry,
        "category": row.category,
        "subcategory": row.subcategory,
        "time_zone": row.time_zone,
        "trading_hours": history.hours(sessions, today, HOURS_DAYS, row.time_zone, True),
        "liquid_hours": history.hours(sessions, today, HOURS_DAYS, row.time_zone, with_auction),
        "sec_ids": [("ISIN", row.isin)] if row.isin else [],
        "agg_group": "1",
        "market_rule_ids": "1",
        "stock_type": row.stock_type,
        "min_size": 1,
        "size_increment": 1,
        "suggested_size_increment": 100,
    }
