"""Faults of whole sessions, seen across the codes of a market.

The measure of every test is what an ordinary session looks like. Of two neighbouring sessions of the ASX 7 % of the codes
open at the same price, at most 31 % (20 years, 200 codes); a copied day has 100 %. Two sessions further apart share less.
So one half of the codes is a wide margin, and below ten codes all of them must agree.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from itertools import islice
from math import log
from statistics import median

from scizor.market.quality.words import EVERYBODY, Defect, Market, day_of, is_positive, is_telling
from scizor.market.types import Bar

Day = dict[str, Bar]

SESSIONS_APART = 10  # how far a day may have been copied when only its opens tell; by exact bars: any distance
CODES_LEAST = 10  # to speak of a share; below it, all of at least CODES_FEW
CODES_FEW = 3
SHARE = 0.5
PART_SHARE, PART_LEAST = 0.05, 5  # exact bars that a session has of another one: at most 2 happen by accident
AROUND = 20  # sessions on each side that say whether a code trades every day
EVERY_DAY = 0.97
TRUNCATED = 0.2  # of the codes that trade every day; a trading halt takes 3 % at most on an ordinary day
SAMPLE = 200  # codes that are looked at before all of them are
GAP_RATIO = 1.3  # one overnight gap against another
BROKEN_SHARE, BROKEN_LEAST = 0.1, 5


def by_day(market: Market) -> dict[date, Day]:
    """The market turned: bars by code of each day."""
    days: dict[date, Day] = {}
    for code, bars in market.items():
        for bar in bars:
            days.setdefault(day_of(bar), {})[code] = bar
    return dict(sorted(days.items()))


def closed_days(days: Mapping[date, Day], sessions: Sequence[date], reason: Callable[[date], str]) -> list[Defect]:
    """Bars on days that are no sessions. reason: what the calendar says of a day ("XASX closed on 2001-12-25")."""
    known = set(sessions)
    present = list(days)
    found = []
    for place, day in enumerate(present):
        if day in known:
            continue
        bars = days[day]
        before = days[present[place - 1]] if place else {}
        same = sum(1 for code, bar in bars.items() if code in before and bar[1:6] == before[code][1:6])
        copied = f"; {same} of them are the bars of {present[place - 1]}" if same else ""
        if len(bars) >= CODES_FEW and 2 * len(bars) >= len(before):
            found.append(Defect(EVERYBODY, day, "closed_day", f"{reason(day)}: {len(bars)} bars{copied}"))
        for code in bars:
            found.append(Defect(code, day, "closed_day", reason(day)))
    return found


def absences(market: Market, days: Mapping[date, Day], sessions: Sequence[date]) -> list[Defect]:
    """Sessions without a bar, and sessions that lack many codes which trade every day (20 sessions before and after)."""
    if not days:
        return []
    first, last = min(days), max(days)
    span = [each for each in sessions if first <= each <= last]
    found = []
    present = [each for each in span if each in days]
    place_of = {each: place for place, each in enumerate(present)}
    for place, day in enumerate(span):
        if day not in days:
            before = next((each for each in reversed(span[:place]) if each in days), None)
            after = next((each for each in span[place + 1 :] if each in days), None)
            alive = len(days[before].keys() & days[after].keys()) if before and after else 0
            if alive >= CODES_FEW:
                found.append(Defect(
                    EVERYBODY, day, "missing_session",
                    f"the calendar has a session and no code has a bar; {alive} have one on {before} and on {after}",
                ))  # fmt: skip
    steady: Counter[date] = Counter()
    absent: dict[date, list[str]] = defaultdict(list)
    for code, bars in market.items():
        places = sorted(place_of[day] for bar in bars if (day := day_of(bar)) in place_of)
        if len(places) < AROUND:
            continue
        has = bytearray(len(present) + 1)
        for place in places:
            has[place] = 1
        total = [0]
        for each in has:
            total.append(total[-1] + each)
        for place in range(places[0] + 1, places[-1]):
            low, high = max(place - AROUND, 0), min(place + AROUND + 1, len(present))
            if total[high] - total[low] - has[place] >= EVERY_DAY * (high - low - 1):
                steady[present[place]] += 1
                if not has[place]:
                    absent[present[place]].append(code)
    for day, codes in absent.items():
        if len(codes) >= PART_LEAST and len(codes) >= TRUNCATED * steady[day]:
            share = f"{len(codes)} of {steady[day]} codes that trade every day are not there"
            found.append(Defect(EVERYBODY, day, "truncated_session", f"{share}; {len(days[day])} bars"))
            found += [Defect(code, day, "missing_bar", f"trades every day; {share}") for code in codes]
    return found


def copies(
    market: Market, days: Mapping[date, Day], sessions: Sequence[date],
    confirmed: Callable[[date], tuple[int, int]] = lambda _: (0, 0),
) -> list[Defect]:  # fmt: skip
    """Sessions that stand under two dates, wholly or in part.

    confirmed: how many bars of this day a second source has, and with how many of them ours agree. It decides which date is
    wrong; else the overnight gaps do: the date that does not follow from its neighbours opens further away from them. Neither is
    taken for granted: of three copied pairs in the recorded ASX days each holds the session *after* it.
    """
    known = set(sessions)
    present = [each for each in days if each in known]
    place_of = {each: place for place, each in enumerate(present)}
    found: list[Defect] = []
    told: set[tuple[date, date]] = set()
    exact = _exact(market, known)
    for pair in _suspects(days, present, exact):
        earlier, later = pair
        both = [(days[earlier][code], days[later][code]) for code in days[earlier].keys() & days[later].keys()]
        both = [each for each in both if is_positive(each[0]) and is_positive(each[1])]
        same = sum(old[1:5] == new[1:5] for old, new in both)
        opens = sum(old.open == new.open for old, new in both)
        if _is_most(same, len(both)):
            wrong, other, why = _wrong_one(days, present, place_of[earlier], place_of[later], confirmed)
            text = f"{same} of {len(both)} codes have the prices of {other}; {why}"
            found.append(Defect(EVERYBODY, wrong, "copied_session", text))
            told.add(pair)
        elif _is_most(opens, len(both)) and (part := _part(both)):
            wrong, other = (earlier, later) if part < 0 else (later, earlier)
            text = f"{opens} of {len(both)} codes open as on {other}, with less volume and inside its range: the beginning of that session"
            found.append(Defect(EVERYBODY, wrong, "partial_session", text))
            told.add(pair)
    for (earlier, later), codes in exact.items():
        common = len(days[earlier].keys() & days[later].keys())
        if (earlier, later) not in told and len(codes) >= max(PART_LEAST, PART_SHARE * common):
            text = f"{len(codes)} of {common} codes have the very bar of {earlier}, a part of the market was copied: {', '.join(codes[:12])}"
            found.append(Defect(EVERYBODY, later, "copied_part", text))
    return found


def broken(days: Mapping[date, Day], defects: Iterable[Defect]) -> list[Defect]:
    """Sessions in which many codes break the same rule: one fault of the source, not many of the codes."""
    codes: dict[tuple[date, str], set[str]] = defaultdict(set)
    for each in defects:
        if each.symbol != EVERYBODY and each.kind in ("price_domain", "ohlc_order", "volume_domain", "zero_volume"):
            codes[each.day, each.kind].add(each.symbol)
    return [
        Defect(EVERYBODY, day, kind, f"{len(names)} of {len(days[day])} codes: {', '.join(sorted(names)[:12])}")
        for (day, kind), names in codes.items()
        if len(names) >= max(BROKEN_LEAST, BROKEN_SHARE * len(days[day]))
    ]


def units(days: Mapping[date, Day], sessions: Sequence[date]) -> list[Defect]:
    """Sessions whose prices or volumes are as a whole in another unit than those before and after: a factor of 5 in the middle
    price, of 30 in the middle volume (the ASX's shortest session, broken off after 24 minutes, had a 16th)."""
    known = set(sessions)
    present = [each for each in days if each in known]
    found = []
    for before, day, after in zip(present, present[1:], present[2:], strict=False):
        both = days[before].keys() & days[day].keys() & days[after].keys()
        if len(both) < CODES_LEAST:
            continue
        rows = [(days[before][code], days[day][code], days[after][code]) for code in both]
        price = _middle((old.close, bar.close, new.close) for old, bar, new in rows)
        volume = _middle((old.volume, bar.volume, new.volume) for old, bar, new in rows)
        if abs(price) > log(5):
            found.append(Defect(EVERYBODY, day, "price_unit", f"the middle price of {len(rows)} codes is {_factor(price)} that of the sessions around it"))
        if abs(volume) > log(30):
            found.append(Defect(EVERYBODY, day, "volume_outlier", f"the middle volume of {len(rows)} codes is {_factor(volume)} that of the sessions around it"))
    return found


def _middle(triples: Iterable[tuple[float | None, float | None, float | None]]) -> float:
    """The middle of log(value / neighbour), against the nearer of the two neighbours; 0 where it lies between them."""
    found = []
    for old, mid, new in triples:
        if old and mid and new and min(old, mid, new) > 0:
            off = log(mid / old), log(mid / new)
            found.append(min(off, key=abs) if off[0] * off[1] > 0 else 0.0)
    return median(found) if found else 0.0


def _factor(value: float) -> str:
    return f"{2.718281828459045**value:.3g} times"


def _is_most(count: int, whole: int) -> bool:
    return count >= SHARE * whole if whole >= CODES_LEAST else whole >= CODES_FEW and count == whole


def _suspects(
    days: Mapping[date, Day], present: Sequence[date], exact: Mapping[tuple[date, date], Sequence[str]]
) -> list[tuple[date, date]]:
    """Pairs of sessions of which most codes open alike: near ones by their opens, any by exact bars."""
    found = set()
    for place, later in enumerate(present):
        for earlier in present[max(0, place - SESSIONS_APART) : place]:
            old, new = days[earlier], days[later]
            some = [code for code in islice(new, SAMPLE) if code in old]
            if sum(1 for code in some if new[code].open == old[code].open) < SHARE / 2 * len(some):
                continue
            common = [code for code in new if code in old]
            alike = sum(1 for code in common if new[code].open == old[code].open)
            if _is_most(alike, len(common)):
                found.add((earlier, later))
    found |= {pair for pair, codes in exact.items() if _is_most(len(codes), len(days[pair[0]].keys() & days[pair[1]].keys()))}
    return sorted(found)


def _exact(market: Market, known: set[date]) -> dict[tuple[date, date], list[str]]:
    """Pairs of sessions, and the codes that have the very same telling bar in both. Each bar is compared with its last twin."""
    pairs: dict[tuple[date, date], list[str]] = defaultdict(list)
    for code, bars in market.items():
        seen: dict[tuple[object, ...], date] = {}
        for bar in bars:
            day = day_of(bar)
            if day in known and bar.high > bar.low and is_telling(bar):
                if (other := seen.get(bar[1:6])) is not None:
                    pairs[other, day].append(code)
                seen[bar[1:6]] = day
    return pairs


def _part(both: Sequence[tuple[Bar, Bar]]) -> int:
    """-1: the earlier is a part of the later in nearly all codes; 1: the other way round; 0: neither."""
    def is_inside(part: Bar, whole: Bar) -> bool:
        return part.high <= whole.high and part.low >= whole.low and (part.volume or 0) <= (whole.volume or 0)

    alike = [pair for pair in both if pair[0].open == pair[1].open]
    for sign, wholes in ((-1, [is_inside(old, new) for old, new in alike]), (1, [is_inside(new, old) for old, new in alike])):
        if sum(wholes) >= 0.9 * len(wholes):
            return sign
    return 0


def _wrong_one(
    days: Mapping[date, Day], present: Sequence[date], first: int, second: int, confirmed: Callable[[date], tuple[int, int]]
) -> tuple[date, date, str]:
    """(the wrong date, the right one, why): by a second source where it tells the two apart, with what the gaps say beside it."""
    earlier, later = present[first], present[second]
    by_gaps, words = _by_gaps(days, present, first, second)
    seen = {day: confirmed(day) for day in (earlier, later)}
    shares = {day: agreed / compared if compared else None for day, (compared, agreed) in seen.items()}
    for wrong, right in ((earlier, later), (later, earlier)):
        mine, theirs = shares[wrong], shares[right]
        is_denied = mine is not None and mine < SHARE and (theirs is None or theirs > mine)
        if is_denied or (mine is None and theirs is not None and theirs > SHARE):
            said = " and ".join(f"{seen[day][1]} of {seen[day][0]} bars of {day}" for day in (wrong, right) if seen[day][0])
            return wrong, right, f"a second source has {said} as they stand here" + (f"; {words}" if by_gaps == wrong else "")
    if by_gaps is not None:
        return by_gaps, later if by_gaps == earlier else earlier, words
    return later, earlier, "copied from the session before, as far as can be told"


def _by_gaps(days: Mapping[date, Day], present: Sequence[date], first: int, second: int) -> tuple[date | None, str]:
    """Which of two equal sessions the overnight gaps around them call wrong, and how; None: they do not tell."""
    earlier, later = present[first], present[second]
    before = _gap(days, present[first - 1] if first else None, earlier)
    after = _gap(days, later, present[second + 1] if second + 1 < len(present) else None)
    if before and after and before > GAP_RATIO * after:
        return earlier, f"the codes' middle overnight gap in front of it is {before:.2%}, behind the other {after:.2%}: it holds the session that came after it"
    if before and after and after > GAP_RATIO * before:
        return later, f"the codes' middle overnight gap behind it is {after:.2%}, in front of the other {before:.2%}: copied from the session before"
    return None, ""


def _gap(days: Mapping[date, Day], before: date | None, after: date | None) -> float | None:
    """How far the codes move overnight between two sessions, in the middle, beside what they all move: a night of news for the whole
    market says nothing about a day that is missing in between."""
    if before is None or after is None:
        return None
    pairs = [(days[before][code].close, days[after][code].open) for code in days[before].keys() & days[after].keys()]
    moves = [log(new / old) for old, new in pairs if old > 0 and new > 0]
    if len(moves) < CODES_FEW:
        return None
    common = median(moves)
    return median(abs(each - common) for each in moves)
