"""The answer to one historical or contract request: computed and encoded away from the event loop, which must stay free to
stamp what it reads. Pure but for the source; faults that change an answer's content are applied here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from scizor.ib import wire
from scizor.market.types import Kind
from scizor.replay.sources import ContractRow, Pattern, Source
from scizor.replay.tws import answers, faults, history, texts
from scizor.replay.tws.faults import Rule
from scizor.replay.tws.limits import Ask
from scizor.replay.tws.options import GatewayOptions

_KIND_NAMES = {"TRADES": "Trades", "BID": "Bid", "ASK": "Ask", "MIDPOINT": "Midpoint", "BID_ASK": "BidAsk"}


@dataclass(frozen=True, slots=True)
class Answer:
    """Encoded messages in their order; bars: how many, for the service's latency, which `factor` lengthens; result: for the
    journal."""

    payloads: tuple[bytes, ...]
    result: str
    bars: int = 0
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on its way. version: the connection's. rule: the fault that was ordered for it."""

    name: str
    values: Mapping[str, Any]
    version: int
    at: datetime
    rule: Rule | None = None


def ask_of(name: str, values: Mapping[str, Any], at: datetime) -> Ask:
    """The request as limits count it."""
    contract = values["con_id"] or "/".join(
        str(values[key]) for key in ("symbol", "sec_type", "last_trade", "strike", "right", "currency", "local_symbol")
    )
    contract_key = f"{contract}@{values['exchange']} {values['what']}"
    if name == "reqHeadTimestamp":
        return Ask(at, f"head {contract_key} {values['use_rth']}", contract_key, 1, None)
    size = history.SIZES.get(str(values["bar_size"]))
    seconds = size.seconds if size else _seconds(str(values["bar_size"]))
    key = f"{contract_key} {values['bar_size']} {values['duration']} {values['end']} {values['use_rth']}"
    return Ask(at, key, contract_key, 2 if values["what"] == "BID_ASK" else 1, seconds)


def _seconds(text: str) -> int:
    """Of a size that we do not serve, for the counters: `10 secs`, `2 mins`; long when it cannot be read."""
    number, _, unit = text.partition(" ")
    return int(number) if number.isdigit() and len(number) < 4 and unit.startswith("sec") else 86400


def stays_open(asked: Asked, result: str) -> bool:
    """Head timestamps until they are cancelled, and bars that are to be kept up to date; not errors."""
    is_kept = asked.name == "reqHeadTimestamp" or bool(asked.values.get("keep_up_to_date"))
    return is_kept and not result.startswith("error")


def symbol_of(con_id: int, at: datetime, source: Source, options: GatewayOptions) -> str:
    """What the contract is called on that day, "" where there is none. Called in the worker thread."""
    found = source.contracts(Pattern(con_id=con_id), at.astimezone(ZoneInfo(options.zone)).date())
    return found[0].symbol if found else ""


def answer(asked: Asked, source: Source, options: GatewayOptions) -> Answer:
    """Everything that goes back for it. Called in the worker thread."""
    rule = asked.rule
    if rule and rule.name in faults.ERRORS and rule.name != "10167":
        return _ordered_error(asked, *faults.ERRORS[rule.name])
    if rule and rule.name == "error":
        code, _, text = rule.argument.partition(":")
        return _ordered_error(asked, int(code), text)
    pattern = answers.pattern(asked.values)
    found = source.contracts(pattern, asked.at.astimezone(ZoneInfo(options.zone)).date())
    if not found:
        return _error(asked, 200, texts.REQUEST[200])
    if asked.name == "reqContractDetails":
        return _details(asked, found, pattern, source, options)
    if len(found) > 1:
        return _error(asked, 200, texts.AMBIGUOUS.format(symbol=pattern.symbol))
    if found[0].exchange in options.unentitled:
        return _error(asked, 162, texts.hmds("no-permission", exchange=found[0].exchange, sec_type=found[0].sec_type))
    if asked.name == "reqHeadTimestamp":
        return _head(asked, found[0], source, options)
    try:
        question = history.read(asked.values, ZoneInfo(options.zone))
    except history.InvalidError as problem:
        if problem.is_step:
            return _error(asked, 162, texts.hmds("invalid-step"))
        return _error(asked, 321, texts.REQUEST[321].format(cause=problem.cause))
    if question.what == "SCHEDULE" and not options.serves_schedule:
        return _error(asked, 321, texts.REQUEST[321].format(cause=texts.WHAT))
    if question.what == "SCHEDULE":
        return _schedule(asked, question, found[0], source, options)
    return _bars(asked, question, found[0], source, options)


def _bars(asked: Asked, question: history.Question, row: ContractRow, source: Source, options: GatewayOptions) -> Answer:
    rule = asked.rule
    other = int(rule.argument or 0) if rule and rule.name == "wrong-bars" else 0
    found = history.bars(question, row, source, asked.at, other, options)
    if not found:
        return _error(asked, 162, texts.hmds("no-data", name=_name(row, question.what)))
    login = ZoneInfo(options.zone)
    version = 0 if rule and rule.name == "naive-time" else asked.version
    if version != asked.version:
        question = history.Question(**{**_fields(question), "format_date": 1})
    rows = history.rows(found, question, row.time_zone, login, version)
    if rule:
        rows = faults.change_bars(rule.name, rows)
    req_id = asked.values["req_id"]
    ends = [history.local_stamp(each, row.time_zone, login, asked.version) for each in _span(question, asked.at)]
    payload = wire.encode("historicalData", {"req_id": req_id, "start": ends[0], "end": ends[1], "bars": rows}, asked.version)
    if len(payload) > wire.FRAME_BYTES_MAX:
        return _error(asked, 162, texts.hmds(f"{len(rows)} bars are more than one answer may hold; ask for a shorter duration"))
    if rule and rule.name == "error-after":
        return _broken_off(asked, rows, int(rule.argument), payload)
    warning = [_payload(asked, 10167, texts.REQUEST[10167])] if rule and rule.name == "10167" else []
    return Answer((*warning, payload), f"bars={len(rows)}", len(rows), options.stated_end_factor if question.end else 1.0)


def _span(question: history.Question, now: datetime) -> tuple[datetime, datetime]:
    """The range that message 17 names; IB's is the asked one, in calendar time."""
    end = min(question.end or now, now)
    days = {"S": 0, "D": 1, "W": 7, "M": 30, "Y": 365}[question.unit] * question.count
    return end - timedelta(days=days, seconds=question.count if question.unit == "S" else 0), end


def _fields(question: history.Question) -> dict[str, Any]:
    return {name: getattr(question, name) for name in history.Question.__slots__}


def _broken_off(asked: Asked, rows: list[history.Row], kept: int, whole: bytes) -> Answer:
    """The message as far as its kept bars, still announcing all of them; then an error."""
    per_bar = 8
    texts_kept = len(whole.split(b"\0")) - 1 - per_bar * (len(rows) - min(kept, len(rows)))
    short = b"\0".join(whole.split(b"\0")[:texts_kept]) + b"\0"
    lost = _payload(asked, 162, texts.hmds("cancelled", req_id=asked.values["req_id"]))
    return Answer((short, lost), f"error-after={kept}", kept)


def _details(
    asked: Asked, found: list[ContractRow], pattern: Pattern, source: Source, options: GatewayOptions
) -> Answer:
    req_id = asked.values["req_id"]
    payloads = []
    for row in found:
        fields = answers.details(row, pattern, source, asked.at, options.auction_is_regular)
        if asked.rule and asked.rule.name == "wrong-con-id":
            fields["con_id"] = int(asked.rule.argument)
        payloads.append(wire.encode("contractData", {"req_id": req_id, **fields}, asked.version))
    payloads.append(wire.encode("contractDataEnd", {"req_id": req_id}, asked.version))
    return Answer(tuple(payloads), f"contracts={len(found)}")


def _head(asked: Asked, row: ContractRow, source: Source, options: GatewayOptions) -> Answer:
    what = str(asked.values["what"]).upper()
    if what not in {each.value for each in Kind}:
        return _error(asked, 321, texts.REQUEST[321].format(cause=texts.WHAT))
    head = source.head(row.con_id, Kind(what))
    if head is None:
        return _error(asked, 162, texts.hmds("no-data", name=_name(row, what)))
    stamp = history.head_stamp(head, int(asked.values["format_date"] or 1), ZoneInfo(options.zone), asked.version)
    fields = {"req_id": asked.values["req_id"], "time": stamp}
    return Answer((wire.encode("headTimestamp", fields, asked.version),), "head")


def _schedule(
    asked: Asked, question: history.Question, row: ContractRow, source: Source, options: GatewayOptions
) -> Answer:
    span = history.range_of(question, row, source, asked.at)
    with_auction = options.auction_is_regular or not question.regular_hours
    fields = history.schedule(span.sessions, row.time_zone, with_auction)
    payload = wire.encode("historicalSchedule", {"req_id": asked.values["req_id"], **fields}, asked.version)
    return Answer((payload,), f"sessions={len(span.sessions)}")


def _name(row: ContractRow, what: str) -> str:
    return f"{row.symbol}@{row.exchange} {_KIND_NAMES.get(what, what)}"


def _ordered_error(asked: Asked, code: int, text: str) -> Answer:
    values = asked.values
    what = str(values.get("what", "TRADES"))
    name = f"{values['symbol'] or values['con_id']}@{values['exchange']} {_KIND_NAMES.get(what, what)}"
    cause = asked.rule.argument if asked.rule else ""
    for key, value in {
        "name": name, "req_id": values["req_id"], "exchange": values["exchange"], "sec_type": values["sec_type"] or "STK",
        "cause": cause,
    }.items():  # fmt: skip
        text = text.replace("{" + key + "}", str(value))
    return _error(asked, code, text)


def _payload(asked: Asked, code: int, text: str) -> bytes:
    return wire.encode("error", {"req_id": asked.values["req_id"], "code": code, "text": text}, asked.version)


def _error(asked: Asked, code: int, text: str) -> Answer:
    return Answer((_payload(asked, code, text),), f"error={code}")
