"""How complete a series is, in bars: what its sessions should have, what the table holds, and why the rest is not there.

The ledger's word is not taken for it: each session is recounted. A session that the ledger calls complete and whose bars are
not all there is `contradicted`, and so is one that it calls incomplete although they are: one of the two is wrong, and a
person must look. What is explained is not missing; everything else is.

Twenty years of daily bars of 309 symbols are 1.5 million sessions; of those the table tells three sums a symbol (Totals), and
only where the ledger's are others is each session looked at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import accumulate
from typing import NamedTuple

from scizor.market.coverage import COMPLETE, Mark, dates_of, expected, unfold
from scizor.market.expectations import AS_EVER, Expectations
from scizor.market.types import Coverage, Instrument, Session, Timeframe, Why

UNASKED = "not asked yet"
EPOCH = date(1970, 1, 1).toordinal()


class Completeness(NamedTuple):
    """Bars of a series over some sessions. expected = stored + explained + missing, where a session has no more bars than it
    should (what a closing auction adds is not counted). why: missing and explained bars by reason. missing_days, and
    contradicted: session dates."""

    sessions: int
    expected: int
    stored: int
    explained: int
    missing: int
    why: dict[str, int]
    missing_days: tuple[date, ...] = ()
    contradicted: tuple[date, ...] = ()

    @property
    def percent(self) -> float:
        """Of what is expected, what is stored or explained; 100 where nothing is expected."""
        return 100.0 * (self.stored + self.explained) / self.expected if self.expected else 100.0


class Totals(NamedTuple):
    """Of a set of days: how many, and the sums of their days since 1970 and of those squared."""

    number: int = 0
    days: int = 0
    squares: int = 0

    def with_day(self, each: date) -> Totals:
        """With one more day."""
        day = each.toordinal() - EPOCH
        return Totals(self.number + 1, self.days + day, self.squares + day * day)


class Axis(NamedTuple):
    """Session dates, oldest first; of those before each place the sum of their days since 1970, and of those squared."""

    dates: list[date]
    days: list[int]
    squares: list[int]

    @classmethod
    def of(cls, sessions: Sequence[Session]) -> Axis:
        dates = dates_of(sessions)
        days = [each.toordinal() - EPOCH for each in dates]
        return cls(dates, [0, *accumulate(days)], [0, *accumulate(day * day for day in days)])

    def places(self, spans: Iterable[tuple[date, date]], low: int, high: int) -> list[tuple[int, int]]:
        """Where spans (both ends included) begin and end, within [low, high)."""
        dates = self.dates
        found = [(bisect_left(dates, first), bisect_right(dates, last)) for first, last in spans]
        if found and (min(found)[0] < low or max(end for _, end in found) > high):
            found = [(min(max(start, low), high), min(max(end, low), high)) for start, end in found]
        return found


def daily(coverage: Coverage, instrument: Instrument, axis: Axis, begin: int, found: Totals) -> Completeness | None:
    """The same of daily bars, from sums: of the sessions from place `begin` on. found: of the table's bars since then. None
    when the table's days are not those that the ledger calls complete: then each session must be looked at."""
    low, high = begin, len(axis.dates)
    if instrument.listed_from:
        low = max(low, bisect_left(axis.dates, instrument.listed_from))
    if instrument.listed_to:
        high = min(high, bisect_right(axis.dates, instrument.listed_to))
    number = days = squares = 0
    for start, end in axis.places(coverage.spans, low, high):
        number += end - start
        days += axis.days[end] - axis.days[start]
        squares += axis.squares[end] - axis.squares[start]
    if (number, days, squares) != found:
        return None
    why: Counter[str] = Counter()
    missing: list[date] = []
    explained = unlisted = 0
    asked = number
    gaps = axis.places([(each.session_date, each.last or each.session_date) for each in coverage.incomplete], low, high)
    for each, (start, end) in zip(coverage.incomplete, gaps, strict=True):
        asked += end - start
        if each.why is Why.NOT_LISTED:
            unlisted += end - start
            continue
        why[each.why.value] += end - start
        if each.why.is_explained:
            explained += end - start
        else:
            missing += axis.dates[start:end]
    expected_count = max(high - low, 0) - unlisted
    if unasked := max(high - low, 0) - asked:
        why[UNASKED] += unasked
    reasons = {reason: count for reason, count in why.most_common() if count}
    return Completeness(
        expected_count, expected_count, number, explained, expected_count - number - explained, reasons, tuple(sorted(missing))
    )


def completeness(
    coverage: Coverage | None, instrument: Instrument, timeframe: Timeframe, sessions: Sequence[Session], counted: Mapping[date, int],
    expectations: Expectations = AS_EVER,
) -> Completeness:  # fmt: skip
    """sessions: those that are due and wanted, oldest first. counted: the table's bars by session date, one for the closing
    auction among them where it is expected."""
    dates = dates_of(sessions)
    low = bisect_left(dates, instrument.listed_from) if instrument.listed_from else 0
    high = bisect_right(dates, instrument.listed_to) if instrument.listed_to else len(dates)
    states = unfold(coverage, dates) if coverage else [None] * len(dates)
    why: Counter[str] = Counter()
    total = stored = explained = 0
    missing_days, contradicted = [], []
    lived = 0
    for session, state in zip(sessions[low:high], states[low:high], strict=True):
        if isinstance(state, Mark) and state.why is Why.NOT_LISTED:
            continue
        lived += 1
        whole = expected(session, timeframe, expectations)
        held = min(counted.get(session.session_date, 0), whole)
        total += whole
        stored += held
        if (held == whole) is not (state is COMPLETE) and (state is not None or held):
            contradicted.append(session.session_date)
        if held == whole:
            continue
        reason = state.why.value if isinstance(state, Mark) else UNASKED if state is None else "contradicted"
        why[reason] += whole - held
        if isinstance(state, Mark) and state.why.is_explained:
            explained += whole - held
        else:
            missing_days.append(session.session_date)
    return Completeness(
        lived, total, stored, explained, total - stored - explained, dict(why.most_common()), tuple(missing_days), tuple(contradicted)
    )
