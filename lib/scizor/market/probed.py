"""What answers of a Gateway establish about it. Pure: bars and sessions in, a finding or the reason why there is none.

Nothing is inferred from an absence that another cause could have: a finding of "no" needs something that would have shown
otherwise. Each function returns (answer, measured, reason): answer holds what is compared with the last probe, measured the
figures that are others each time; without an answer, the reason says what was not established and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from scizor.market import calendar
from scizor.market.exchanges import PhaseName
from scizor.market.types import Bar, Outcome, OutcomeKind, Session, Timeframe

Facts = Mapping[str, Any]
MINUTE = timedelta(minutes=1)
CLOCK_ACCURACY = timedelta(seconds=1)  # the Gateway tells whole seconds
TOO_FEW = 0.8  # of the answers a second that fewer at once gave: below that, more at once is too many
GAIN = 1.25  # times as many answers a second: then more at once is worth it
TELLING_SECONDS = 0.1  # an answer that takes less says more about us than about the vendor


class Established(NamedTuple):
    answer: Facts | None
    measured: Facts
    reason: str = ""


def unknown(reason: str, **measured: object) -> Established:
    return Established(None, measured, reason)


def failure(outcome: Outcome) -> str:
    """Why an outcome is no answer, in the vendor's words."""
    words = f"{outcome.code}: {outcome.text}" if outcome.code is not None else outcome.text
    return f"{outcome.kind}: {words}" if words else str(outcome.kind)


def entitlement(outcome: Outcome) -> Established:
    """Whether the login may have such bars. A refusal for want of permission is an answer; silence and emptiness are none."""
    if outcome.is_ok:
        return Established({"is_allowed": True}, {"bars": len(outcome.bars)})
    if outcome.kind is OutcomeKind.NO_PERMISSION:
        return Established({"is_allowed": False, "code": outcome.code}, {"text": outcome.text})
    return unknown(failure(outcome))


def auction(session: Session, regular: Outcome, everything: Outcome) -> Established:
    """Whether regular hours hold the closing auction's minute of a session that is over."""
    if session.last <= session.close:
        return unknown(f"{session.calendar} has no closing auction after the close")
    for each in (regular, everything):
        if not each.is_ok:
            return unknown(failure(each))
    begins = next((each.start for each in calendar.phases(session) if each.name is PhaseName.CLOSING_AUCTION), session.close)

    def printed(outcome: Outcome) -> list[datetime]:
        return [start for start in starts(outcome.bars) if begins <= start < session.last]

    if not printed(everything) and not printed(regular):
        return unknown(f"no bar of the closing auction of {session.session_date} came, with or without regular hours")
    seen = (printed(regular) or printed(everything))[0]
    return Established({"is_regular": bool(printed(regular))}, {"auction_bar": seen.isoformat(), "session": str(session.session_date)})


def empty_minutes(session: Session, outcome: Outcome) -> Established:
    """Whether a minute of continuous trading without a trade comes as a bar of volume 0, or not at all."""
    if not outcome.is_ok:
        return unknown(failure(outcome))
    inside = [each for each in outcome.bars if isinstance(each.start, datetime) and session.open <= each.start < session.close]
    empty = sum(each.volume == 0 for each in inside)
    absent = int((session.close - session.open) / MINUTE) - len({each.start for each in inside})
    measured = {"with_volume_0": empty, "absent": absent, "session": str(session.session_date)}
    if not inside:
        return unknown(f"no bar of continuous trading on {session.session_date}", **measured)
    if not empty and not absent:
        return unknown(f"it traded in each minute of {session.session_date}: --thin names a quieter one", **measured)
    trades = {each.trades for each in inside if each.volume == 0}
    return Established({"have_bars": bool(empty), **({"trades": 0 if trades == {0} else "other"} if empty else {})}, measured)


def decimals(outcome: Outcome) -> Established:
    """Whether volumes are whole, and how many decimals prices have at most."""
    if not outcome.is_ok:
        return unknown(failure(outcome))
    volumes = [each.volume for each in outcome.bars if each.volume is not None]
    places = max(len(repr(price).partition(".")[2].rstrip("0")) for each in outcome.bars for price in each[1:5])
    if not volumes:
        return Established({"has_volume": False}, {"price_decimals": places})
    return Established({"has_volume": True, "volume_is_whole": all(each == int(each) for each in volumes)}, {"price_decimals": places})


def days_count(count: int, dates: Sequence[date], outcome: Outcome) -> Established:
    """What `N D` counts. dates: the calendar's sessions up to the end that was asked for, more than enough of them."""
    if not outcome.is_ok:
        return unknown(failure(outcome))
    came = sorted(each.start for each in outcome.bars if not isinstance(each.start, datetime))
    last = dates[-1]
    calendar_days = [each for each in dates if each > last - timedelta(days=count)]
    measured = {"asked": f"{count} D", "bars": len(came), "first": str(came[0]) if came else None, "last": str(came[-1]) if came else None}
    if came == list(dates[-count:]):
        return Established({"counts": "sessions"}, measured)
    if came == calendar_days:
        return Established({"counts": "calendar days"}, measured)
    return unknown(f"neither the last {count} sessions nor those of the last {count} days came", **measured)


def bar_stamp(session: Session, outcome: Outcome) -> Established:
    """Whether a minute is stamped by its start or by its end."""
    if not outcome.is_ok:
        return unknown(failure(outcome))
    found = starts(outcome.bars)
    if session.open in found:
        return Established({"is": "start"}, {"first": found[0].isoformat()})
    if found and found[0] == session.open + MINUTE and session.close in found:
        return Established({"is": "end"}, {"first": found[0].isoformat()})
    return unknown(f"the first bar is stamped {found[0].isoformat() if found else '(none)'}, the session opens {session.open.isoformat()}")


def end_inclusive(end: datetime, cut: Outcome, whole: Outcome) -> Established:
    """Whether the bar that begins at endDateTime comes. whole: the session without that end, which must hold that bar."""
    for each in (cut, whole):
        if not each.is_ok:
            return unknown(failure(each))
    came = starts(cut.bars)
    if any(each > end for each in came):
        return unknown(f"bars after the end that was asked for came: {came[-1].isoformat()}")
    if end not in starts(whole.bars):
        return unknown(f"there is no bar at {end.isoformat()} that could have come")
    return Established({"is_inclusive": end in came}, {"end": end.isoformat(), "last": came[-1].isoformat()})


def unfinished(outcome: Outcome, size: Timeframe, ahead_seconds: float | None) -> Established:
    """Whether the bar that was being made when the request was asked came with the answer. ahead_seconds: how far the Gateway's
    clock is ahead of ours, which took the instants of the outcome; None: not known, and then nothing can be said."""
    if not outcome.is_ok or outcome.asked_at is None or outcome.answered_at is None:
        return unknown(failure(outcome))
    if ahead_seconds is None:
        return unknown("how far the Gateway's clock is from ours is not known")
    last, length = starts(outcome.bars)[-1], timedelta(seconds=size.seconds)
    ahead = timedelta(seconds=ahead_seconds)
    measured = {"last": last.isoformat(), "asked": (outcome.asked_at + ahead).isoformat()}
    if last + length > outcome.answered_at + ahead + CLOCK_ACCURACY:
        return Established({"is_delivered": True}, measured)
    if last + 2 * length > outcome.asked_at + ahead:
        return Established({"is_delivered": False}, measured)
    return unknown("the newest bar is older than a minute: nothing was traded, or the data are delayed", **measured)


def hours(zone: str, trading: str, liquid: str) -> Established:
    """IB's hours of an ordinary day, from its strings `20260406:1000-20260406:1610;20260407:CLOSED` (older: without the second
    date, several ranges with a comma between)."""
    found = {"all": _ordinary(trading), "regular": _ordinary(liquid)}
    measured = {"trading_hours": trading[:500], "liquid_hours": liquid[:500]}
    if not found["all"] or not found["regular"]:
        return unknown("hours that cannot be read, or no open day among them", **measured)
    return Established({"zone": zone, **found}, measured)


def _ordinary(text: str) -> str:
    """The course that most days have, as 1000-1610."""
    days: Counter[str] = Counter()
    for part in text.split(";"):
        day, _, rest = part.partition(":")
        if not (day.isdigit() and len(day) == 8) or rest in ("CLOSED", ""):
            continue
        spans = []
        for span in rest.split(","):
            begin, dash, end = span.partition("-")
            times = [each.rpartition(":")[2] for each in (begin, end)]
            if not dash or not all(each.isdigit() and len(each) == 4 for each in times):
                return ""
            spans.append("-".join(times))
        days[",".join(spans)] += 1
    return days.most_common(1)[0][0] if days else ""


# ---- time ------------------------------------------------------------------------------------------------------------


class Rung(NamedTuple):
    """So many requests, at most `width` at once. outcomes: of all of them."""

    width: int
    outcomes: tuple[Outcome, ...]

    @property
    def seconds(self) -> list[float]:
        """Service times of what was answered."""
        return [taken(each) for each in self.outcomes if each.is_ok]

    @property
    def most_open(self) -> int:
        """How many were in service at once."""
        marks = [(at, change) for each in self.outcomes for at, change in ((each.answered_at, -1), (each.asked_at, 1)) if at]
        count = most = 0
        for _, change in sorted(marks):
            count += change
            most = max(most, count)
        return most

    @property
    def has_failed(self) -> bool:
        """Something was refused for pacing, cancelled, or never answered: too much."""
        return any(each.kind in (OutcomeKind.PACING, OutcomeKind.TIMEOUT, OutcomeKind.CANCELLED) for each in self.outcomes)

    @property
    def per_second(self) -> float:
        """Answers a second, from the first question to the last answer."""
        asked = [each.asked_at for each in self.outcomes if each.is_ok and each.asked_at]
        answered = [each.answered_at for each in self.outcomes if each.is_ok and each.answered_at]
        span = (max(answered) - min(asked)).total_seconds() if asked and answered else 0.0
        return len(answered) / span if span > 0 else 0.0


def taken(outcome: Outcome) -> float:
    """Seconds from the question to its whole answer."""
    assert outcome.asked_at is not None and outcome.answered_at is not None
    return (outcome.answered_at - outcome.asked_at).total_seconds()


def slow_down(rungs: Sequence[Rung]) -> Established:
    """kept: how many at once gave the most answers a second; slows_at: from where they were fewer again, or something failed."""
    table = [
        {"at_once": each.width, "reached": each.most_open, "answered": len(each.seconds), "per_second": round(each.per_second, 3),
         "median_seconds": round(median(each.seconds), 3) if each.seconds else None}
        for each in rungs
    ]  # fmt: skip
    if not rungs or not rungs[0].seconds:
        return unknown("one request at a time was not answered", rungs=table)
    usual, best, kept = median(rungs[0].seconds), rungs[0].per_second, 1
    for each in rungs[1:]:
        is_reached, slows = each.most_open == each.width, Established({}, {"kept": kept, "slows_at": each.width, "rungs": table})
        if each.has_failed:
            return slows
        if usual < TELLING_SECONDS:
            return unknown(f"an answer takes {usual:.3f} s: too short to tell one at a time from several", rungs=table)
        if not is_reached:
            reason = f"{each.width} at once were never reached: answers came sooner than questions, or other jobs were at work"
            return unknown(reason, rungs=table)
        if each.per_second < TOO_FEW * best:
            return slows
        if each.per_second > GAIN * best:
            best, kept = each.per_second, each.width
    return Established({}, {"kept": kept, "slows_at": None, "rungs": table})


def service_times(samples: Sequence[tuple[int, bool, float]]) -> Established:
    """samples: bars in an answer, whether its end was stated, seconds. Quantiles by both."""
    if not samples:
        return unknown("nothing was answered")
    groups: dict[tuple[bool, int], list[float]] = {}
    for bars, is_stated, seconds in samples:
        groups.setdefault((is_stated, bars), []).append(seconds)
    table = [
        {"end": "stated" if is_stated else "now", "bars": bars, "answers": len(each), "least": round(min(each), 3),
         "median": round(median(each), 3), "most": round(max(each), 3)}
        for (is_stated, bars), each in sorted(groups.items())
    ]  # fmt: skip
    return Established({}, {"seconds": table})


def starts(bars: Sequence[Bar]) -> list[datetime]:
    """Starts of shorter bars, oldest first."""
    return sorted(each.start for each in bars if isinstance(each.start, datetime))
