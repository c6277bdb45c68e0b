"""The score of a session: computed from counts that are shown beside it, never claimed.

score = 100 (expected - missing - wrong) / expected, cut off after two decimals, so that 100.00 means all. A bar that is explained with
evidence costs nothing; a refused one is missing; a doubt costs nothing, since a doubt is no fault. The table computes the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from scizor.market.quality.words import EVERYBODY, KIND, Defect
from scizor.market.validate import Severity

#: Faults of the whole market by which every bar of the day is wrong; the others say that bars are absent, or name the codes.
WHOLE = {"closed_day", "copied_session", "partial_session", "wrong_day", "price_unit"}
FORMULA = "score = 100 (expected - missing - wrong) / expected"


class Held(NamedTuple):
    """A series in a session: how many bars are stored in continuous trading, and what the ledger says of the rest."""

    symbol_id: int
    symbol: str
    stored: int
    why: str | None
    is_explained: bool


class Counts(NamedTuple):
    """Bars, except series. expected = stored + explained + missing; wrong and doubted are among the stored."""

    series: int
    expected: int
    stored: int
    explained: int
    missing: int
    quarantined: int = 0
    wrong: int = 0
    doubted: int = 0
    revised: int = 0

    @property
    def score(self) -> Decimal | None:
        """None where nothing was expected."""
        if not self.expected:
            return None
        share = Decimal(100) * (self.expected - self.missing - self.wrong) / self.expected
        return share.quantize(Decimal("0.01"), ROUND_DOWN)


def tally(held: Iterable[Held], whole: int) -> Counts:
    """whole: bars that a session should have. More than that (an auction's) do not stand for others."""
    series = stored = explained = 0
    for each in held:
        series += 1
        have = min(each.stored, whole)
        stored += have
        explained += whole - have if each.is_explained else 0
    return Counts(series, series * whole, stored, explained, series * whole - stored - explained)


def wrong_symbols(defects: Collection[Defect], held: Collection[Held]) -> set[str]:
    """Symbols whose stored bars of the day some hard fault names, alone or with the whole market."""
    return accused(defects, {each.symbol for each in held if each.stored})


def accused(defects: Collection[Defect], symbols: Collection[str]) -> set[str]:
    """Of these symbols, those whose bars of one day are wrong by these faults of that day."""
    hard = [each for each in defects if KIND[each.kind].severity is Severity.HARD]
    if any(each.symbol == EVERYBODY and each.kind in WHOLE for each in hard):
        return set(symbols)
    named = {each.symbol for each in hard if each.kind != "missing_bar"}
    return named & set(symbols)
