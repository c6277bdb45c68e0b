"""The rules that a bar must keep, as one table read twice: as SQL over the staging table, and as Python.

The database checks a million rows in one statement (rule_sql, flags_sql); the Python of the same row is the oracle of the
tests and serves where there is no table. A hard rule's name goes into quarantine with the bar, which is never dropped and
never blocks its batch; a soft rule is a bit in bars.flags.

The SQL speaks of what db/staging.py stages: the columns of `staged` (session_date NULL: in no session; volume, wap and trades
NULL for the vendor's none), beside them asked_at and finished_to, the newest session that was over when the request was
made. Rules about neighbours use the window w, so a statement that uses rule_sql ends in WINDOW_SQL. Equal rows are
collapsed before (bars.tidy). The price of it, per million rows and beside a COPY of 1.2 s: 0.35 s, and 0.7 s for w.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from statistics import median
from typing import NamedTuple

from scizor.market import actions
from scizor.market.bars import number_text
from scizor.market.ladder import ladder
from scizor.market.types import Bar, Flag, Timeframe

PRICE_MOST = 1_000_000_000  # as the domain `price`: above 0, below this; NaN and Infinity fail the upper bound
QUANTITY_MOST = 1_000_000_000_000_000
DECIMALS_MOST = 8
OVERLAP_LEAST = 3
STEPS_OVERLAP = 60  # sessions in common from which several ratios may explain them
NEAR_VOLUME, NEAR_STEPS, NEAR_DECIMALS = 0.85, 8, 2  # a copy with another volume: so alike, and over so many steps of its last decimal
NEIGHBOUR_DAYS = 5  # between two neighbouring sessions: Easter and Christmas; further apart it is no copy but a share that hardly trades
WAP_SLACK = 0.001  # vendors round the average: by this, and by a thousandth of the price


class Severity(StrEnum):
    HARD = "hard"  # quarantine, with the rule's name
    SOFT = "soft"  # stored, with a flag


class Staged(NamedTuple):
    """A bar with what the rules ask for; None where SQL has NULL. before, after: its neighbours in the answer, by start,
    and the sessions in which those lie."""

    bar: Bar
    session_date: date | None
    finished_to: date
    asked_at: datetime
    before: Bar | None = None
    after: Bar | None = None
    session_before: date | None = None
    session_after: date | None = None


class Series(NamedTuple):
    """What all rows of a batch have in common."""

    timeframe: Timeframe = Timeframe.DAY1
    calendar: str = "XASX"


class Rule(NamedTuple):
    """condition: SQL, true when the row breaks the rule; breaks: the same in Python. Both may rely on the rules above.

    {unfinished} and {off_tick} stand for what depends on the timeframe or the exchange.
    """

    name: str
    severity: Severity
    meaning: str
    condition: str
    breaks: Callable[[Staged, Series], bool]


def _each(columns: str, condition: str, between: str = " OR ") -> str:
    return between.join(condition.format(each) for each in columns.split())


def _same(neighbour: str) -> str:
    """That a finished neighbour has the same prices, and a volume that cannot be another day's; neighbour: lag, lead."""
    same = _each(PRICES, f"{{0}} = {neighbour}({{0}}) OVER w", " AND ")
    other = f"{neighbour}(volume) OVER w"
    inside = _each("open close", "({0} > low AND {0} < high)")
    decimals = f"least({NEAR_DECIMALS}, greatest({_each(PRICES, 'scale({})', ', ')}))"
    return (
        f"({neighbour}(session_date) OVER w <= finished_to AND abs(session_date - {neighbour}(session_date) OVER w) <= {NEIGHBOUR_DAYS}"
        f" AND {same} AND"
        f" CASE WHEN volume = {other} THEN high > low OR (volume >= 1000 AND mod(volume, 10) <> 0)"
        f" ELSE least(volume, {other}) > {NEAR_VOLUME} * greatest(volume, {other}) AND ({inside})"
        f" AND (high - low) * power(10::numeric, {decimals}) > {NEAR_STEPS} END)"
    )


PRICES = "open high low close"

#: In order: the first that a row breaks names it.
RULES: tuple[Rule, ...] = (
    Rule(
        "naive_time", Severity.HARD, "the start names no instant; the whole answer is refused before staging (bars.start_text)",
        "false",
        lambda row, _: isinstance(row.bar.start, datetime) and row.bar.start.tzinfo is None,
    ),
    Rule(
        "dup_conflict", Severity.HARD, "one answer gives this start twice, with different values: none of them is believed",
        "\"timestamp\" = lag(\"timestamp\") OVER w OR \"timestamp\" = lead(\"timestamp\") OVER w",
        lambda row, _: any(each is not None and each.start == row.bar.start for each in (row.before, row.after)),
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
    Rule("high_below_low", Severity.HARD, "high < low", "high < low", lambda row, _: _n(row.bar.high) < _n(row.bar.low)),
    Rule("high_below_open", Severity.HARD, "high < open", "high < open", lambda row, _: _n(row.bar.high) < _n(row.bar.open)),
    Rule("high_below_close", Severity.HARD, "high < close", "high < close", lambda row, _: _n(row.bar.high) < _n(row.bar.close)),
    Rule("low_above_open", Severity.HARD, "low > open", "low > open", lambda row, _: _n(row.bar.low) > _n(row.bar.open)),
    Rule("low_above_close", Severity.HARD, "low > close", "low > close", lambda row, _: _n(row.bar.low) > _n(row.bar.close)),
    Rule(
        "volume_domain", Severity.HARD, "a volume below 0 (-1, none, is NULL by now), beyond 1e15, or of more than 8 decimals",
        f"volume IS NOT NULL AND (NOT (volume >= 0 AND volume < {QUANTITY_MOST}) OR scale(volume) > {DECIMALS_MOST})",
        lambda row, _: row.bar.volume is not None
        and (not 0 <= row.bar.volume < QUANTITY_MOST or _decimals(row.bar.volume) > DECIMALS_MOST),
    ),
    Rule(
        "trades_domain", Severity.HARD, "a number of trades below 0 (-1, none, is NULL by now) or beyond 2^31",
        "trades IS NOT NULL AND NOT (trades >= 0 AND trades < 2147483648)",
        lambda row, _: row.bar.trades is not None and not 0 <= row.bar.trades < 2147483648,
    ),
    Rule(
        "wap_domain", Severity.HARD, "an average price that no price can be, or of more than 8 decimals",
        f"wap IS NOT NULL AND (NOT (wap > 0 AND wap < {PRICE_MOST}) OR scale(wap) > {DECIMALS_MOST})",
        lambda row, _: row.bar.wap is not None and (not 0 < row.bar.wap < PRICE_MOST or _decimals(row.bar.wap) > DECIMALS_MOST),
    ),
    Rule(
        "wap_range", Severity.HARD, "the average price lies outside [low, high], by more than rounding",
        f"wap IS NOT NULL AND (wap < low * {1 - WAP_SLACK} - {WAP_SLACK} OR wap > high * {1 + WAP_SLACK} + {WAP_SLACK})",
        lambda row, _: row.bar.wap is not None
        and not _d(row.bar.low) * _d(1 - WAP_SLACK) - _d(WAP_SLACK) <= _d(row.bar.wap) <= _d(row.bar.high) * _d(1 + WAP_SLACK) + _d(WAP_SLACK),
    ),
    Rule(
        "outside_session", Severity.HARD, "on a weekend, on a holiday, before the open or after the last phase",
        "session_date IS NULL",
        lambda row, _: row.session_date is None,
    ),
    Rule(
        "unfinished", Severity.HARD, "the bar was not over when it was asked for: it may still change",
        "{unfinished}",
        lambda row, series: _is_unfinished(row, series.timeframe),
    ),
    Rule(
        "stale_session", Severity.HARD,
        "two neighbouring sessions with the same bar: one was served for the other, the answer does not say which, and neither"
        " is believed (a flat day repeats by accident only in a round volume; a copy made later may have some more volume)",
        "session_date <= finished_to AND volume > 0 AND (" + " OR ".join(map(_same, ("lag", "lead"))) + ")",
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
FLAGS = {each.name: int(Flag[each.name.upper()]) for each in RULES if each.severity is Severity.SOFT}


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


def is_another_contract(answer: Sequence[Bar], stored: Mapping[date, Bar], calendar: str) -> bool:
    """Whether an answer's bars are somebody else's: where they overlap with stored ones, most closes disagree.

    A split leaves one ratio (several splits a few), a correction leaves most bars alone; another share moves by itself.
    Each close may be off by a step of the ladder, since an adjusted price was rounded. Needs three sessions in common, else nothing can be said;
    the refetch of the newest five gives every daily answer that many. The whole answer is to be refused, and told.
    """
    steps = ladder(calendar)
    pairs = [(each.close, stored[each.start].close) for each in answer if each.start in stored]
    pairs = [(new, old) for new, old in pairs if 0 < new < PRICE_MOST and 0 < old < PRICE_MOST]
    if len(pairs) < OVERLAP_LEAST:
        return False
    ratio = median(new / old for new, old in pairs)
    strange = sum(abs(new - ratio * old) > steps.tick_size(new) + ratio * steps.tick_size(old) for new, old in pairs)
    if 2 * strange <= len(pairs):
        return False
    if len(pairs) < STEPS_OVERLAP:
        return True
    # Several splits in a history that was never fetched again leave several ratios, each of many sessions.
    closes = [(each.start, each.close, stored[each.start].close) for each in answer if each.start in stored]
    before = [Bar(day, old, old, old, old) for day, _, old in closes]
    after = [Bar(day, new, new, new, new) for day, new, _ in closes]
    return actions.compare(before, after, steps.tick_size).verdict is not actions.Verdict.STEP


#: A statement that uses rule_sql ends with it.
WINDOW_SQL = 'WINDOW w AS (ORDER BY "timestamp")'

#: True for nearly every good row, never for a bad one: NaN is PostgreSQL's greatest numeric and fails high < ...
_GOOD = (
    "\"timestamp\" IS DISTINCT FROM lag(\"timestamp\") OVER w AND \"timestamp\" IS DISTINCT FROM lead(\"timestamp\") OVER w"
    f" AND low > 0 AND low <= open AND low <= close AND open <= high AND close <= high AND high < {PRICE_MOST}"
    f" AND greatest(scale(open), scale(high), scale(low), scale(close)) <= {DECIMALS_MOST}"
    f" AND volume >= 0 AND volume < {QUANTITY_MOST} AND scale(volume) <= {DECIMALS_MOST}"
    f" AND (wap IS NULL OR (wap >= low AND wap <= high AND scale(wap) <= {DECIMALS_MOST}))"
    " AND (trades IS NULL OR (trades >= 0 AND trades < 2147483648))"
    " AND session_date IS NOT NULL AND NOT ({unfinished})"
    " AND close IS DISTINCT FROM lag(close) OVER w AND close IS DISTINCT FROM lead(close) OVER w"
)


def _filled(condition: str, series: Series) -> str:
    daily = series.timeframe is Timeframe.DAY1
    over = "session_date > finished_to" if daily else f"\"timestamp\" + interval '{series.timeframe.seconds} seconds' > asked_at"
    condition = condition.replace("{unfinished}", over)
    return condition.replace("{off_tick}", _off_tick(series.calendar)) if "{off_tick}" in condition else condition


def _off_tick(calendar: str) -> str:
    """Prices on no rung. Rungs ascend; the highest that a price has reached gives its step."""
    steps = "CASE" + "".join(
        f" WHEN {{0}} >= {number_text(low)} THEN {number_text(step)}" for low, step in reversed(ladder(calendar).rungs)
    ) + " END"  # fmt: skip
    return _each(PRICES, f"mod({{0}}, {steps}) <> 0")


def _prices(row: Staged) -> tuple[float | None, float | None, float | None, float | None]:
    return row.bar[1:5]


def _n(value: float | None) -> float:
    return float("nan") if value is None else value  # as in SQL: a comparison with nothing is not true


def _d(value: float | None) -> Decimal:
    return Decimal(number_text(_n(value)))


def _decimals(value: float | None) -> int:
    text = number_text(value) if value is not None else ""
    return len(text.partition(".")[2])


def _is_unfinished(row: Staged, timeframe: Timeframe) -> bool:
    if timeframe is Timeframe.DAY1:
        return row.session_date is not None and row.session_date > row.finished_to
    return isinstance(row.bar.start, datetime) and row.bar.start + timedelta(seconds=timeframe.seconds) > row.asked_at


def _is_stale(row: Staged) -> bool:
    beside = ((row.before, row.session_before), (row.after, row.session_after))
    return row.session_date is not None and any(
        bar is not None and day is not None and day <= row.finished_to
        and abs(day - row.session_date).days <= NEIGHBOUR_DAYS and _is_same(row.bar, bar)
        for bar, day in beside
    )  # fmt: skip


def _is_same(bar: Bar, other: Bar) -> bool:
    if not bar.volume or bar.volume <= 0 or bar[1:5] != other[1:5]:
        return False
    if bar.volume == other.volume:
        return bar.high > bar.low or (bar.volume >= 1000 and _d(bar.volume) % 10 != 0)
    low, high = sorted((_d(bar.volume), _d(other.volume)))
    decimals = min(NEAR_DECIMALS, max(_decimals(each) for each in bar[1:5]))
    return (
        low > _d(NEAR_VOLUME) * high and any(bar.low < each < bar.high for each in (bar.open, bar.close))
        and (_d(bar.high) - _d(bar.low)).scaleb(decimals) > NEAR_STEPS
    )  # fmt: skip
