"""How complete a series is, in bars: what its sessions should have, what the table holds, and why the rest is not there.

The ledger's word is not taken for it: each session is recounted. A session that the ledger calls complete and whose bars are
not all there is `contradicted`, and so is one that it calls incomplete although they are: one of the two is wrong, and a
person must look. What is explained is not missing; everything else is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from scizor.market.coverage import COMPLETE, Mark, dates_of, expected, unfold
from scizor.market.types import Coverage, Instrument, Session, Timeframe, Why

UNASKED = "not asked yet"


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


def completeness(
    coverage: Coverage | None, instrument: Instrument, timeframe: Timeframe, sessions: Sequence[Session], counted: Mapping[date, int]
) -> Completeness:
    """sessions: those that are due and wanted, oldest first. counted: the table's bars by session date."""
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
        whole = expected(session, timeframe)
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
