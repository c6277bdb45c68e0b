"""What is known of one series: which sessions are complete, and why each other one is not. Pure arithmetic over sessions.

A series' knowledge is stored as ranges (Coverage) and worked on as one state a session: unfold, change, fold. Sessions are
named by their place in the calendar's list, so that Friday and Monday are neighbours and a holiday is no gap.

The rules that make it a ledger with evidence:
- only a stored bar completes a session; only "ok" and "empty-confirmed" explain an absent one; every other outcome marks
  the sessions as asked in vain, with attempts and a next time, and never touches what is complete;
- an absent bar is no-trade after a second answer at least 12 hours after the first, inside the contract's life;
- not listed: what an answer that reached back further had nothing of, before the first bar that was ever seen;
- a session whose last phase was not over when the request was made is left as it was: nobody asked for it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from scizor.market.expectations import AS_EVER, Expectations, auction_start
from scizor.market.types import (
    Coverage,
    Incomplete,
    Instrument,
    Outcome,
    OutcomeKind,
    Session,
    Span,
    Timeframe,
    Why,
    Window,
)

CONFIRM_AFTER = timedelta(hours=12)
RETRY_FIRST = timedelta(minutes=15)
RETRY_MOST = timedelta(days=1)
RETRY_PERMANENT = timedelta(days=7)
FRESH = timedelta(hours=24)  # a vendor may be late with a session so young: an absent bar is asked again soon

_DATE = attrgetter("session_date")  # over twenty years of sessions, for each window: twice as fast as a comprehension
NO_DEFINITION = 200  # IB: no security definition has been found


class Mark(NamedTuple):
    """Why a session is not complete; the fields of Incomplete without its dates."""

    why: Why
    attempts: int = 0
    next_at: datetime | None = None
    since: datetime | None = None


#: The state of a session is COMPLETE, a Mark, or None: never asked for.
COMPLETE: Final = "complete"
State = str | Mark | None


def next_retry(attempts: int, permanent: bool = False) -> timedelta:
    """How long to wait after the attempts-th failure: 15 minutes, doubling to a day; a week when retrying cannot help."""
    if permanent:
        return RETRY_PERMANENT
    doublings = min(max(attempts, 1) - 1, 10)
    return min(RETRY_FIRST * (1 << doublings), RETRY_MOST)


def dates_of(sessions: Sequence[Session]) -> list[date]:
    """Session dates, oldest first: the axis on which coverage is unfolded."""
    return list(map(_DATE, sessions))


def unfold(coverage: Coverage, dates: Sequence[date]) -> list[State]:
    """One state for each of the given session dates: a stretch of the calendar without holes."""
    states: list[State] = [None] * len(dates)
    for first, last in coverage.spans:
        low, high = bisect_left(dates, first), bisect_right(dates, last)
        states[low:high] = [COMPLETE] * (high - low)
    for each in coverage.incomplete:
        low, high = bisect_left(dates, each.session_date), bisect_right(dates, each.last or each.session_date)
        states[low:high] = [Mark(each.why, each.attempts, each.next_at, each.since)] * (high - low)
    return states


def fold(coverage: Coverage, states: Sequence[State], dates: Sequence[date]) -> Coverage:
    """The inverse of unfold: neighbouring sessions of equal state become one range. What lies outside of `dates` stays."""
    ranges: list[tuple[date, date, State]] = []
    start = 0
    for state, group in groupby(states):
        end = start + len(list(group))
        if state is not None:
            ranges.append((dates[start], dates[end - 1], state))
        start = end
    if dates:
        ranges = _outside(coverage, dates[0], dates[-1], ranges)
    spans = tuple(Span(first, last) for first, last, state in ranges if state is COMPLETE)
    incomplete = tuple(
        Incomplete(first, state.why, state.attempts, state.next_at, None if first == last else last, state.since)
        for first, last, state in ranges if isinstance(state, Mark)
    )  # fmt: skip
    return replace(coverage, spans=spans, incomplete=incomplete)


def _outside(
    coverage: Coverage, first: date, last: date, inner: list[tuple[date, date, State]]
) -> list[tuple[date, date, State]]:
    """`inner`, with the parts of the coverage that lie before `first` and after `last`; a range that crosses is cut and,
    where its state is still the same, mended."""
    known: list[tuple[date, date, State]] = [(*each, COMPLETE) for each in coverage.spans]
    known += [
        (each.session_date, each.last or each.session_date, Mark(each.why, each.attempts, each.next_at, each.since))
        for each in coverage.incomplete
    ]
    day = timedelta(days=1)
    for low, high, state in known:
        if low < first:
            if high >= first and inner and inner[0][0] == first and inner[0][2] == state:
                inner = [(low, inner[0][1], state), *inner[1:]]
            else:
                inner = [*inner, (low, min(high, first - day), state)]
        if high > last:
            ends = next((place for place, each in enumerate(inner) if each[1] == last and each[2] == state), None)
            if low <= last and ends is not None:
                inner = [*inner[:ends], (inner[ends][0], high, state), *inner[ends + 1 :]]
            else:
                inner = [*inner, (max(low, last + day), high, state)]
    return sorted(inner, key=lambda each: each[0])


def confirmed(coverage: Coverage, window: Window, outcome: Outcome, sessions: Sequence[Session]) -> Outcome:
    """The outcome, raised from empty-unconfirmed to empty-confirmed when every session of the window that is not complete
    has been answered empty before, 12 hours ago or more. Anything else comes back as it is."""
    if outcome.kind is not OutcomeKind.EMPTY_UNCONFIRMED or outcome.asked_at is None:
        return outcome
    low, high = _asked(window, sessions, outcome.asked_at)
    states = [each for each in unfold(coverage, dates_of(sessions[low:high])) if each is not COMPLETE]
    if states and all(_is_settled(each, outcome.asked_at) for each in states):
        return replace(outcome, kind=OutcomeKind.EMPTY_CONFIRMED)
    return outcome


def after(
    coverage: Coverage,
    window: Window,
    outcome: Outcome,
    sessions: Sequence[Session],
    present: Collection[date],
    quarantined: Collection[date],
    now: datetime,
    doubtful: Collection[date] = (),
    partly: Collection[date] = (),
) -> Coverage:
    """What is known after one request. sessions: the calendar's, oldest first, from the window to the newest that is over.

    present: session dates of the window whose bars the table now holds. quarantined: those whose bar was refused.
    now: when the answer was stored; the request's own asked_at decides what was finished when it was made. doubtful: those
    that lack some of their bars although a vendor like this one sends a bar for a minute without a trade: no second answer
    explains them. partly: those of which any bar came: what has a bar was listed, if only a part of it is there.
    """
    asked_at = outcome.asked_at or now
    begin, end = _asked(window, sessions, asked_at)
    if begin >= end:
        return coverage
    refetched_to = _refetched(coverage, sessions, begin, end, asked_at) if outcome.kind in _ANSWERS else coverage.refetched_to
    first = sessions[begin].session_date
    is_misled = any(each.why is Why.NOT_LISTED and (each.last or each.session_date) > first for each in coverage.incomplete)
    left = max(begin - 1, 0)  # a neighbour on each side, so that ranges join; the rest of the calendar is left alone
    part = sessions[left : len(sessions) if is_misled else end + 1]
    low, high = begin - left, end - left
    dates = dates_of(part)
    states = unfold(coverage, dates)
    if outcome.kind in _ANSWERS:
        _answered(coverage, states, low, high, part, dates, window.instrument, outcome, asked_at, set(present), set(quarantined), now, set(doubtful), set(partly))
    else:
        _mark_failed(states, low, high, _why(outcome), now, outcome.is_permanent)
    return replace(fold(coverage, states, dates), refetched_to=refetched_to)


def _answered(
    coverage: Coverage, states: list[State], low: int, high: int, sessions: Sequence[Session], dates: Sequence[date],
    instrument: Instrument, outcome: Outcome, asked_at: datetime, present: set[date], refused: set[date], now: datetime,
    doubtful: set[date], partly: set[date],
) -> None:  # fmt: skip
    """An answer was had, if only an empty one."""
    states[low:high] = [
        COMPLETE if each in present else state for each, state in zip(dates[low:high], states[low:high], strict=True)
    ]
    seen = next((place for place in range(low, high) if states[place] is COMPLETE or dates[place] in refused or dates[place] in partly), None)
    listed, delisted = _life(instrument, dates)
    began = bool(coverage.spans) and coverage.spans[0].first < dates[low]
    if not began and instrument.listed_from is None and outcome.kind is not OutcomeKind.EMPTY_UNCONFIRMED:
        listed = high if seen is None else seen
    is_evidence = outcome.kind is OutcomeKind.OK or (outcome.kind is OutcomeKind.EMPTY_CONFIRMED and bool(coverage.spans))
    unlisted, young = Mark(Why.NOT_LISTED), bisect_right(sessions, asked_at - FRESH, key=_last)
    absent: dict[tuple[State, bool, bool], Mark] = {}  # thousands of sessions of a thin share are in the same few states
    for place in [each for each in range(low, high) if states[each] is not COMPLETE]:
        state = states[place]
        if dates[place] in refused:
            states[place] = _refused(state, sessions[place], now)
        elif not listed <= place < delisted:
            states[place] = unlisted
        elif not (isinstance(state, Mark) and state.why in (Why.NO_TRADE, Why.CLOSED)):
            case = (state, place >= young, is_evidence and dates[place] not in doubtful)
            if case not in absent:
                absent[case] = _absent(*case[:2], asked_at, case[2])
            states[place] = absent[case]
    if seen is not None:
        _forget_not_listed(states, seen + 1, delisted)


def expected(session: Session, timeframe: Timeframe, expectations: Expectations = AS_EVER) -> int:
    """Bars that a session has: one a day, else those of continuous trading; what a closing auction adds is welcome, and counts
    only where it is known to belong to them."""
    if timeframe is Timeframe.DAY1:
        return 1
    continuous = -(-int((session.close - session.open).total_seconds()) // timeframe.seconds)
    return continuous + (auction_start(session, timeframe, expectations) is not None)


def count(coverage: Coverage, instrument: Instrument, sessions: Sequence[Session]) -> Counts:
    """Recount of the given sessions: hand in those that are due and inside the horizon."""
    dates = dates_of(sessions)
    listed, delisted = _life(instrument, dates)
    tally = Counter(
        state.why if isinstance(state, Mark) else state for state in unfold(coverage, dates)[listed:delisted]
    )
    complete, unasked = tally.pop(COMPLETE, 0), tally.pop(None, 0)
    tally[Why.UNKNOWN] += unasked
    why = {Why(each): number for each, number in tally.items() if number and each is not None}
    not_listed = why.pop(Why.NOT_LISTED, 0)
    explained = {each: number for each, number in why.items() if each.is_explained}
    missing = {each: number for each, number in why.items() if not each.is_explained}
    expected = max(delisted - listed, 0) - not_listed
    return Counts(expected, complete, explained, missing)


class Counts(NamedTuple):
    """expected = present + explained + missing, in sessions of the contract's life."""

    expected: int
    present: int
    explained: dict[Why, int]
    missing: dict[Why, int]


_ANSWERS = (OutcomeKind.OK, OutcomeKind.EMPTY_CONFIRMED, OutcomeKind.EMPTY_UNCONFIRMED)
_OUTAGE_CODES = (502, 504, 1100, 1300, 2110)  # IB: cannot connect, not connected, connectivity lost, port moved, link broken


def _asked(window: Window, sessions: Sequence[Session], asked_at: datetime) -> tuple[int, int]:
    """The places [low, high) of the window's sessions that were over when the request was made."""
    low = bisect_left(sessions, window.first, key=_date)
    high = bisect_right(sessions, window.last, key=_date)
    while high > low and sessions[high - 1].last > asked_at:
        high -= 1
    return low, high


def _date(session: Session) -> date:
    return session.session_date


def _last(session: Session) -> datetime:
    return session.last


def _life(instrument: Instrument, dates: Sequence[date]) -> tuple[int, int]:
    """The places [listed, delisted) of the contract's life."""
    listed = bisect_left(dates, instrument.listed_from) if instrument.listed_from else 0
    delisted = bisect_right(dates, instrument.listed_to) if instrument.listed_to else len(dates)
    return listed, delisted


def _mark_failed(states: list[State], low: int, high: int, why: Why, now: datetime, permanent: bool) -> None:
    """Asked in vain. What is complete or explained stays; so does evidence: an emptiness seen, a quarantined bar."""
    marks: dict[State, State] = {}
    for place in range(low, high):
        state = states[place]
        if state is COMPLETE or (isinstance(state, Mark) and state.why.is_explained):
            continue
        if state not in marks:
            attempts = (state.attempts if isinstance(state, Mark) else 0) + 1
            mark = Mark(why, attempts, now + next_retry(attempts, permanent))
            if isinstance(state, Mark) and (state.since is not None or state.why is Why.QUARANTINED):
                mark = mark._replace(why=state.why, since=state.since)
            marks[state] = mark
        states[place] = marks[state]


def _refused(state: State, session: Session, now: datetime) -> Mark:
    """A bar that was quarantined. Of an old session the vendor will say the same tomorrow: a week."""
    attempts = (state.attempts if isinstance(state, Mark) else 0) + 1
    return Mark(Why.QUARANTINED, attempts, now + next_retry(attempts, permanent=now - session.last >= FRESH))


def _absent(state: State, is_fresh: bool, asked_at: datetime, is_evidence: bool) -> Mark:
    """A session that an answer had no bar of: unknown at first, no-trade when seen again 12 hours later."""
    if isinstance(state, Mark) and state.why is Why.NOT_LISTED:
        state = None  # it is listed after all: an older bar has turned up
    attempts = (state.attempts if isinstance(state, Mark) else 0) + 1
    since = state.since if isinstance(state, Mark) and state.since is not None else asked_at
    if is_evidence and _is_settled(state, asked_at):
        return Mark(Why.NO_TRADE, attempts, None, since)
    next_at = asked_at + next_retry(attempts)
    return Mark(Why.UNKNOWN, attempts, next_at if is_fresh else max(next_at, since + CONFIRM_AFTER), since)


def _is_settled(state: State, asked_at: datetime) -> bool:
    """Whether an emptiness seen now is the second one, long enough after the first."""
    if not isinstance(state, Mark):
        return False
    return state.why.is_explained or (state.since is not None and asked_at - state.since >= CONFIRM_AFTER)


def _forget_not_listed(states: list[State], start: int, delisted: int) -> None:
    """Bars have turned up before sessions that were taken for not listed: those are asked for again."""
    if not any(isinstance(state, Mark) and state.why is Why.NOT_LISTED for state in set(states[start:delisted])):
        return
    for place in range(start, min(delisted, len(states))):
        state = states[place]
        if isinstance(state, Mark) and state.why is Why.NOT_LISTED:
            states[place] = None


def _why(outcome: Outcome) -> Why:
    if outcome.kind is OutcomeKind.NO_PERMISSION:
        return Why.NO_PERMISSION
    if outcome.kind is OutcomeKind.ERROR:
        return Why.NO_CONTRACT if outcome.code == NO_DEFINITION else Why.OUTAGE if outcome.code in _OUTAGE_CODES else Why.ERROR
    return Why.DEFERRED


def _refetched(coverage: Coverage, sessions: Sequence[Session], low: int, high: int, asked_at: datetime) -> date | None:
    """Up to where sessions have been fetched after their successor was over: by then a vendor has corrected them.

    Moves only over sessions that this request asked for, so that none is skipped.
    """
    before = coverage.refetched_to
    if before is not None:
        skipped = sessions[bisect_right(sessions, before, key=_date) : low]
        if COMPLETE in unfold(coverage, dates_of(skipped)):
            return before
    end = high if high < len(sessions) and sessions[high].last <= asked_at else high - 1
    return max(filter(None, (before, sessions[end - 1].session_date if end > low else None)), default=None)
