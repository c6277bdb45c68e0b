"""IB's faults by name: one table that `--list-faults` prints, the command line, scripts and tests order from.

A Rule is an order: which fault, its argument, and for which requests. Changes to bars work on rows as the wire carries
them: (date, open, high, low, close, volume, wap, trades).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from scizor.base.errors import UsageError
from scizor.ib.wire import Number
from scizor.replay.tws import texts

BARS = ("reqHistoricalData",)
HISTORY = ("reqHistoricalData", "reqHeadTimestamp")
DETAILS = ("reqContractDetails",)
ANY = (*HISTORY, *DETAILS)
HELLO = ("hello",)
CONNECT = ("startApi",)
EVENT = ("event",)


@dataclass(frozen=True, slots=True)
class Fault:
    """where: the requests that it meets unless its rule names another message. argument: what ARG means, and its default."""

    name: str
    where: tuple[str, ...]
    meaning: str
    argument: str = ""
    default: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One order. Empty means any. nth: only the nth request that agrees, from 1. times: so often, 0 for ever.

    from_seconds, to_seconds: only in this part of the gateway's life, counted from when the rule was given. at_seconds:
    for events, when; an event with neither at_seconds nor a request to wait for happens on every connection's start.
    """

    name: str
    arg: str = ""
    message: str = ""
    symbol: str = ""
    con_id: int = 0
    client: int = -1
    bar_size: str = ""
    what: str = ""
    nth: int = 0
    times: int = 0
    from_seconds: float = 0.0
    to_seconds: float = float("inf")
    at_seconds: float = -1.0

    @property
    def fault(self) -> Fault:
        return table()[self.name]

    @property
    def argument(self) -> str:
        return self.arg or self.fault.default

    @property
    def waits_for_request(self) -> bool:
        return bool(self.message or self.symbol or self.con_id or self.bar_size or self.what or self.nth)


#: name -> code and text, for faults that are an error in place of the answer.
ERRORS: Mapping[str, tuple[int, str]] = {
    **{name: (162, texts.HMDS + tail) for name, tail in texts.TAILS.items()},
    **{f"spanish-{name}": (162, texts.HMDS_SPANISH + tail) for name, tail in texts.TAILS.items()},
    **{str(code): (code, text) for code, text in texts.REQUEST.items() if code != 320},
}

_ERROR_ROWS = (
    Fault("pacing", HISTORY, "162, pacing violation"),
    Fault("no-data", HISTORY, "162, query returned no data"),
    Fault("cancelled", HISTORY, "162, query cancelled: the farm gave up"),
    Fault("invalid-step", HISTORY, "162, invalid step"),
    Fault("no-permission", HISTORY, "162, no market data permissions"),
    Fault("different-ip", HISTORY, "162, the session is used from another IP address"),
    *(Fault(f"spanish-{name}", HISTORY, f"162, {name}, the first half in Spanish") for name in texts.TAILS),
    Fault("200", ANY, "no security definition"),
    Fault("203", ANY, "security not available or allowed"),
    Fault("321", ANY, "error validating request", "the cause", "Please enter exchange"),
    Fault("322", HISTORY, "only 50 simultaneous requests"),
    Fault("354", HISTORY, "market data not subscribed"),
    Fault("366", HISTORY, "no historical query found: the farm lost it"),
    Fault("420", HISTORY, "invalid real-time query"),
    Fault("10089", HISTORY, "additional subscription required"),
    Fault("10167", HISTORY, "not subscribed, delayed data instead: a warning, the answer follows"),
    Fault("10197", HISTORY, "competing live session"),
    Fault("error", ANY, "any error", "CODE:TEXT", "162:" + texts.HMDS),
)

_DELIVERY_ROWS = (
    Fault("silence", ANY, "no answer, ever; a cancel of it is told 366"),
    Fault("late", ANY, "the answer comes after so many seconds, even when it was cancelled", "seconds", "60"),
    Fault("slow", ANY, "this answer takes so many seconds", "seconds", "10"),
    Fault("close", ANY, "the socket closes in place of the answer"),
    Fault("drop", ANY, "the socket closes in the middle of the answer"),
    Fault("truncated", ANY, "the answer's fields end in the middle of the message, its length agrees"),
    Fault("oversized", ANY, "a frame that announces too many bytes, in place of the answer", "bytes", "4294967295"),
    Fault("empty-frame", ANY, "a frame of no bytes before the answer"),
    Fault("unknown-message", ANY, "a message with an unknown id before the answer"),
    Fault("bad-utf8", ANY, "a message that is not UTF-8 before the answer"),
    Fault("dribble", ANY, "the answer comes one byte at a time"),
    Fault("coalesced", ANY, "answers are held for so many seconds and come in one write", "seconds", "0.2"),
    Fault("twice", ANY, "the answer comes twice"),
)

_BAR_ROWS = (
    Fault("duplicate-bar", BARS, "the middle bar comes twice, equal"),
    Fault("conflicting-bar", BARS, "the middle bar comes twice, with two closes"),
    Fault("out-of-order", BARS, "the first two thirds come after the rest"),
    Fault("missing-bar", BARS, "the middle bar is left out"),
    Fault("error-after", BARS, "the message breaks off after K of its N bars, then error 162", "K", "1"),
    Fault("wrong-bars", BARS, "the bars of another contract", "its conId"),
    Fault("stale-session", BARS, "the newest bar's prices and volume are those of the bar before"),
    Fault("nan-price", BARS, "the middle bar closes at NaN"),
    Fault("infinite-price", BARS, "the middle bar's high is Infinity"),
    Fault("huge-price", BARS, "the middle bar's high is 1e400"),
    Fault("negative-price", BARS, "the middle bar's low is -1"),
    Fault("zero-price", BARS, "the middle bar's low is 0"),
    Fault("empty-price", BARS, "the middle bar has no open"),
    Fault("high-below-low", BARS, "the middle bar's high and low are exchanged"),
    Fault("close-above-high", BARS, "the middle bar closes above its high"),
    Fault("volume-unknown", BARS, "the middle bar's volume is -1"),
    Fault("volume-negative", BARS, "the middle bar's volume is -7"),
    Fault("too-many-decimals", BARS, "the middle bar closes with twelve decimals"),
    Fault("spike", BARS, "the middle bar's high is ten times what it was"),
    Fault("weekend-bar", BARS, "a bar of the Saturday after the last one follows it"),
    Fault("naive-time", BARS, "stamps are local time without a zone"),
)

_OTHER_ROWS = (
    Fault("wrong-con-id", DETAILS, "the details bear another conId", "that conId", "1"),
    Fault("326", CONNECT, "the client id is said to be in use, and the socket closes"),
    Fault("refuse", HELLO, "the socket closes when the client has said hello"),
    Fault("mute", HELLO, "the socket is open and nothing is ever said"),
    Fault("other-account", CONNECT, "the session belongs to another account", "that account", "U0000001"),
    *(Fault(str(code), EVENT, f"notice: {text.rstrip('.')}") for code, text in texts.NOTICES.items()),
    Fault("farm-broken", EVENT, "2105; the history farm says nothing for so long; then 2106", "seconds", "60"),
    Fault("service-silent", EVENT, "no historical request of the next seconds, nor any in service, is ever answered", "seconds", "60"),
    Fault("service-stalled", EVENT, "historical answers wait for so many seconds, then go on", "seconds", "60"),
    Fault("service-slow", EVENT, "historical answers take FACTOR times as long, for so many seconds", "FACTOR:seconds", "30:60"),
    Fault("drop-all", EVENT, "every socket closes"),
)  # fmt: skip

FAULTS: tuple[Fault, ...] = (*_ERROR_ROWS, *_DELIVERY_ROWS, *_BAR_ROWS, *_OTHER_ROWS)


def table() -> dict[str, Fault]:
    return {each.name: each for each in FAULTS}


def check_argument(rule: Rule) -> None:
    """ValueError when ARG is not what the fault's meaning of it says: found out later, it would look like silence."""
    means, said = rule.fault.argument, rule.argument
    if not means and rule.arg:
        raise ValueError(f"{rule.name} takes no argument, not {rule.arg!r}")
    number, numbers = r"\d{1,9}(\.\d{1,9})?", r"\d{1,10}"
    forms = {"seconds": number, "FACTOR:seconds": f"{number}:{number}", "CODE:TEXT": r"\d{1,9}:.*"}
    forms |= dict.fromkeys(("bytes", "K", "that conId", "its conId"), numbers)
    if said and means in forms and not re.fullmatch(forms[means], said, re.ASCII | re.DOTALL):
        raise ValueError(f"{rule.name} needs {means}, not {said!r}")


def describe() -> str:
    """The table for people."""
    wide = max(len(each.name) for each in FAULTS)
    lines = []
    for each in FAULTS:
        argument = f" [={each.argument}{', ' + each.default if each.default else ''}]" if each.argument else ""
        where = "on its own" if each.where == EVENT else ", ".join(each.where)
        lines.append(f"{each.name:<{wide}}  {each.meaning}{argument}  ({where})")
    return "\n".join(lines)


# ---- which request meets which rule ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Active:
    rule: Rule
    since: datetime
    seen: int = 0
    used: int = 0


@dataclass(slots=True)
class Orders:
    """The rules that hold now. One list for what the command line, a test and the script ordered; the script's are
    replaced as a whole when its file changes."""

    active: list[_Active] = field(default_factory=list)

    def add(self, rule: Rule, now: datetime) -> None:
        if rule.name not in table():
            raise UsageError(f"there is no fault named {rule.name}", hint="bin/replay-gateway --list-faults")
        self.active.append(_Active(rule, now))

    def remove(self, rules: tuple[Rule, ...]) -> None:
        self.active = [each for each in self.active if not any(each.rule is rule for rule in rules)]

    def clear(self) -> None:
        self.active.clear()

    @property
    def names_symbol(self) -> bool:
        return any(each.rule.symbol for each in self.active)

    def meet(self, message: str, client: int, values: Mapping[str, Any], now: datetime) -> list[Rule]:
        """Every rule that this request meets, in the order in which they were given. Counts."""
        return [each.rule for each in self.active if _meets(each, message, client, values, now)]

    def unmet(self, rules: Sequence[Rule]) -> list[bool]:
        """Of each of these rules, whether nothing has met it so far."""
        return [any(each.rule is rule and not each.used for each in self.active) for rule in rules]

    def at_connect(self, now: datetime) -> list[Rule]:
        """Events for every connection's start."""
        found = [
            each for each in self.active
            if each.rule.fault.where == EVENT and each.rule.at_seconds < 0 and not each.rule.waits_for_request
            and _is_time(each, now)
        ]  # fmt: skip
        for each in found:
            each.used += 1
        return [each.rule for each in found]

    def due(self, now: datetime) -> list[Rule]:
        """Events whose time has come, each once."""
        due = [
            each for each in self.active
            if not each.used and 0 <= each.rule.at_seconds <= (now - each.since).total_seconds()
        ]  # fmt: skip
        for each in due:
            each.used += 1
        return [each.rule for each in due]


def _is_time(each: _Active, now: datetime) -> bool:
    return each.rule.from_seconds <= (now - each.since).total_seconds() < each.rule.to_seconds


def _meets(each: _Active, message: str, client: int, values: Mapping[str, Any], now: datetime) -> bool:
    rule = each.rule
    is_event = rule.fault.where == EVENT
    if is_event and (rule.at_seconds >= 0 or not rule.waits_for_request):
        return False
    wanted = (rule.message,) if rule.message else HISTORY if is_event else rule.fault.where
    if message not in wanted or not _is_time(each, now) or (rule.client >= 0 and client != rule.client):
        return False
    for name in ("symbol", "con_id", "bar_size", "what"):
        if getattr(rule, name) and getattr(rule, name) != values.get(name):
            return False
    each.seen += 1
    if (rule.nth and each.seen != rule.nth) or (rule.times and each.used >= rule.times):
        return False
    each.used += 1
    return True


# ---- what becomes of bars --------------------------------------------------------------------------------------------

Row = tuple[Any, ...]
DATE, OPEN, HIGH, LOW, CLOSE, VOLUME = range(6)


def change_bars(name: str, rows: list[Row]) -> list[Row]:
    """The rows as that fault leaves them; a name that changes no bars leaves them alone. Fewer than one bar stay none."""
    change = _CHANGES.get(name)
    return change(rows) if change and rows else rows


def _put(index: int, value: Callable[[Row], Any]) -> Callable[[list[Row]], list[Row]]:
    """One field of the middle bar."""

    def change(rows: list[Row]) -> list[Row]:
        at = len(rows) // 2
        row = rows[at]
        return [*rows[:at], (*row[:index], value(row), *row[index + 1 :]), *rows[at + 1 :]]

    return change


def _repeat(rows: list[Row], index: int | None = None) -> list[Row]:
    at = len(rows) // 2
    row = rows[at]
    again = row if index is None else (*row[:index], round(row[index] * 1.01 + 0.01, 4), *row[index + 1 :])
    return [*rows[: at + 1], again, *rows[at + 1 :]]


def _exchange_high_and_low(rows: list[Row]) -> list[Row]:
    row = rows[len(rows) // 2]
    high, low = row[LOW] - 0.01 if row[HIGH] == row[LOW] else row[LOW], row[HIGH]
    return _put(HIGH, lambda _: high)(_put(LOW, lambda _: low)(rows))


def _weekend(rows: list[Row]) -> list[Row]:
    stamp = str(rows[-1][DATE])
    if stamp.isdigit() and len(stamp) != 8:
        last = datetime.fromtimestamp(int(stamp), UTC)
        return [*rows, (str(int(stamp) + 86400 * _to_saturday(last.date())), *rows[-1][1:])]
    day = datetime.strptime(stamp[:8], "%Y%m%d").replace(tzinfo=UTC).date()
    saturday = day + timedelta(days=_to_saturday(day))
    return [*rows, (f"{saturday:%Y%m%d}{stamp[8:]}", *rows[-1][1:])]


def _to_saturday(day: date) -> int:
    return (5 - day.weekday()) % 7 or 7


_CHANGES: Mapping[str, Callable[[list[Row]], list[Row]]] = {
    "duplicate-bar": _repeat,
    "conflicting-bar": lambda rows: _repeat(rows, CLOSE),
    "out-of-order": lambda rows: [*rows[len(rows) * 2 // 3 :], *rows[: len(rows) * 2 // 3]],
    "missing-bar": lambda rows: [*rows[: len(rows) // 2], *rows[len(rows) // 2 + 1 :]],
    "stale-session": lambda rows: [*rows[:-1], (rows[-1][DATE], *rows[-2][1:])] if len(rows) > 1 else rows,
    "nan-price": _put(CLOSE, lambda row: float("nan")),
    "infinite-price": _put(HIGH, lambda row: float("inf")),
    "huge-price": _put(HIGH, lambda row: Number("1e400")),
    "negative-price": _put(LOW, lambda row: -1),
    "zero-price": _put(LOW, lambda row: 0),
    "empty-price": _put(OPEN, lambda row: None),
    "high-below-low": _exchange_high_and_low,
    "close-above-high": _put(CLOSE, lambda row: round(row[HIGH] + 0.05, 4)),
    "volume-unknown": _put(VOLUME, lambda row: -1),
    "volume-negative": _put(VOLUME, lambda row: -7),
    "too-many-decimals": _put(CLOSE, lambda row: Number(f"{row[LOW]:.11f}1")),
    "spike": _put(HIGH, lambda row: row[HIGH] * 10),
    "weekend-bar": _weekend,
}
