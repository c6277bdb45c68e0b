"""A seeded market for those who have no recording: it is invented, and it says so.

The same (seed, symbol, session) gives the same bars whatever else is asked for, so two processes, two runs and two
ranges agree. How: a symbol's price at each New Year comes from a slow walk over the years, and the days of a year are a
walk tied to both of its ends, so a day costs no more than its own year. A daily bar is drawn first; its minutes are a
walk bound to that bar's open, high, low and close, and the five seconds of a minute are bound to the minute. So bars of
every length aggregate to each other exactly: prices, volume and number of prints; wap is plausible, not exact.

Prices stand on the exchange's ladder. Lively weeks alternate with calm ones; volume follows the move; a minute without
a trade repeats the last price with volume 0, as IB's do.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate, pairwise
from math import exp, sin, sqrt, tau
from random import Random
from typing import NamedTuple

from scizor.market.aggregate import aggregate
from scizor.market.ladder import Ladder, ladder
from scizor.market.types import Bar, Kind, Session, Timeframe

_YEARS = range(1960, 2101)
_MINUTE = timedelta(minutes=1)
_AUCTION_AFTER = timedelta(minutes=10)  # ASX: the closing auction begins at 16:10
_AUCTION_WEIGHT = 0.2  # its part of a session's volume
_LOWEST = 3  # rungs: below a trade there is room for a bid
_PRINTS_MIN = 40  # in a session


class _Company(NamedTuple):
    new_years: tuple[float, ...]  # logarithm of the price at the start of each of _YEARS
    volatility: float  # of a day, as a fraction of the price
    shares: float  # usual volume of a session
    print_size: float  # usual shares in a print


class _Year(NamedTuple):
    """levels[n]: logarithm of the price at the end of calendar day n; [0] is the end of the year before."""

    levels: tuple[float, ...]
    draws: tuple[tuple[float, float, float, float], ...]  # gap, upper and lower shadow, eagerness, each day


class _Part(NamedTuple):
    """A bar in rungs of the ladder; volume in shares, prints in number."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    prints: int


def label(seed: int) -> str:
    """What a person is told wherever these bars are shown."""
    return f"simulated, seed {seed}"


def bars(
    seed: int, symbol: str, timeframe: Timeframe, sessions: Iterable[Session], kind: Kind = Kind.TRADES
) -> Iterator[Bar]:
    """Bars of these sessions, in their order: regular hours, with the closing auction where the session has one.

    TRADES carry volume, wap and trades. BID and ASK stand one rung beside the trade, MIDPOINT between them; they carry
    none. Sessions before 1960 or after 2100 raise IndexError.
    """
    for session in sessions:
        rungs = ladder(session.calendar)
        day = _day(seed, symbol, session)
        if timeframe is Timeframe.DAY1:
            yield _bar(session.session_date, day, rungs, kind)
            continue
        random = Random(f"{seed}/{symbol}/{session.calendar}/{session.session_date}")
        made = _intraday(session, day, timeframe.seconds < 60, random)
        finest = [_bar(start, part, rungs, kind) for start, part in made]
        yield from finest if timeframe in (Timeframe.SEC5, Timeframe.MIN1) else aggregate(finest, session, timeframe)


def _bar(start: date | datetime, part: _Part, rungs: Ladder, kind: Kind) -> Bar:
    price = rungs.price
    prices = part[:4]
    if kind is Kind.TRADES:
        open_, high, low, close = map(price, prices)
        wap = round((open_ + high + low + close) / 4, 6)
        return Bar(start, open_, high, low, close, float(part.volume), wap, part.prints)
    if kind is Kind.MIDPOINT:
        quoted = [round((price(each - 1) + price(each + 1)) / 2, 6) for each in prices]
    else:
        quoted = [price(each - 1 if kind is Kind.BID else each + 1) for each in prices]
    open_, high, low, close = quoted
    return Bar(start, open_, high, low, close)


# a session ------------------------------------------------------------------------------------------------------------


def _day(seed: int, symbol: str, session: Session) -> _Part:
    company = _company(seed, symbol, session.calendar)
    levels, draws = _year(seed, symbol, session.calendar, session.session_date.year)
    number = session.session_date.timetuple().tm_yday
    before, after = levels[number - 1], levels[number]
    gap, up, down, eagerness = draws[number - 1]
    position = ladder(session.calendar).position
    opened, closed = exp(before + company.volatility * gap), exp(after)
    volume = company.shares * eagerness * (0.6 + 0.3 * abs(after - before) / company.volatility)
    if session.is_half_day:
        volume *= 0.5
    prints = max(int(volume / company.print_size), _PRINTS_MIN)
    return _Part(
        max(position(opened), _LOWEST),
        max(position(max(opened, closed) * (1 + company.volatility * up)), _LOWEST),
        max(position(min(opened, closed) * (1 - company.volatility * down)), _LOWEST),
        max(position(closed), _LOWEST),
        prints + int(volume),
        prints,
    )


@lru_cache(maxsize=1024)
def _company(seed: int, symbol: str, calendar: str) -> _Company:
    random = Random(f"{seed}/{symbol}/{calendar}")
    usual = random.gauss(1.8, 1.3) if calendar == "XASX" else random.gauss(4.4, 0.8)
    volatility = 0.008 + 0.014 * random.random() + 0.012 / (1.0 + exp(usual))
    shares = exp(random.gauss(16.5, 1.8)) / (1.0 + exp(usual))
    level, new_years = usual, []
    for _ in range(len(_YEARS) + 1):
        new_years.append(level)
        level = usual + 0.9 * (level - usual) + 12 * volatility * random.gauss(0.0, 1.0)
    return _Company(tuple(new_years), volatility, shares, 50.0 + shares / 20_000)


@lru_cache(maxsize=64)
def _year(seed: int, symbol: str, calendar: str, year: int) -> _Year:
    company = _company(seed, symbol, calendar)
    first, last = company.new_years[_YEARS.index(year) :][:2]
    random = Random(f"{seed}/{symbol}/{calendar}/{year}")
    uniform, gauss = random.random, random.gauss
    days = 365 + isleap(year)
    weekday, phase = date(year, 1, 1).weekday(), uniform() * tau
    steps = [
        (1.0 if (weekday + day) % 7 < 5 else 0.3) * (1.0 + 0.4 * sin(phase + day / 20)) * gauss(0.0, company.volatility)
        for day in range(days)
    ]
    pull = (last - first - sum(steps)) / days
    levels = tuple(accumulate((each + pull for each in steps), initial=first))
    draws = [((uniform() - 0.5) * 0.8, uniform() * uniform(), uniform() * uniform(), 0.5 + uniform()) for _ in steps]
    return _Year(levels, tuple(draws))


# within a session -----------------------------------------------------------------------------------------------------


def _intraday(session: Session, day: _Part, by_seconds: bool, random: Random) -> list[tuple[datetime, _Part]]:
    """The session's minutes with their starts, or its five seconds."""
    count = (session.close - session.open) // _MINUTE
    starts = [session.open + number * _MINUTE for number in range(count)]
    middle = count / 2
    weights = [1.0 + 2.0 * ((number - middle) / middle) ** 2 for number in range(count)]  # busy at both ends
    has_auction = session.last > session.close
    if has_auction:
        starts.append(min(session.close + _AUCTION_AFTER, max(session.last - _MINUTE, session.close)))
        weights.append(sum(weights) * _AUCTION_WEIGHT / (1 - _AUCTION_WEIGHT))
    minutes = _split(day, weights, random, is_last_flat=has_auction)
    if not by_seconds:
        return list(zip(starts, minutes, strict=True))
    return [
        (start + timedelta(seconds=5 * number), part)
        for start, minute in zip(starts, minutes, strict=True)
        for number, part in enumerate(_split(minute, [1.0] * 12, random))
    ]


def _split(whole: _Part, weights: Sequence[float], random: Random, is_last_flat: bool = False) -> list[_Part]:
    """Parts in time that aggregate to the whole. A part without prints repeats the last price. A last part that is an
    auction has one price. Each part is made of up to four real prints, so that none has more prices than prints."""
    prints = _share(whole.prints, weights, random)
    volumes = _share(whole.volume - whole.prints, [float(each) for each in prints], random)
    shown = [min(each, 4) for each in prints]
    if is_last_flat:
        shown[-1] = min(shown[-1], 1)
    path = _path(whole, sum(shown), random)
    parts, last = [], whole.open
    for (first, end), number, volume in zip(pairwise(accumulate(shown, initial=0)), prints, volumes, strict=True):
        if first == end:
            parts.append(_Part(last, last, last, last, 0, 0))
            continue
        seen = path[first:end]
        last = seen[-1]
        parts.append(_Part(seen[0], max(seen), min(seen), last, volume + number, number))
    return parts


def _share(total: int, weights: Sequence[float], random: Random) -> list[int]:
    """The total, in whole numbers, by weights that are shaken a little; nothing for a weight of 0."""
    uniform = random.random
    sums = list(accumulate((each * (0.3 + 1.4 * uniform()) for each in weights), initial=0.0))
    if not sums[-1]:
        return [0] * len(weights)
    factor = total / sums[-1]
    marks = [total if each == sums[-1] else int(each * factor) for each in sums]
    return [after - before for before, after in pairwise(marks)]


def _path(whole: _Part, count: int, random: Random) -> list[int]:
    """`count` prints that begin at the open, end at the close, and touch the high and the low and nothing beyond."""
    first, high, low, last = whole[:4]
    if high == low or count < 2:
        return [last] * count
    uniform, ends = random.random, count - 1
    walk = list(accumulate((uniform() - 0.5 for _ in range(ends)), initial=0.0))
    stretch = 2.8 * (high - low) / sqrt(count)  # a tied walk of such steps has about this range
    drift = (last - first - stretch * walk[-1]) / ends
    path = [min(max(round(first + stretch * each + drift * at), low), high) for at, each in enumerate(walk)]
    path[0], path[-1] = first, last
    inner = range(1, ends)
    top = -1
    if high not in (first, last):
        top = max(inner, key=path.__getitem__)
        path[top] = high
    if low not in (first, last):
        path[min((at for at in inner if at != top), key=path.__getitem__)] = low
    return path
