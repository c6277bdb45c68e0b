"""What bin/probe asks, with which symbols, and which question each answer settles. Pure: jobs/probe asks.

For each exchange that is collected: a liquid stock (the first by priority), a thin one (the least turnover stored, else the
last by priority), an index where there is one. What does not depend on the exchange is asked with the first liquid stock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from scizor.db.probes import AUCTION, EMPTY_MINUTES, SLOW_DOWN
from scizor.ib.history import end_instant
from scizor.jobs.asking import Question, Reply, What
from scizor.market import probed
from scizor.market.calendar import venue
from scizor.market.probed import Established, Rung, failure, unknown
from scizor.market.types import Instrument, Origin, Session, Timeframe

EXCHANGES_MAX = 4  # the first by priority: more would say little and cost requests
DAYS = 8  # of `N D`: more than a week, so that sessions and days differ
CUT_AFTER = timedelta(minutes=60)  # from the open: where the end is put that must fall between two bars
WIDTHS = (2, 2, 4, 8)  # requests on each rung of the ladder; the first goes one at a time
SERVICE = (("1 D", False), ("5 D", True), ("5 D", False), ("10 D", True))

#: Question -> what it is for. The order is the order of the table that a person reads.
QUESTIONS: Mapping[str, str] = {
    "server-version": "which Gateway answers",
    "clock": "how far its clock is from ours",
    "hours": "IB's own hours of an ordinary day, all and regular",
    "daily-bars": "is the login entitled to daily TRADES",
    "minute-bars": "is it entitled to 1-min TRADES",
    "five-second-bars": "is it entitled to 5-sec TRADES (under the hard rule)",
    AUCTION: "do regular hours hold the closing auction's minute",
    EMPTY_MINUTES: "has a minute without a trade a bar of volume 0",
    "decimals": "are volumes whole; decimals of prices",
    "head-timestamp": "when the history begins (under the hard rule)",
    "schedule": "is SCHEDULE served",
    "n-days": "does `N D` count sessions",
    "bar-stamp": "is a bar stamped by its start",
    "end-inclusive": "does the bar that begins at endDateTime come",
    "unfinished-bar": "does the bar that is being made come",
    "service-time": "seconds an answer takes, by bars and by whether its end is stated",
    SLOW_DOWN: "how many at once do not slow each other",
}


class Subject(NamedTuple):
    """With whom an exchange is asked. days: sessions that are over, the newest last. under_way: its session that is on now."""

    exchange: str
    liquid: Instrument
    thin: Instrument | None
    is_index: bool
    days: Sequence[Session]
    under_way: Session | None


class Finding(NamedTuple):
    question: str
    exchange: str
    symbol: str
    established: Established
    requests: tuple[int, ...] = ()


def subjects(
    instruments: Sequence[Instrument], sessions: Mapping[str, Sequence[Session]], thinnest: Mapping[str, str], named: Sequence[str],
    now: datetime, settled: datetime,
) -> list[Subject]:  # fmt: skip
    """instruments: by priority. thinnest: a symbol by exchange; named: symbols that a person calls thin, which come first."""
    found: list[Subject] = []
    groups: dict[tuple[str, bool], list[Instrument]] = {}
    for each in instruments:
        if not each.refused:
            groups.setdefault((venue(each), each.sec_type == "IND"), []).append(each)
    for (exchange, is_index), members in groups.items():
        known = sessions[members[0].calendar]
        days = [each for each in known if each.last <= settled]
        if sum(each.is_index == is_index for each in found) >= (1 if is_index else EXCHANGES_MAX) or len(days) <= sum(WIDTHS) + DAYS:
            continue
        wanted = [each for each in members if each.symbol in named] or [each for each in members if each.symbol == thinnest.get(exchange)]
        thin = next((each for each in (*wanted, members[-1]) if each is not members[0]), None)
        under_way = next((each for each in known if each.open + timedelta(minutes=5) < now < each.close), None)
        found.append(Subject(exchange, members[0], None if is_index else thin, is_index, days[-60:], under_way))
    return sorted(found, key=lambda each: each.is_index)


def basic(subject: Subject, is_main: bool) -> dict[str, Question]:
    """The requests about one exchange, by a name of their own."""
    day, liquid = subject.days[-1], subject.liquid
    regular = question(liquid, Timeframe.MIN1, day, "a whole session of minutes")
    asked = {"daily": question(liquid, Timeframe.DAY1, day, f"{DAYS} D of daily bars", f"{DAYS} D"), "regular": regular}
    if subject.is_index:
        return asked
    asked["schedule"] = question(liquid, Timeframe.DAY1, day, "SCHEDULE", "5 D", what=What.SCHEDULE)
    if day.last > day.close:
        asked["all"] = question(liquid, Timeframe.MIN1, day, "the same, all hours", regular_hours=False)
    if subject.thin is not None:
        asked["thin"] = question(subject.thin, Timeframe.MIN1, day, "a thin stock's minutes")
    if is_main:
        asked["cut"] = question(liquid, Timeframe.MIN1, day, "an end between two bars", until=day.open + CUT_AFTER)
        asked["head"] = question(liquid, Timeframe.DAY1, day, "head timestamp", what=What.HEAD)
        asked["seconds"] = question(liquid, Timeframe.SEC5, day, "5-sec bars before the close", "1800 S", until=day.close)
    if subject.under_way is not None:
        asked["now"] = question(liquid, Timeframe.MIN1, subject.under_way, "the bar that is being made", "1800 S", is_until_now=True)
    return asked


def timed(subject: Subject) -> list[Question]:
    """Requests of several sizes, their end stated or not."""
    day = subject.days[-1]
    return [
        question(subject.liquid, Timeframe.MIN1, day, f"service time of {duration}", duration, is_until_now=not is_stated, number=1)
        for duration, is_stated in SERVICE
    ]


def ladder(subject: Subject) -> Iterator[tuple[int, list[Question]]]:
    """So many at once, and the requests for it: other sessions each, so that none is answered from what was just asked."""
    days = list(subject.days[:-1])
    for place, count in enumerate(WIDTHS):
        width = 1 if place == 0 else count
        mine = [days.pop() for _ in range(count)]
        yield width, [question(subject.liquid, Timeframe.MIN1, each, f"{width} at once", number=2) for each in mine]


def question(
    instrument: Instrument, timeframe: Timeframe, day: Session, purpose: str, duration: str = "1 D", *, what: What = What.BARS,
    regular_hours: bool = True, until: datetime | None = None, is_until_now: bool = False, number: int = 0,
) -> Question:  # fmt: skip
    """Counted back from midnight at the exchange after that session, unless told."""
    first = day.session_date
    asked = Question(instrument, timeframe, first, first, Origin(regular_hours=regular_hours))
    end = None if is_until_now else until or end_instant(asked)
    return Question(
        instrument, timeframe, first, first, asked.origin, what=what, duration=duration, until=end, purpose=purpose, number=number
    )


def establish(
    subject: Subject, asked: Mapping[str, Question], replies: Mapping[Question, Reply], is_main: bool, ahead_seconds: float | None
) -> list[Finding]:
    """What the answers about one exchange say. ahead_seconds: the Gateway's clock before ours; None: not known. A question none of whose requests was asked is left out."""
    day, code = subject.days[-1], subject.liquid.symbol
    had = {name: replies[each] for name, each in asked.items() if each in replies}
    found: list[Finding] = []

    def settle(name: str, needs: Sequence[str], judge: Callable[..., Established], symbol: str = code) -> None:
        if all(each in had for each in needs):
            judged = judge(*(had[each].outcome for each in needs))
            found.append(Finding(name, subject.exchange, symbol, judged, tuple(had[each].request for each in needs)))

    settle("daily-bars", ["daily"], probed.entitlement)
    settle("minute-bars", ["regular"], probed.entitlement)
    if "all" in asked:
        settle(AUCTION, ["regular", "all"], lambda regular, everything: probed.auction(day, regular, everything))
    if subject.thin is not None:
        settle(EMPTY_MINUTES, ["thin"], lambda outcome: probed.empty_minutes(day, outcome), subject.thin.symbol)
    settle("decimals", ["regular"], probed.decimals)
    if "schedule" in had:
        found.append(Finding("schedule", subject.exchange, code, served(had["schedule"]), (had["schedule"].request,)))
    if is_main:
        dates = [each.session_date for each in subject.days]
        settle("n-days", ["daily"], lambda outcome: probed.days_count(DAYS, dates, outcome))
        settle("bar-stamp", ["regular"], lambda outcome: probed.bar_stamp(day, outcome))
        settle("end-inclusive", ["cut", "regular"], lambda cut, whole: probed.end_inclusive(day.open + CUT_AFTER, cut, whole))
        settle("five-second-bars", ["seconds"], probed.entitlement)
        if "head" in had:
            found.append(Finding("head-timestamp", subject.exchange, code, head(had["head"]), (had["head"].request,)))
    if subject.under_way is not None:
        settle("unfinished-bar", ["now"], lambda outcome: probed.unfinished(outcome, Timeframe.MIN1, ahead_seconds))
    elif is_main:
        closed = unknown(f"no session of {day.calendar} is under way: run it while {subject.exchange} trades")
        found.append(Finding("unfinished-bar", subject.exchange, code, closed))
    return found


def served(reply: Reply) -> Established:
    """Whether SCHEDULE comes. An error for good says no; silence and what may pass say nothing."""
    outcome = reply.outcome
    if outcome.is_ok:
        return Established({"is_served": True}, {"sessions": len(reply.sessions)}) if reply.sessions else unknown("a schedule without sessions")
    if outcome.is_permanent or outcome.code in (321, 10314):
        return Established({"is_served": False, "code": outcome.code}, {"text": outcome.text})
    return unknown(failure(outcome))


def head(reply: Reply) -> Established:
    if reply.head is None:
        return unknown(failure(reply.outcome))
    return Established({"symbol": reply.question.instrument.symbol, "head": reply.head.isoformat()}, {})


def service(replies: Sequence[Reply]) -> Established:
    samples = [
        (len(each.outcome.bars), each.question.until is not None, probed.taken(each.outcome)) for each in replies if each.outcome.is_ok
    ]
    if not samples and replies:
        return unknown(failure(replies[0].outcome))
    return probed.service_times(samples)


def rung(width: int, replies: Sequence[Reply]) -> Rung:
    return Rung(width, tuple(each.outcome for each in replies))


def may_climb(rungs: Sequence[Rung]) -> bool:
    """Whether one rung more can tell anything, and harms nobody."""
    judged = probed.slow_down(rungs)
    return judged.answer is not None and judged.measured["slows_at"] is None
