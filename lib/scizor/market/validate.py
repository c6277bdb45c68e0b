"""The rules that a bar must keep, as one table read twice: as SQL over the staging table, and as Python.

The database checks a million rows in one statement (rule_sql, flags_sql); the Python of the same row is the oracle of the
tests and serves where there is no table. A hard rule's name goes into quarantine with the bar, which is never dropped and
never blocks its batch; a soft rule is a bit in bars.flags.

A row is staged with what the rules ask for:
    timestamp, session_date, open, high, low, close, volume, wap, trades   as market.bars writes them; numerics unbounded
    variants        how many different rows of this answer claim this timestamp (1 is good; equal rows are collapsed before)
    session_open, session_last   of its session date; NULL where the calendar has no session
    asked_at        when the request was made
    prior_open, prior_high, prior_low, prior_close, prior_volume   of the session before, in this answer or as stored; NULL: none
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from scizor.market.bars import number_text
from scizor.market.ladder import ladder
from scizor.market.types import Bar, Timeframe

PRICE_MOST = 1_000_000_000  # as the domain `price`: above 0, below this; NaN and Infinity fail the upper bound
QUANTITY_MOST = 1_000_000_000_000_000
DECIMALS_MOST = 8
WAP_SLACK = 0.001  # vendors round the average: by this, and by a thousandth of the price


class Severity(StrEnum):
    HARD = "hard"  # quarantine, with the rule's name
    SOFT = "soft"  # stored, with a flag


class Staged(NamedTuple):
    """A bar with what the rules ask for; None where SQL has NULL."""

    start: date | datetime
    session_date: date
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    wap: float | None
    trades: int | None
    variants: int
    session_open: datetime | None
    session_last: datetime | None
    asked_at: datetime
    prior: Bar | None = None


class Series(NamedTuple):
    """What all rows of a batch have in common."""

    timeframe: Timeframe = Timeframe.DAY1
    calendar: str = "XASX"


class Rule(NamedTuple):
    """condition: SQL, true when the row breaks the rule; breaks: the same in Python. Both may rely on the rules above.

    {outside}, {end} and {off_tick} stand for what depends on the timeframe or the exchange.
    """

    name: str
    severity: Severity
    meaning: str
    condition: str
    breaks: Callable[[Staged, Series], bool]


def _each(columns: str, condition: str, between: str = " OR ") -> str:
    return between.join(condition.format(each) for each in columns.split())


PRICES = "open high low close"

#: In order: the first that a row breaks names it.
RULES: tuple[Rule, ...] = (
    Rule(
        "naive_time", Severity.HARD, "the start names no instant; the whole answer is refused before staging (bars.start_text)",
        "false",
        lambda row, _: isinstance(row.start, datetime) and row.start.tzinfo is None,
    ),
    Rule(
        "dup_conflict", Severity.HARD, "one answer gives this start twice, with different values: none of them is believed",
        "variants > 1",
        lambda row, _: row.variants > 1,
    ),
    Rule(
        "price_domain", Severity.HARD, "a price is missing, not a number, not above 0, or not below a thousand million",
        _each(PRICES, f"{{0}} IS NULL OR NOT ({{0}} > 0 AND {{0}} < {PRICE_MOST})"),
        lambda row, _: any(each is None or not 0 < each < PRICE_MOST for each in _prices(row)),
    ),
    Rule(
        "scale", Severity.HARD, "more than 8 decimals: refused, never rounded",
        _each(PRICES, f"scale({{}}) > {DECIMALS_MOST}"),
        lambda row, _: any(_decimals(each) > DECIMALS_MOST for each in _prices(row)),
    ),
    Rule("high_below_low", Severity.HARD, "high < low", "high < low", lambda row, _: _n(row.high) < _n(row.low)),
    Rule("high_below_open", Severity.HARD, "high < open", "high < open", lambda row, _: _n(row.high) < _n(row.open)),
    Rule("high_below_close", Severity.HARD, "high < close", "high < close", lambda row, _: _n(row.high) < _n(row.close)),
    Rule("low_above_open", Severity.HARD, "low > open", "low > open", lambda row, _: _n(row.low) > _n(row.open)),
    Rule("low_above_close", Severity.HARD, "low > close", "low > close", lambda row, _: _n(row.low) > _n(row.close)),
    Rule(
        "volume_domain", Severity.HARD, "a volume below 0 (-1, none, is NULL by now), beyond 1e15, or of more than 8 decimals",
        f"volume IS NOT NULL AND (NOT (volume >= 0 AND volume < {QUANTITY_MOST}) OR scale(volume) > {DECIMALS_MOST})",
        lambda row, _: row.volume is not None
        and (not 0 <= row.volume < QUANTITY_MOST or _decimals(row.volume) > DECIMALS_MOST),
    ),
    Rule(
        "trades_domain", Severity.HARD, "a number of trades below 0 (-1, none, is NULL by now) or beyond 2^31",
        "trades IS NOT NULL AND NOT (trades >= 0 AND trades < 2147483648)",
        lambda row, _: row.trades is not None and not 0 <= row.trades < 2147483648,
    ),
    Rule(
        "wap_domain", Severity.HARD, "an average price that no price can be, or of more than 8 decimals",
        f"wap IS NOT NULL AND (NOT (wap > 0 AND wap < {PRICE_MOST}) OR scale(wap) > {DECIMALS_MOST})",
        lambda row, _: row.wap is not None and (not 0 < row.wap < PRICE_MOST or _decimals(row.wap) > DECIMALS_MOST),
    ),
    Rule(
        "wap_range", Severity.HARD, "the average price lies outside [low, high], by more than rounding",
        f"wap IS NOT NULL AND (wap < low * {1 - WAP_SLACK} - {WAP_SLACK} OR wap > high * {1 + WAP_SLACK} + {WAP_SLACK})",
        lambda row, _: row.wap is not None
        and not _d(row.low) * _d(1 - WAP_SLACK) - _d(WAP_SLACK) <= _d(row.wap) <= _d(row.high) * _d(1 + WAP_SLACK) + _d(WAP_SLACK),
    ),
    Rule(
        "outside_session", Severity.HARD, "on a weekend, on a holiday, before the open or after the last phase",
        "session_last IS NULL OR {outside}",
        lambda row, series: row.session_last is None or _is_outside(row, series.timeframe),
    ),
    Rule(
        "unfinished", Severity.HARD, "the bar was not over when it was asked for: it may still change",
        "{end} > asked_at",
        lambda row, series: _end(row, series.timeframe) > row.asked_at,
    ),
    Rule(
        "stale_session", Severity.HARD,
        "the session before, served again: the same prices and volume (a flat day repeats by accident only in a round volume)",
        "volume > 0 AND close = prior_close AND volume = prior_volume AND open = prior_open AND high = prior_high"
        " AND low = prior_low AND (high > low OR (volume >= 1000 AND mod(volume, 10) <> 0))",
        lambda row, series: series.timeframe is Timeframe.DAY1 and _is_stale(row),
    ),
    Rule(
        "off_tick", Severity.SOFT, "a price between two rungs of the exchange's ladder: auctions, midpoints, or adjusted by a split",
        "{off_tick}",
        lambda row, series: any(_d(each) % _d(ladder(series.calendar).tick_size(_n(each))) != 0 for each in _prices(row)),
    ),
)  # fmt: skip

_RULE = {each.name: each for each in RULES}

#: The bit of each soft rule in bars.flags.
FLAGS = {each.name: 1 << place for place, each in enumerate(rule for rule in RULES if rule.severity is Severity.SOFT)}


def rule_sql(timeframe: Timeframe = Timeframe.DAY1) -> str:
    """An SQL expression over a staged row: the name of the first hard rule that it breaks, or NULL.

    Almost every row is good, so the first branch settles it with the fewest comparisons; the table names the rest.
    """
    series = Series(timeframe)
    branches = "\n".join(
        f"    WHEN {_filled(each.condition, series)} THEN '{each.name}'"
        for each in RULES if each.severity is Severity.HARD and each.condition != "false"
        and (each.name != "stale_session" or timeframe is Timeframe.DAY1)
    )  # fmt: skip
    return f"CASE\n    WHEN {_filled(_GOOD, series)} THEN NULL\n{branches}\nEND"


def flags_sql(calendar: str) -> str:
    """An SQL expression over a row that has passed: the sum of the bits of the soft rules that it breaks."""
    series = Series(calendar=calendar)
    return " + ".join(f"CASE WHEN {_filled(_RULE[name].condition, series)} THEN {bit} ELSE 0 END" for name, bit in FLAGS.items())


def check(row: Staged, timeframe: Timeframe = Timeframe.DAY1) -> str | None:
    """The name of the first hard rule that the row breaks, or None."""
    series = Series(timeframe)
    return next((each.name for each in RULES if each.severity is Severity.HARD and each.breaks(row, series)), None)


def flags(row: Staged, calendar: str) -> int:
    """The bits of the soft rules that a row which has passed breaks."""
    return sum(bit for name, bit in FLAGS.items() if _RULE[name].breaks(row, Series(calendar=calendar)))


#: True for nearly every good row, never for a bad one: NaN is PostgreSQL's greatest numeric and fails high < ...
_GOOD = (
    f"variants = 1 AND low > 0 AND low <= open AND low <= close AND open <= high AND close <= high AND high < {PRICE_MOST}"
    f" AND greatest(scale(open), scale(high), scale(low), scale(close)) <= {DECIMALS_MOST}"
    f" AND volume >= 0 AND volume < {QUANTITY_MOST} AND scale(volume) <= {DECIMALS_MOST}"
    f" AND (wap IS NULL OR (wap >= low AND wap <= high AND scale(wap) <= {DECIMALS_MOST}))"
    " AND (trades IS NULL OR (trades >= 0 AND trades < 2147483648))"
    " AND NOT ({outside}) AND {end} <= asked_at AND close <> prior_close"
)


def _filled(condition: str, series: Series) -> str:
    """Daily bars are named by their session; a shorter one has an hour of its own."""
    daily = series.timeframe is Timeframe.DAY1
    outside = (
        "\"timestamp\" <> session_date::timestamp AT TIME ZONE 'UTC'" if daily
        else '"timestamp" < session_open OR "timestamp" > session_last'
    )  # fmt: skip
    end = "session_last" if daily else f"\"timestamp\" + interval '{series.timeframe.seconds} seconds'"
    condition = condition.replace("{outside}", outside).replace("{end}", end)
    return condition.replace("{off_tick}", _off_tick(series.calendar)) if "{off_tick}" in condition else condition


def _off_tick(calendar: str) -> str:
    """Prices on no rung. Rungs ascend; the highest that a price has reached gives its step."""
    steps = "CASE" + "".join(
        f" WHEN {{0}} >= {number_text(low)} THEN {number_text(step)}" for low, step in reversed(ladder(calendar).rungs)
    ) + " END"  # fmt: skip
    return _each(PRICES, f"mod({{0}}, {steps}) <> 0")


def _prices(row: Staged) -> tuple[float | None, float | None, float | None, float | None]:
    return row.open, row.high, row.low, row.close


def _n(value: float | None) -> float:
    return float("nan") if value is None else value  # as in SQL: a comparison with nothing is not true


def _d(value: float | None) -> Decimal:
    return Decimal(number_text(_n(value)))


def _decimals(value: float | None) -> int:
    text = number_text(value) if value is not None else ""
    return len(text.partition(".")[2])


def _is_outside(row: Staged, timeframe: Timeframe) -> bool:
    if timeframe is Timeframe.DAY1:
        return _instant(row.start) != datetime.combine(row.session_date, time(), UTC)
    if row.session_open is None or row.session_last is None:
        return True
    return not row.session_open <= _instant(row.start) <= row.session_last


def _end(row: Staged, timeframe: Timeframe) -> datetime:
    if timeframe is Timeframe.DAY1 and row.session_last is not None:
        return row.session_last
    return _instant(row.start) + timedelta(seconds=timeframe.seconds)


def _instant(start: date | datetime) -> datetime:
    return start if isinstance(start, datetime) else datetime.combine(start, time(), UTC)


def _is_stale(row: Staged) -> bool:
    prior = row.prior
    if prior is None or not row.volume or row.volume <= 0:
        return False
    if (row.open, row.high, row.low, row.close, row.volume) != prior[1:6]:
        return False
    return _n(row.high) > _n(row.low) or (row.volume >= 1000 and _d(row.volume) % 10 != 0)
