"""Doubts about single bars: the named rules, as they come and after the close. A doubt flags; it never refuses or hides.

The promised rules as they stand latch, and drown a cheap share: "a step of 10 %" against a reference that waits for
agreement flags every bar after a genuine gap of 14 %, and one tick of a share at 0.8 cents is 12 %. So three things hold for
all of them. The reference always moves: it is made of the bars before, flagged or not. Nothing under a few price steps
(`tick`) is ever a doubt. And a doubt that the next five bars confirm is withdrawn: the level has shifted, the bar was right.

The volume rule as promised (5 times the 5-minute average) flags what trading is made of: bursts. On 181,350 recorded one-minute bars
of 15 US shares it doubts 0.59 %, of a thin one (FAS) 2.5 %, while valid > 99.5 % is promised; a time-of-day profile (5 times the same
minutes of five sessions too) leaves 0.35 % and 1.4 %. What tells a fault from a burst is the series' own: more than the busiest bars
of all but one of the five sessions before, beside the promised rule. Measured, of one-minute and of 803,517 five-minute bars, with the
worst share, and how many volumes planted at 100 times their size are named still:

    beside the promised rule             1min, worst      named     5min, worst      named
    nothing                              0.59 %, 2.5 %    100 %     0.25 %, 1.8 %    100 %
    above the middle of the five         0.12 %, 0.29 %    98 %     0.16 %, 0.52 %   100 %
    above all but one (taken)            0.09 %, 0.22 %    98 %     0.13 %, 0.33 %   100 %
    above all of them                    0.07 %, 0.19 %    90 %     0.09 %, 0.19 %    99 %

Brownlees and Gallo stays with bars shorter than a day. Over 1,220,957 recorded daily bars of the ASX it doubts 1,385: four of the
faults that series and breaks name anyway, and 1,381 takeovers, placements and warnings; of the 9,830 bars that a second source
confirms one (ANZ opened at 27.63 on 2012-10-18 and fell to 25.95, says Yahoo too). A daily series has real jumps and no 30
neighbours that belong together; its faults have rules of their own, with 0 alarms on confirmed bars.

Sources: Brownlees and Gallo 2006 (trimmed neighbourhood mean, 3 s + gamma, gamma for the granularity of prices); Hampel's
identifier (median and MAD). A simulation over three profiles ranked them: Hampel with a floor of two ticks for the live flag,
Brownlees and Gallo, which sees both sides of a jump, after the close.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import fmean, median
from typing import NamedTuple

from scizor.market.types import Bar, Session
from scizor.market.validate import Severity

Start = date | datetime


class Rule(NamedTuple):
    """limit: the number in the rule, in its unit."""

    name: str
    severity: Severity
    meaning: str
    limit: float


#: Doubts are soft; what is outside of every session is refused by market/validate under the same name.
RULES: tuple[Rule, ...] = (
    Rule("outside_session", Severity.HARD, "on a weekend or holiday, before the open or after the last phase", 0.0),
    Rule("step", Severity.SOFT, "the close is more than 10 % from the one before, and more than two ticks", 0.10),
    Rule("spread", Severity.SOFT, "the ask is more than 5 % above the bid, and more than two ticks", 0.05),
    Rule("volume", Severity.SOFT, "more than 5 times the average of the 5 bars before, and of the 20, and more than the busiest bars of all but one of the five sessions before; of an auction, than the auctions before", 5.0),
    Rule("hampel", Severity.SOFT, "as it comes: more than 8 scaled deviations from the median of the 20 bars before", 8.0),
    Rule("brownlees_gallo", Severity.SOFT, "after the close: more than 3 deviations and two ticks from the trimmed mean of the 60 bars around", 3.0),
)  # fmt: skip

RULE = {each.name: each for each in RULES}

TICKS = 2.0  # below so many price steps nothing is a doubt
CONFIRMING = 5  # bars that must agree with a doubted one
BARS, BARS_LEAST = 20, 10  # that make Hampel's median
MAD = 1.4826  # a normal deviation in median absolute deviations
VOLUME_BARS = 5
BUSY_SESSIONS = 5  # whose busiest bars say what a busy bar of this series is
AUCTIONS_LEAST = 5  # of the same kind before one can be doubted
AROUND, TRIM = 30, 0.1  # Brownlees and Gallo: bars on each side, and the share cut off at each end


class Doubt(NamedTuple):
    """start: of the bar. value: what was measured, limit: what it may be, both in the unit of the rule (a share, a ratio, a price).
    is_confirmed: the bars after it agree with it, so it is withdrawn; a doubt of which nothing more has come stands."""

    start: Start
    rule: str
    value: float
    limit: float
    is_confirmed: bool = False


class Quote(NamedTuple):
    """The best bid and ask. start: when, or of which bar."""

    start: Start
    bid: float
    ask: float


@dataclass(slots=True)
class Arriving:
    """The rules over one series, bar by bar as they come; its memory is 20 bars, 20 auctions and the busiest bars of five sessions.

    tick: the exchange's price step at a price. see() returns the doubts about a bar and, five bars later, those of them that
    were confirmed, so a live reader learns of both.
    """

    tick: Callable[[float], float]
    closes: deque[float] = field(default_factory=lambda: deque(maxlen=BARS))
    ranges: deque[float] = field(default_factory=lambda: deque(maxlen=BARS))
    sizes: deque[float] = field(default_factory=lambda: deque(maxlen=BARS))
    auctions: dict[str, deque[float]] = field(default_factory=dict)
    busiest: deque[float] = field(default_factory=lambda: deque(maxlen=BUSY_SESSIONS))
    most: float = 0.0  # the busiest bar of this session, auctions aside
    open: list[tuple[Doubt, float, float, list[float]]] = field(default_factory=list)  # doubt, its price, the level before, closes since

    def see(self, bar: Bar, auction: str = "") -> list[Doubt]:
        """auction: "open" or "close" for a bar that holds one, which is measured against others of its kind. At an open the night
        lies between, and a morning moves as no afternoon does: the level is learned anew, and the step alone looks at it."""
        found = self._confirmed(bar)
        new = self._step(bar)
        if auction == "open":
            self.closes.clear()
            self.ranges.clear()
            if self.most:
                self.busiest.append(self.most)
                self.most = 0.0
        new += self._hampel(bar)
        self.open += [(*each, []) for each in new]
        found += [doubt for doubt, _, _ in new] + self._volume(bar, auction)
        self.closes.append(bar.close)
        self.ranges.append(bar.high - bar.low)
        return found

    def _step(self, bar: Bar) -> list[tuple[Doubt, float, float]]:
        """The doubt, the price, and the level from which it differs; as the next."""
        if not self.closes:
            return []
        before, limit = self.closes[-1], RULE["step"].limit
        step = abs(bar.close / before - 1)
        if step > limit and abs(bar.close - before) > TICKS * self.tick(min(bar.close, before)) * (1 + 1e-9):
            return [(Doubt(bar.start, "step", step, limit), bar.close, before)]
        return []

    def _hampel(self, bar: Bar) -> list[tuple[Doubt, float, float]]:
        """About the price of the bar that is farthest off."""
        if len(self.closes) < BARS_LEAST:
            return []
        middle = median(self.closes)
        scale = MAD * median(abs(each - middle) for each in self.closes)
        limit = RULE["hampel"].limit * max(scale, median(self.ranges)) + TICKS * self.tick(middle)
        price = max(bar[1:5], key=lambda each: abs(each - middle))
        off = abs(price - middle)
        return [(Doubt(bar.start, "hampel", off, limit), price, middle)] if off > limit else []

    def _volume(self, bar: Bar, auction: str) -> list[Doubt]:
        size, limit = bar.volume or 0.0, RULE["volume"].limit
        if auction:
            others = self.auctions.setdefault(auction, deque(maxlen=BARS))
            usual = median(others) if len(others) >= AUCTIONS_LEAST else None
            others.append(size)
        else:
            sizes = list(self.sizes)
            usual = max(fmean(sizes[-VOLUME_BARS:]), fmean(sizes)) if len(sizes) >= VOLUME_BARS else None
            self.sizes.append(size)
            self.most = max(self.most, size)
            if self.busiest and size <= sorted(self.busiest)[-2:][0]:
                return []
        return [Doubt(bar.start, "volume", size / usual, limit)] if usual and size > limit * usual else []

    def _confirmed(self, bar: Bar) -> list[Doubt]:
        """Doubts that five bars have confirmed: each closed nearer to the doubted price than to the level before it. Then the new
        level is the reference, or the median would go on looking at the old one for ten more bars."""
        found, waiting = [], []
        for doubt, price, before, since in self.open:
            if abs(bar.close - price) >= abs(bar.close - before):
                continue  # it stands for good
            since.append(bar.close)
            if len(since) < CONFIRMING:
                waiting.append((doubt, price, before, since))
                continue
            found.append(doubt._replace(is_confirmed=True))
            self.closes = deque([price, *since[:-1]], maxlen=BARS)
        self.open = waiting
        return found


def arriving(bars: Iterable[Bar], tick: Callable[[float], float], auction: Callable[[Start], str] = lambda _: "") -> list[Doubt]:
    """The doubts about a series as its bars came, each once, confirmed or not."""
    state = Arriving(tick)
    found: dict[tuple[Start, str], Doubt] = {}
    for bar in bars:
        for each in state.see(bar, auction(bar.start)):
            found[each.start, each.rule] = each
    return list(found.values())


def spreads(quotes: Iterable[Quote], tick: Callable[[float], float], is_continuous: Callable[[Start], bool] = lambda _: True) -> list[Doubt]:
    """Spreads above 5 % of the middle and two ticks. Before the open and in auctions books cross and gape by design: only
    continuous trading is looked at. A side that is missing, or crossed, is no spread."""
    limit = RULE["spread"].limit
    found = []
    for each in quotes:
        if 0 < each.bid <= each.ask and is_continuous(each.start):
            share = (each.ask - each.bid) / ((each.ask + each.bid) / 2)
            if share > limit and each.ask - each.bid > TICKS * tick(each.bid) * (1 + 1e-9):
                found.append(Doubt(each.start, "spread", share, limit))
    return found


def after_close(bars: Sequence[Bar], tick: Callable[[float], float]) -> list[Doubt]:
    """Brownlees and Gallo, over the price of each bar that is farthest off, against the trimmed mean of the 30 closes on either
    side, its own left out. A jump has both levels around it, so none of its bars is far off; where the session's end cuts the
    window short, what goes on for five bars is a level and no error."""
    found = []
    limit = RULE["brownlees_gallo"].limit
    ordered = sorted(each.close for each in bars[:AROUND])
    ranges = [each.high - each.low for each in bars]
    wide = median(ranges) if ranges else 0.0
    for place, bar in enumerate(bars):
        if place + AROUND < len(bars):
            insort(ordered, bars[place + AROUND].close)
        if place > AROUND:
            ordered.remove(bars[place - AROUND - 1].close)
        if len(ordered) <= BARS_LEAST:
            continue
        others = ordered.copy()
        others.remove(bar.close)
        cut = int(len(others) * TRIM)
        others = others[cut : len(others) - cut]
        middle = fmean(others)
        price = max(bar[1:5], key=lambda each: abs(each - middle))
        off = abs(price - middle)
        if off <= TICKS * tick(middle):
            continue
        usual = max(wide, fmean(ranges[max(0, place - CONFIRMING) : place] + ranges[place + 1 : place + 1 + CONFIRMING]))
        most = limit * max(_deviation(others, middle), 2 * usual) + TICKS * tick(middle)
        if off > most and not _goes_on(bars, place, middle, price):
            found.append(Doubt(bar.start, "brownlees_gallo", off, most))
    return found


def _deviation(values: Sequence[float], middle: float) -> float:
    return float((sum((each - middle) ** 2 for each in values) / len(values)) ** 0.5)


def _goes_on(bars: Sequence[Bar], place: int, middle: float, price: float) -> bool:
    """Whether the closes beside this bar stay on its side, at half the way at least."""
    beside = [*bars[max(0, place - CONFIRMING) : place], *bars[place + 1 : place + 1 + CONFIRMING]]
    side = price - middle
    return sum((each.close - middle) / side > 0.5 for each in beside) >= CONFIRMING


def auction_of(sessions: Sequence[Session], seconds: int) -> Callable[[Start], str]:
    """Which auction a bar of this size holds: the session's first bar the opening one; what reaches its end, or lies after it, the
    closing one. Daily bars hold both, and are compared with each other as they are."""
    opens = {each.open for each in sessions}
    ends = sorted((each.last, each.close) for each in sessions)
    size = timedelta(seconds=seconds)

    def kind(start: Start) -> str:
        if not isinstance(start, datetime):
            return ""
        if start in opens:
            return "open"
        place = bisect_right(ends, start, key=lambda each: each[0])
        if place == len(ends):
            return ""
        last, close = ends[place]
        return "close" if start + size > close or (last == close and start + size == close) else ""

    return kind
