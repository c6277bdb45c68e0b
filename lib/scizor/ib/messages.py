"""The table of messages: id, direction, name, fields. scizor.ib.wire reads and writes by it; look there first.

A row's fields read like columns: `type name[=default] [since VERSION] [until VERSION]`, where `until` is the first server
version without the field. `many name (...) [since]` is a count followed by that many rows; `when name VALUE|VALUE (...)` stands
only if an earlier field has one of these values; `rest name` takes whatever follows: the message is named here so that it
can be counted and refused, and whoever comes to speak it writes its fields. Types: int, number, size (a quantity; whole
below FRACTIONAL_SIZE), flag (1 or 0), text.

Source of layouts and gates: IB's published clients, checked against captured frames (tests/ib/test_wire.py). We serve
157 to 178; the gates above 178 are those that captures of newer servers needed. Protobuf begins at 201, beyond us.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, NamedTuple


class Direction(StrEnum):
    TO_GATEWAY = "to-gateway"
    FROM_GATEWAY = "from-gateway"


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    type: str
    name: str
    default: str | None = None
    since: int = 0
    until: int = 2**31


@dataclass(frozen=True, slots=True, eq=False)
class Many:
    name: str
    fields: tuple[Any, ...]
    since: int = 0
    until: int = 2**31


@dataclass(frozen=True, slots=True, eq=False)
class When:
    name: str
    values: tuple[str, ...]
    fields: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    name: str


class Message(NamedTuple):
    id: int
    direction: Direction
    name: str
    fields: tuple[Any, ...]

    @property
    def is_spelled_out(self) -> bool:
        """False: the table knows its id and name, not its fields."""
        return not any(isinstance(each, Rest) for each in self.fields)


# ---- the table -------------------------------------------------------------------------------------------------------

_CONTRACT = """int con_id, text symbol, text sec_type, text last_trade, number strike, text right, text multiplier,
    text exchange, text primary_exchange, text currency, text local_symbol, text trading_class"""
_HELD = """int con_id, text symbol, text sec_type, text last_trade, number strike, text right, text multiplier,
    text exchange, text currency, text local_symbol, text trading_class"""

_TO_GATEWAY: tuple[tuple[int, str, str], ...] = (
    # session
    (71, "startApi", "int version=2, int client_id, text capabilities"),
    (49, "reqCurrentTime", "int version=1"),
    (17, "reqManagedAccts", "int version=1"),
    (8, "reqIds", "int version=1, int count"),
    (14, "setServerLogLevel", "int version=1, int level"),
    # contracts and history
    (9, "reqContractDetails", f"""int version=8, int req_id, {_CONTRACT}, flag include_expired, text sec_id_type,
        text sec_id, text issuer_id since 176"""),
    (20, "reqHistoricalData", f"""int req_id, {_CONTRACT}, flag include_expired, text end, text bar_size, text duration,
        flag use_rth, text what, int format_date,
        when sec_type BAG (many legs (int con_id, int ratio, text action, text exchange)),
        flag keep_up_to_date, text options"""),
    (25, "cancelHistoricalData", "int version=1, int req_id"),
    (87, "reqHeadTimestamp", f"int req_id, {_CONTRACT}, flag include_expired, flag use_rth, text what, int format_date"),
    (90, "cancelHeadTimestamp", "int req_id"),
    (81, "reqMatchingSymbols", "int req_id, text pattern"),
    (82, "reqMktDepthExchanges", ""),
    (91, "reqMarketRule", "int rule_id"),
    # what foreign clients ask for when they connect
    (61, "reqPositions", "int version=1"),
    (64, "cancelPositions", "int version=1"),
    (74, "reqPositionsMulti", "int version=1, int req_id, text account, text model"),
    (75, "cancelPositionsMulti", "int version=1, int req_id"),
    (6, "reqAccountUpdates", "int version=2, flag subscribe, text account"),
    (76, "reqAccountUpdatesMulti", "int version=1, int req_id, text account, text model, flag ledger_and_nlv"),
    (77, "cancelAccountUpdatesMulti", "int version=1, int req_id"),
    (62, "reqAccountSummary", "int version=1, int req_id, text group, text tags"),
    (63, "cancelAccountSummary", "int version=1, int req_id"),
    (92, "reqPnL", "int req_id, text account, text model"),
    (93, "cancelPnL", "int req_id"),
    (5, "reqOpenOrders", "int version=1"),
    (15, "reqAutoOpenOrders", "int version=1, flag bind"),
    (16, "reqAllOpenOrders", "int version=1"),
    (99, "reqCompletedOrders", "flag api_only"),
    (7, "reqExecutions", """int version=3, int req_id, int client_id, text account, text time, text symbol, text sec_type,
        text exchange, text side"""),
    # live market data: named, not yet spoken
    (59, "reqMarketDataType", "int version=1, int type"),
    (1, "reqMktData", "rest fields"), (2, "cancelMktData", "rest fields"),
    (10, "reqMktDepth", "rest fields"), (11, "cancelMktDepth", "rest fields"),
    (50, "reqRealTimeBars", "rest fields"), (51, "cancelRealTimeBars", "rest fields"),
    (96, "reqHistoricalTicks", "rest fields"),
    (97, "reqTickByTickData", "rest fields"), (98, "cancelTickByTickData", "rest fields"),
    (88, "reqHistogramData", "rest fields"), (89, "cancelHistogramData", "rest fields"),
    # orders: named so that they are refused by name
    (3, "placeOrder", "rest fields"), (4, "cancelOrder", "rest fields"), (58, "reqGlobalCancel", "rest fields"),
    (21, "exerciseOptions", "rest fields"), (19, "replaceFA", "rest fields"),
)  # fmt: skip

_FROM_GATEWAY: tuple[tuple[int, str, str], ...] = (
    # session
    (4, "error", """int version=2 until 194, int req_id, int code, text text, text reject_json since 166,
        int time_ms since 194"""),
    (9, "nextValidId", "int version=1, int order_id"),
    (15, "managedAccts", "int version=1, text accounts"),
    (49, "currentTime", "int version=1, int time"),
    # contracts and history
    (10, "contractData", """int version=8 until 164, int req_id, text symbol, text sec_type, text last_trade,
        text last_trade_date since 182, number strike, text right, text exchange, text currency, text local_symbol,
        text market_name, text trading_class, int con_id, number min_tick, int size_multiplier=1 until 164,
        text multiplier, text order_types, text valid_exchanges, int price_magnifier=1, int under_con_id=0,
        text long_name, text primary_exchange, text contract_month, text industry, text category, text subcategory,
        text time_zone, text trading_hours, text liquid_hours, text ev_rule, text ev_multiplier,
        many sec_ids (text tag, text value), text agg_group, text under_symbol, text under_sec_type,
        text market_rule_ids, text real_expiration, text stock_type, number min_size since 164,
        number size_increment since 164, number suggested_size_increment since 163,
        many ineligible (text id, text description) since 186"""),
    (52, "contractDataEnd", "int version=1, int req_id"),
    (17, "historicalData", """int req_id, text start until 196, text end until 196,
        many bars (text date, number open, number high, number low, number close, size volume, number wap, int trades)"""),
    (90, "historicalDataUpdate", """int req_id, int trades, text date, number open, number close, number high, number low,
        number wap, size volume"""),
    (106, "historicalSchedule", """int req_id, text start, text end, text time_zone,
        many sessions (text start, text end, text session_date)"""),
    (108, "historicalDataEnd", "int req_id, text start, text end"),
    (88, "headTimestamp", "int req_id, text time"),
    (79, "symbolSamples", """int req_id, many rows (int con_id, text symbol, text sec_type, text primary_exchange,
        text currency, many derivatives (text sec_type), text description since 176, text issuer_id since 176)"""),
    (80, "mktDepthExchanges", "many rows (text exchange, text sec_type, text listing, text data_type, text agg_group)"),
    (93, "marketRule", "int rule_id, many steps (number low_edge, number increment)"),
    # accounts and orders: what a start-up synchronisation waits for
    (61, "position", f"int version=3, text account, {_HELD}, number position, number average_cost"),
    (62, "positionEnd", "int version=1"),
    (71, "positionMulti", f"int version=1, int req_id, text account, {_HELD}, number position, number average_cost, text model"),
    (72, "positionMultiEnd", "int version=1, int req_id"),
    (6, "accountValue", "int version=2, text key, text value, text currency, text account"),
    (7, "portfolioValue", """int version=8, int con_id, text symbol, text sec_type, text last_trade, number strike,
        text right, text multiplier, text primary_exchange, text currency, text local_symbol, text trading_class,
        number position, number price, number value, number average_cost, number unrealized, number realized,
        text account"""),
    (8, "accountTime", "int version=1, text time"),
    (54, "accountDownloadEnd", "int version=1, text account"),
    (63, "accountSummary", "int version=1, int req_id, text account, text tag, text value, text currency"),
    (64, "accountSummaryEnd", "int version=1, int req_id"),
    (73, "accountUpdateMulti", "int version=1, int req_id, text account, text model, text key, text value, text currency"),
    (74, "accountUpdateMultiEnd", "int version=1, int req_id"),
    (94, "pnl", "int req_id, number daily, number unrealized, number realized"),
    (53, "openOrderEnd", "int version=1"),
    (102, "completedOrdersEnd", ""),
    (11, "execDetails", f"""int req_id, int order_id, {_HELD}, text exec_id, text time, text account, text exec_exchange,
        text side, number shares, number price, int perm_id, int client_id, int liquidation, number cumulative,
        number average_price, text order_ref, text ev_rule, number ev_multiplier, text model, int liquidity,
        flag pending_price_revision since 178"""),
    (55, "execDetailsEnd", "int version=1, int req_id"),
    (59, "commissionReport", """int version=1, text exec_id, number commission, text currency, number realized,
        number bond_yield, text yield_redemption"""),
    (3, "orderStatus", "rest fields"), (5, "openOrder", "rest fields"), (101, "completedOrder", "rest fields"),
    # live market data: read already, served when the daemon needs it
    (1, "tickPrice", "int version=6, int req_id, int type, number price, size size, int attributes"),
    (2, "tickSize", "int version=6, int req_id, int type, size size"),
    (58, "marketDataType", "int version=1, int req_id, int type"),
    (50, "realTimeBar", """int version=3, int req_id, int time, number open, number high, number low, number close,
        size volume, number wap, int trades"""),
    (96, "historicalTicks", "int req_id, many ticks (int time, int mask, number price, size size), flag done"),
    (97, "historicalTicksBidAsk", """int req_id, many ticks (int time, int mask, number bid, number ask, size bid_size,
        size ask_size), flag done"""),
    (98, "historicalTicksLast", """int req_id, many ticks (int time, int mask, number price, size size, text exchange,
        text conditions), flag done"""),
    (99, "tickByTick", """int req_id, int type, int time,
        when type 1|2 (number price, size size, int mask, text exchange, text conditions),
        when type 3 (number bid, number ask, size bid_size, size ask_size, int mask), when type 4 (number midpoint)"""),
)  # fmt: skip


def _parse(text: str) -> tuple[Any, ...]:
    """One row's fields from their text."""
    items: list[Any] = []
    for part in (each.strip() for each in _split(text)):
        if group := re.fullmatch(r"many (\w+) \((.*)\)(?:\s+since (\d+))?", part, re.DOTALL):
            items.append(Many(group[1], _parse(group[2]), int(group[3] or 0)))
        elif group := re.fullmatch(r"when (\w+) (\S+) \((.*)\)", part, re.DOTALL):
            items.append(When(group[1], tuple(group[2].split("|")), _parse(group[3])))
        elif group := re.fullmatch(r"rest (\w+)", part):
            items.append(Rest(group[1]))
        elif group := re.fullmatch(
            r"(int|number|size|flag|text) (\w+)(?:=(\S+))?(?:\s+since (\d+))?(?:\s+until (\d+))?", part
        ):
            items.append(Field(group[1], group[2], group[3], int(group[4] or 0), int(group[5] or 2**31)))
        else:
            raise ValueError(f"the table of messages cannot be read at {part!r}")
    return tuple(items)


def _split(text: str) -> Iterator[str]:
    """At the commas outside brackets."""
    depth = start = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            yield text[start:at]
            start = at + 1
    if text[start:].strip():
        yield text[start:]


MESSAGES: tuple[Message, ...] = tuple(
    Message(number, direction, name, _parse(text))
    for direction, rows in ((Direction.TO_GATEWAY, _TO_GATEWAY), (Direction.FROM_GATEWAY, _FROM_GATEWAY))
    for number, name, text in rows
)


@cache
def _by_name() -> dict[str, Message]:
    return {each.name: each for each in MESSAGES}


@cache
def _by_id() -> dict[tuple[Direction, int], Message]:
    return {(each.direction, each.id): each for each in MESSAGES}


def named(name: str) -> Message:
    """The row of that name; names are unique over both directions. KeyError is a bug of the caller."""
    return _by_name()[name]


def find(direction: Direction, number: int) -> Message | None:
    """The row of that id, None for one that the table does not name."""
    return _by_id().get((direction, number))


@lru_cache(maxsize=512)
def at_version(items: tuple[Any, ...], version: int) -> tuple[Any, ...]:
    """The fields that exist at that version."""
    return tuple(each for each in items if not isinstance(each, Field | Many) or each.since <= version < each.until)
