"""The kinds of defects, as one table, and the few words that all parts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from scizor.market.bars import number_text
from scizor.market.types import Bar
from scizor.market.validate import Severity

EVERYBODY = "*"

#: Bars by code, oldest first; daily, so that `start` is the session date.
Market = Mapping[str, Sequence[Bar]]


class Kind(NamedTuple):
    """severity: hard, the bar is not what happened on that day; soft, the bar may be right and the series does not continue."""

    name: str
    severity: Severity
    meaning: str


KINDS: tuple[Kind, ...] = (
    Kind("closed_day", Severity.HARD, "a bar on a weekend or holiday"),
    Kind("missing_session", Severity.HARD, "the exchange was open, and the source has no bar of anybody"),
    Kind("truncated_session", Severity.HARD, "the source has only a part of the market: codes that trade every day are not there"),
    Kind("missing_bar", Severity.HARD, "no bar of a code that trades every day, on a day that is truncated or that a second source has"),
    Kind("copied_session", Severity.HARD, "the market's bars of one session stand under two dates; evidence says which date is the wrong one"),
    Kind("copied_part", Severity.HARD, "a part of the market has the bars of another session, the rest has its own"),
    Kind("partial_session", Severity.HARD, "a session that holds the beginning of another one: same opens, less volume, narrower ranges"),
    Kind("wrong_day", Severity.HARD, "a second source has other prices for this day, and these for another one or for none"),
    Kind("copied_bar", Severity.HARD, "a bar that repeats the session before to the last share"),
    Kind("flat_run", Severity.HARD, "the same bar for weeks, of a code that used to move"),
    Kind("price_domain", Severity.HARD, "a price that is missing, zero, negative or no number"),
    Kind("ohlc_order", Severity.HARD, "high below low, or open or close outside of both"),
    Kind("volume_domain", Severity.HARD, "a volume that is negative, no number, or beyond everything that can be traded"),
    Kind("zero_volume", Severity.HARD, "prices that moved, and no volume"),
    Kind("volume_outlier", Severity.HARD, "a volume that exceeds the year around it a hundredfold, while the price did not move"),
    Kind("dup_conflict", Severity.HARD, "the same code and day twice, with different values"),
    Kind("price_unit", Severity.HARD, "prices in another unit (cents for dollars, a decimal point too far) than the sessions around them"),
    Kind("spike", Severity.HARD, "prices far off for a session or a few, and back"),
    Kind("high_outlier", Severity.HARD, "a high far above everything around it, on a day that ended where it began"),
    Kind("low_outlier", Severity.HARD, "a low far below everything around it, on a day that ended where it began"),
    Kind("two_feeds", Severity.HARD, "two sources in one series: the volume jumps between two scales, again and again"),
    Kind("split", Severity.SOFT, "a lasting step of the price with the money traded as before: as traded, not adjusted"),
    Kind("identity_break", Severity.SOFT, "the code was silent for long, and what came back is another company"),
    Kind("code_change", Severity.SOFT, "the series goes on under another code"),
)  # fmt: skip

KIND = {each.name: each for each in KINDS}


class Defect(NamedTuple):
    """symbol: the code, or "*" for the whole market. kind: a name of KINDS. evidence: one line."""

    symbol: str
    day: date
    kind: str
    evidence: str


def day_of(bar: Bar) -> date:
    """The session date of a daily bar."""
    return bar.start.date() if isinstance(bar.start, datetime) else bar.start


def is_positive(bar: Bar) -> bool:
    """Whether all four prices can be prices."""
    return all(0 < each < 1e9 for each in bar[1:5])


def is_telling(bar: Bar) -> bool:
    """Whether a repetition of this bar cannot be an accident: it moved, and its volume has four digits that mean something.

    A share of two cents that trades 100,000 at the same price on two days is ordinary; 157,957 at 2.35, 2.60, 2.35, 2.60 is not.
    """
    digits = number_text(bar.volume or 0.0).partition(".")[0].rstrip("0")
    return len(digits) >= (4 if bar.high > bar.low else 5)


def prices(bar: Bar) -> str:
    """open/high/low/close as text."""
    return "/".join(number_text(each) for each in bar[1:5])


def unique(defects: Sequence[Defect]) -> list[Defect]:
    """Sorted by day; of one code, day and kind only the first evidence."""
    seen: dict[tuple[str, date, str], Defect] = {}
    for each in defects:
        seen.setdefault((each.symbol, each.day, each.kind), each)
    return sorted(seen.values(), key=lambda each: (each.day, each.symbol != EVERYBODY, each.symbol, each.kind))
