"""What a person should know about his symbols and watch-lists, found without asking anybody: pure.

Each rule is a function of the same view; a finding says what is wrong, of which symbol, and which command mends it.
What concerns hundreds of symbols alike is one finding with a count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from scizor.market.universe import Life, Watched, code_of

LINES_MAX = 100  # IB gives about 100 market-data lines to a login (support page "market data lines")
LINES_RESERVED = 60  # for the person's own TWS and for what the day brings
DEPTH_MAX = 3  # depth books that 100 lines bring
NAMES_SHOWN = 5


class Known(NamedTuple):
    """A symbol as it is stored. refused: why the Gateway did not accept it ("" when it did, or was not asked)."""

    symbol: str
    exchange: str
    calendar: str
    con_id: int | None
    is_active: bool
    priority: int
    listed_from: date | None = None
    listed_to: date | None = None
    successor: str = ""
    refused: str = ""


class View(NamedTuple):
    """All that the rules look at. watchlists: rows by name. today: the date to judge by, never asked of the machine.
    watched_only: judge the symbols of the watch-lists and no others."""

    symbols: Mapping[str, Known]
    lives: Sequence[Life]
    watchlists: Mapping[str, Sequence[Watched]]
    today: date
    watched_only: bool = False


class Finding(NamedTuple):
    """symbol, watchlist: "" where it concerns none or many. hint: the next command."""

    rule: str
    symbol: str
    watchlist: str
    text: str
    hint: str = ""


def reason(known: Known, today: date) -> str:
    """Why collection skips the symbol at present; "" when it does not."""
    if _is_gone(known, today) and known.listed_to is not None:
        return f"left the market in {known.listed_to:%B %Y}" + (f", successor {known.successor}" if known.successor else "")
    return known.refused


def findings(view: View, rules: Iterable[str] = ()) -> list[Finding]:
    """Everything that the rules find, in the order of the table; `rules` names some of them, empty: all."""
    wanted = set(rules) or set(RULES)
    return [each for name, rule in RULES.items() if name in wanted for each in rule(view)]


def lines_used(watched: Iterable[Watched]) -> int:
    """Market-data lines of a live watch-list: one for quotes, one for five-second bars where any bars are wanted, and
    one for each depth book. A symbol of several lists counts once."""
    one: dict[str, tuple[bool, bool]] = {}
    for each in watched:
        bars, book = one.get(each.symbol, (False, False))
        one[each.symbol] = (bars or each.collect_1min or each.collect_5min, book or each.depth)
    return sum(1 + bars + book for bars, book in one.values())


# ---- the rules


def _unknown(view: View) -> Iterator[Finding]:
    for name, row in _watched(view):
        if row.symbol not in view.symbols:
            yield Finding("unknown", row.symbol, name, f"{row.symbol} is not in the universe", "bin/symbols import")


def _left_the_market(view: View) -> Iterator[Finding]:
    for name, row in _watched(view):
        known = view.symbols.get(row.symbol)
        if known and _is_gone(known, view.today):
            hint = f"bin/watchlist remove --symbol {row.symbol} --name {name}"
            if known.successor and known.successor in view.symbols:
                more = "".join(f" --{bars}" for bars, wanted in (("1min", row.collect_1min), ("5min", row.collect_5min)) if wanted)
                hint += f" && bin/watchlist add --symbol {known.successor} --name {name} --priority {row.priority}{more}"
            yield Finding("left-market", row.symbol, name, _left_text(known, view.today), hint)
    watched = {row.symbol for _, row in _watched(view)}
    for known in _judged(view):
        if known.is_active and known.symbol not in watched and _is_gone(known, view.today):
            hint = f"bin/symbols set {known.symbol} --inactive"
            yield Finding("left-market", known.symbol, "", _left_text(known, view.today), hint)


def _inactive(view: View) -> Iterator[Finding]:
    for name, row in _watched(view):
        known = view.symbols.get(row.symbol)
        if known and not known.is_active and not reason(known, view.today):
            hint = f"bin/watchlist remove --symbol {row.symbol} --name {name}, or make it active again"
            yield Finding("inactive", row.symbol, name, f"{row.symbol} is watched but not active", hint)


def _refused(view: View) -> Iterator[Finding]:
    for each in _judged(view):
        if each.refused and each.is_active and not _is_gone(each, view.today):
            yield Finding("refused", each.symbol, "", f"the Gateway refused {each.symbol}: {each.refused}", "bin/symbols qualify --symbol " + each.symbol)


def _not_qualified(view: View) -> Iterator[Finding]:
    names = [
        each.symbol
        for each in _judged(view)
        if each.con_id is None and each.is_active and not each.refused and not _is_gone(each, view.today)
    ]
    if names:
        text = f"{_count(names)} no con_id yet: {_some(names)}"
        yield Finding("no-con-id", names[0] if len(names) == 1 else "", "", text, "bin/symbols qualify")


def _renamed(view: View) -> Iterator[Finding]:
    """Our symbol's own code means somebody else now: what is asked for under it would be another company's bars."""
    holders = {(life.code, life.exchange): life for life in view.lives if _holds(life, view.today) and life.symbol}
    for each in _judged(view):
        if not each.is_active or _is_gone(each, view.today):
            continue
        holder = holders.get((code_of(each.symbol), each.exchange))
        if holder is not None and holder.symbol != each.symbol:
            text = f"the code {holder.code} belongs to {holder.symbol} since {holder.first or 'always'}, not to {each.symbol}"
            yield Finding("code-moved", each.symbol, "", text, f"bin/symbols show {each.symbol}")


def _same_contract(view: View) -> Iterator[Finding]:
    by_contract: dict[int, list[str]] = defaultdict(list)
    for each in _judged(view):
        if each.con_id is not None:
            by_contract[each.con_id].append(each.symbol)
    for con_id, names in by_contract.items():
        if len(names) > 1:
            yield Finding("same-contract", names[1], "", f"{' and '.join(names)} are one contract, {con_id}", f"bin/symbols show {names[1]}")


def _priority_clash(view: View) -> Iterator[Finding]:
    by_symbol: dict[str, dict[str, int]] = defaultdict(dict)
    for name, row in _watched(view):
        by_symbol[row.symbol][name] = row.priority
    for symbol, priorities in by_symbol.items():
        if len(set(priorities.values())) > 1:
            text = f"{symbol} has priority " + ", ".join(f"{value} in {name}" for name, value in sorted(priorities.items()))
            low = max(priorities, key=lambda name: priorities[name])
            hint = f"the smaller counts; bin/watchlist set --symbol {symbol} --name {low} --priority {min(priorities.values())}"
            yield Finding("priority-clash", symbol, low, text, hint)


def _lines(view: View) -> Iterator[Finding]:
    live = [row for _, row in _watched(view) if row.symbol in view.symbols and not reason(view.symbols[row.symbol], view.today)]
    used, limit = lines_used(live), LINES_MAX - LINES_RESERVED
    if used > limit:
        text = f"the watch-lists need {used} market-data lines live, {limit} are planned and {LINES_RESERVED} stay in reserve"
        yield Finding("lines", "", "", text, "bin/watchlist set --symbol SYMBOL --name NAME --no-1min --no-5min, or remove some")
    depth = sorted({row.symbol for row in live if row.depth})
    if len(depth) > DEPTH_MAX:
        text = f"{len(depth)} depth books are wanted ({_some(depth)}), IB gives {DEPTH_MAX} with {LINES_MAX} lines"
        yield Finding("depth", "", "", text, "bin/watchlist set --symbol SYMBOL --name NAME --no-depth")


#: By name, in the order in which a person should read them.
RULES: dict[str, Callable[[View], Iterator[Finding]]] = {
    "unknown": _unknown,
    "left-market": _left_the_market,
    "refused": _refused,
    "inactive": _inactive,
    "code-moved": _renamed,
    "same-contract": _same_contract,
    "no-con-id": _not_qualified,
    "priority-clash": _priority_clash,
    "lines": _lines,
}


def _watched(view: View) -> Iterator[tuple[str, Watched]]:
    for name, rows in sorted(view.watchlists.items()):
        for row in rows:
            yield name, row


def _judged(view: View) -> list[Known]:
    if not view.watched_only:
        return list(view.symbols.values())
    return [view.symbols[symbol] for symbol in sorted({row.symbol for _, row in _watched(view)}) if symbol in view.symbols]


def _left_text(known: Known, today: date) -> str:
    return f"{known.symbol} {reason(known, today)}; it is not collected any more, its history stays"


def _is_gone(known: Known, today: date) -> bool:
    return known.listed_to is not None and known.listed_to < today


def _holds(life: Life, today: date) -> bool:
    return (life.first or date.min) <= today <= (life.last or date.max)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown if len(names) <= NAMES_SHOWN else f"{shown} and {len(names) - NAMES_SHOWN} more"


def _count(names: Sequence[str]) -> str:
    return "1 symbol has" if len(names) == 1 else f"{len(names)} symbols have"
