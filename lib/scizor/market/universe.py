"""The universe: which instruments there are, which codes they had, and which of them a person watches.

One row a plain symbol, and identity is the contract (con_id): a code is only what an exchange calls a contract for some
years. The home exchange's holder has the plain symbol; a namesake elsewhere is TLS.NASDAQ, a past holder APT.2017.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from scizor.market import table
from scizor.market.table import Column, Problem, Row

PRIORITY_LOW = 9  # priority runs from 1, collected first, to 9
YEARS_MAX = 50
CON_ID_MAX = 2**31 - 1  # IB sends it as a signed 32-bit integer

class Listed(NamedTuple):
    """An instrument as a universe file states it. Empty and None: the file does not say, and what is stored stays."""

    symbol: str
    name: str
    exchange: str  # where requests go: ASX, or SMART for what trades in many places
    primary_exchange: str
    currency: str
    sec_type: str
    sector: str
    calendar: str
    con_id: int | None
    listed_from: date | None
    listed_to: date | None  # the last session
    as_of: date | None  # when the row was true


class Life(NamedTuple):
    """What a code meant from `first` to `last`, both included, None: open. symbol "": a line of its own beside others.
    successor: the code that took over."""

    code: str
    exchange: str
    symbol: str
    first: date | None
    last: date | None
    successor: str
    note: str


class Watched(NamedTuple):
    """A row of a watch-list. priority 1 goes first. depth: one of IB's three depth books. daily_years, intraday_days:
    how far back, None: as the configuration says."""

    symbol: str
    priority: int
    collect_1min: bool = False
    collect_5min: bool = False
    depth: bool = False
    notes: str = ""
    daily_years: int | None = None
    intraday_days: int | None = None


_EXCHANGE = table.code_like(r"[A-Z][A-Z0-9]{1,11}", "ASX, NASDAQ, ARCA")
_LISTED = (
    Column("symbol", table.symbol),
    Column("name", table.words, is_optional=True),
    Column("exchange", _EXCHANGE),
    Column("primary_exchange", lambda text: _EXCHANGE(text) if text else "", is_optional=True),
    Column("currency", table.code_like(r"[A-Z]{3}", "AUD, USD")),
    Column("sec_type", table.code_like(r"STK|IND|FUT|CASH|CFD|BOND|FUND|CMDTY|CRYPTO", "STK, IND")),
    Column("sector", table.words, is_optional=True),
    Column("calendar", table.code_like(r"[A-Z0-9_]{2,12}|24/7", "XASX, XNYS")),
    Column("con_id", table.optional(table.whole(1, CON_ID_MAX)), is_optional=True),
    Column("listed_from", table.day, is_optional=True),
    Column("listed_to", table.day, is_optional=True),
    Column("as_of", table.day, is_optional=True),
)
_LIVES = (
    Column("code", table.symbol),
    Column("exchange", _EXCHANGE),
    Column("symbol", lambda text: table.symbol(text) if text else "", is_optional=True),
    Column("from", table.day, is_optional=True),
    Column("to", table.day, is_optional=True),
    Column("successor", lambda text: table.symbol(text) if text else "", is_optional=True),
    Column("note", table.words, is_optional=True),
)
_WATCHED = (
    Column("symbol", table.symbol),
    Column("priority", table.whole(1, PRIORITY_LOW)),
    Column("collect_1min", table.truth, is_optional=True),
    Column("collect_5min", table.truth, is_optional=True),
    Column("depth", table.truth, is_optional=True),
    Column("notes", table.words, is_optional=True),
    Column("daily_years", table.optional(table.whole(1, YEARS_MAX)), is_optional=True),
    Column("intraday_days", table.optional(table.whole(1, 366 * YEARS_MAX)), is_optional=True),
)


def read_listed(file: str, data: bytes) -> tuple[list[Listed], list[Problem]]:
    """The instruments of a universe file, and every problem. Two rows of one symbol, or of one contract, are a problem."""
    rows, problems = table.read(file, data, _LISTED)
    problems += _turned(file, rows, "listed_from", "listed_to")
    problems += _twice(file, rows, "symbol") + _twice(file, rows, "con_id")
    return [Listed(**each.values) for each in rows], sorted(problems, key=lambda each: each.line)


def read_lives(file: str, data: bytes) -> tuple[list[Life], list[Problem]]:
    """The lives of codes, and every problem: a code means one thing a day."""
    rows, problems = table.read(file, data, _LIVES)
    problems += _turned(file, rows, "from", "to")
    lives = [(each.line, Life(*(each.values[column.name] for column in _LIVES))) for each in rows]
    for at, (line, life) in enumerate(lives):
        for other_line, other in lives[:at]:
            if (other.code, other.exchange) == (life.code, life.exchange) and _overlap(life, other):
                problems.append(Problem(file, line, "code", f"{life.code} means two things at once, see line {other_line}"))
    return [life for _, life in lives], sorted(problems, key=lambda each: each.line)


def read_watched(file: str, data: bytes) -> tuple[list[Watched], list[Problem]]:
    """The rows of a watch-list file, and every problem."""
    rows, problems = table.read(file, data, _WATCHED)
    problems += _twice(file, rows, "symbol")
    return [Watched(**each.values) for each in rows], sorted(problems, key=lambda each: each.line)


def is_lives(data: bytes) -> bool:
    """True if the file's columns are those of codes.csv: bin/symbols import takes both kinds."""
    for line in data[:65536].removeprefix(b"\xef\xbb\xbf").splitlines():
        if line.strip() and not line.startswith(b"#"):
            return line.split(b",")[0].strip() == b"code"
    return False


def past_holders(lives: Iterable[Life], known: Mapping[str, Listed]) -> list[Listed]:
    """Instruments of which only the lives of codes tell: whoever had the code ZIP before Zip. They are stored so that
    the code's history has an owner, and are not collected. Calendar and currency are those of their exchange, taken from
    an instrument that is known there; without one the holder is left out."""
    found: dict[str, Listed] = {}
    for life in lives:
        if not life.symbol or life.symbol in known:
            continue
        sibling = next((each for each in known.values() if home(each) == life.exchange), None)
        if sibling is None:
            continue
        before = found.get(life.symbol)
        ends = [each for each in (life.last, before.listed_to if before else None) if each is not None]
        found[life.symbol] = sibling._replace(
            symbol=life.symbol, name="", sector="", con_id=None, listed_from=None, listed_to=max(ends, default=None), as_of=None
        )
    return list(found.values())


def present(symbol: str, lives: Iterable[Life]) -> tuple[str, str]:
    """(code, successor): how the exchange calls the instrument now, or called it last, and what it became, "" for
    nothing. A deferred-settlement code whose time is over gave the plain code back: ANZDA says nothing about ANZ now."""
    mine = [each for each in lives if each.symbol == symbol]
    last = max(mine, key=lambda each: (each.last or date.max, each.first or date.min), default=None)
    if last is None:
        return code_of(symbol), ""
    if last.last is not None and last.successor == symbol:
        return symbol, ""
    return last.code, last.successor if last.last is not None else ""


def code_on(symbol: str, lives: Iterable[Life], today: date) -> str:
    """What the exchange calls the instrument on that day: Zip was Z1P until April 2022. A deferred-settlement code that
    trades instead of the plain one does not rename the contract: TCL stays TCL."""
    mine = [each for each in lives if each.symbol == symbol]
    if code_of(symbol) == symbol and not any(each.code == symbol for each in mine):
        return symbol
    held = [each.code for each in mine if (each.first or date.min) <= today <= (each.last or date.max)]
    return held[-1] if held else present(symbol, mine)[0]


def home(listed: Listed) -> str:
    """The exchange to which its plain code belongs: SMART is nobody's home."""
    return listed.primary_exchange or listed.exchange


# ---- what an import would change


class Clash(NamedTuple):
    symbol: str
    text: str


class Changes(NamedTuple):
    """What differs between the files and what is stored; `unchanged` counts the rows that agree already."""

    added: tuple[Listed, ...]
    changed: tuple[Listed, ...]  # as they will stand
    unchanged: int
    clashes: tuple[Clash, ...]


def merge(stored: Listed, wanted: Listed) -> Listed:
    """What stands after the import: the file's word where it says something, else what is there."""
    return Listed._make(new if new not in ("", None) else old for old, new in zip(stored, wanted, strict=True))


def changes(stored: Mapping[str, Listed], wanted: Iterable[Listed]) -> Changes:
    """Compares by symbol and refuses what would give a symbol, and all bars under it, to another instrument.

    A clash: another exchange or currency under the same plain symbol, a con_id other than the stored one, a con_id that
    another symbol has, or a symbol that stands twice in `wanted` with different words.
    """
    added: list[Listed] = []
    changed: list[Listed] = []
    clashes: list[Clash] = []
    unchanged = 0
    seen: dict[str, Listed] = {}
    owners = {each.con_id: each.symbol for each in stored.values() if each.con_id is not None}
    for each in wanted:
        if each.symbol in seen:
            if seen[each.symbol] != each:
                clashes.append(Clash(each.symbol, "stands in two files, and they differ"))
            continue
        seen[each.symbol] = each
        there = stored.get(each.symbol)
        owner = owners.get(each.con_id) if each.con_id is not None else None
        if owner is not None and owner != each.symbol:
            clashes.append(Clash(each.symbol, f"contract {each.con_id} is {owner} already"))
            continue
        if each.con_id is not None:
            owners[each.con_id] = each.symbol
        if there is None:
            added.append(each)
            continue
        why = _other_instrument(there, each)
        if why:
            clashes.append(Clash(each.symbol, why))
        elif merge(there, each) == there:
            unchanged += 1
        else:
            changed.append(merge(there, each))
    return Changes(tuple(added), tuple(changed), unchanged, tuple(clashes))


def _other_instrument(stored: Listed, wanted: Listed) -> str:
    if home(stored) != home(wanted):
        return f"{stored.symbol} is the plain symbol of {home(stored)}; name this one {stored.symbol}.{home(wanted)}"
    if stored.currency != wanted.currency or stored.sec_type != wanted.sec_type:
        return f"{stored.symbol} is {stored.sec_type} in {stored.currency}, not {wanted.sec_type} in {wanted.currency}"
    if None not in (stored.con_id, wanted.con_id) and stored.con_id != wanted.con_id:
        return f"{stored.symbol} is contract {stored.con_id}, not {wanted.con_id}: identity is the contract"
    return ""


def code_of(plain: str) -> str:
    """What the exchange calls it, by the rule of suffixes: TLS.NASDAQ is TLS, APT.2017 is APT, BRK.B stays BRK.B."""
    code, dot, suffix = plain.rpartition(".")
    return code if dot and (len(suffix) > 2 or suffix.isdigit()) else plain


def _twice(file: str, rows: Sequence[Row], column: str) -> list[Problem]:
    seen: dict[Any, int] = {}
    problems = []
    for row in rows:
        value = row.values[column]
        if value is not None and seen.setdefault(value, row.line) != row.line:
            problems.append(Problem(file, row.line, column, f"{value} stands on line {seen[value]} already"))
    return problems


def _turned(file: str, rows: Sequence[Row], first: str, last: str) -> list[Problem]:
    return [
        Problem(file, row.line, last, f"{row.values[last]} lies before {first} {row.values[first]}")
        for row in rows
        if row.values[first] and row.values[last] and row.values[last] < row.values[first]
    ]


def _overlap(one: Life, other: Life) -> bool:
    return (one.first or date.min) <= (other.last or date.max) and (other.first or date.min) <= (one.last or date.max)

