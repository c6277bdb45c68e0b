"""H6: the defects of the recorded ASX days, in logs/defects.tsv; no alarm on a bar that a second source has just so."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

from scizor.base.paths import ROOT, recordings_directory
from scizor.market import calendar
from scizor.market.quality import whole
from scizor.market.quality.second import Judgement, false_alarms
from scizor.market.quality.words import EVERYBODY, Defect, day_of
from scizor.market.types import Bar
from tests.bench import asx_days
from tests.bench.asx_days import Bars

CALENDAR = "XASX"
SEED = 20
DENSE = 200  # bars in the year around a planted fault: a code that trades nearly every day
COLUMNS = "symbol\tday\tkind\tevidence"


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    """Defects found; false alarms beside a shared error planted in both sources; faults planted in healthy bars, by kind."""
    recordings = recordings_directory()
    if recordings is None or not (recordings / "asx_daily").is_dir():
        report("recordings absent: no asx_daily")
        return []
    folder = asx_days.read(recordings / "asx_daily")
    closures, records = asx_days.closures(recordings / "reference"), asx_days.records(recordings / "reference")
    report(f"{len(folder.ours):,} codes, {sum(map(len, folder.ours.values())):,} bars; second sources: {sum(len(each) for each in folder.theirs):,} codes; {folder.problems.count} lines unreadable")
    sessions = sessions_of(folder.ours)

    def reason(day: date) -> str:
        published = closures.get(day)
        return f"{CALENDAR} closed on {day} ({published or f'{day:%A}'}{', as the exchange published' if published else ''})"

    found, judgement = whole.find(folder.ours, sessions, reason, theirs=folder.theirs, records=records)
    write(found, ROOT / "logs" / "defects.tsv")
    for symbol in (EVERYBODY, ""):
        kinds = Counter(each.kind for each in found if (each.symbol == EVERYBODY) == (symbol == EVERYBODY))
        report(("whole sessions: " if symbol else "of one code: ") + ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()))
    confirmed = len(judgement.agreed)
    report(f"second sources confirm {confirmed:,} bars, differ in {len(judgement.differing):,}, have {len(judgement.only_theirs):,} that are not here")
    alarms = false_alarms(found, judgement)
    for each in alarms:
        report("false alarm: " + "\t".join(map(str, each)))
    planted, seen, shared = plant(folder.ours, folder.theirs, judgement, found, sessions)
    missed = [each for each in planted if each not in seen]
    for symbol, day, kind in missed:
        report(f"planted and not found: {symbol} {day} {kind}")
    report(f"planted: {len(planted)} faults, {len(planted) - len(missed)} named; an error in both sources: {shared} alarm on a confirmed bar")
    return [
        {"id": "H6 defects", "value": len(found), "unit": "in logs/defects.tsv", "op": ">", "bar": 0, "n": len(sessions), "rival": "judged from outside"},
        {"id": "H6 false alarms", "value": len(alarms), "unit": "on confirmed bars", "op": "==", "bar": 0, "n": confirmed,
         "rival": "second sources", "planted": shared},
        {"id": "H6 planted", "value": len(planted) - len(missed), "unit": "faults named", "op": "==", "bar": len(planted), "n": len(planted),
         "rival": "faults of every kind in the same bars"},
    ]  # fmt: skip


def sessions_of(market: Bars) -> list[date]:
    """The calendar's session dates from the first bar to the last."""
    ends = [day_of(each) for bars in market.values() for each in (bars[0], bars[-1])]
    return [each.session_date for each in calendar.sessions(CALENDAR, min(ends), max(ends))]


def write(found: Iterable[Defect], file: Path) -> None:
    """One line a defect; symbol "*" is the whole market."""
    file.parent.mkdir(exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.write_text("\n".join([COLUMNS, *("\t".join((each.symbol, str(each.day), each.kind, each.evidence)) for each in found)]) + "\n")
    partial.replace(file)


Told = tuple[str, date, str]


def plant(
    ours: Bars, theirs: list[Bars], judgement: Judgement, before: list[Defect], sessions: list[date]
) -> tuple[list[Told], set[Told], int]:
    """(faults planted, what is found then and was not before, alarms on bars whose error both sources share).

    In the busiest year of the recording, in days and codes without a fault of their own, chosen by a seed.
    """
    rnd = random.Random(SEED)
    counts = {code: Counter(day_of(each).year for each in bars) for code, bars in ours.items()}
    year = max({each.year for each in sessions}, key=lambda year: sum(1 for each in counts.values() if each[year] >= DENSE))
    days = [each for each in sessions if each.year == year]
    faulty = {(each.symbol, each.day) for each in before} | {(EVERYBODY, each.day) for each in before if each.symbol == EVERYBODY}
    codes = [code for code in ours if counts[code][year] >= DENSE and not any((code, day) in faulty for day in days)]
    market = {code: {day_of(each): each for each in ours[code] if day_of(each).year == year} for code in codes}
    places = rnd.sample([place for place in range(30, len(days) - 30, 7) if not any((EVERYBODY, day) in faulty for day in days[place - 3 : place + 4])], 7)
    planted: list[Told] = []
    copied, opened, gone, cut, cents, lots, holiday = (days[place] for place in places)
    for bars in market.values():
        for day, source in ((copied, _step(days, copied, -1)), (holiday, _step(days, holiday, 0))):
            target = day if day != holiday else _day_off(days, holiday)
            if source in bars:
                bars[target] = bars[source]._replace(start=target)
        bars.pop(gone, None)
        if (other := bars.get(_step(days, opened, 2))) is not None:
            bars[opened] = Bar(opened, other.open, max(other.open, other.low), other.low, other.low, (other.volume or 0) // 3)
        if (own := bars.get(cents)) is not None:
            bars[cents] = own._replace(open=own.open * 100, high=own.high * 100, low=own.low * 100, close=own.close * 100)
        if (own := bars.get(lots)) is not None:
            bars[lots] = own._replace(volume=(own.volume or 0) / 1000)
    for code in codes[::2]:
        market[code].pop(cut, None)
    planted += [(EVERYBODY, day, kind) for day, kind in (
        (copied, "copied_session"), (opened, "partial_session"), (gone, "missing_session"), (cut, "truncated_session"),
        (cents, "price_unit"), (lots, "volume_outlier"), (_day_off(days, holiday), "closed_day"),
    )]  # fmt: skip
    steady = [code for code in codes if len(market[code]) >= 0.97 * len(days) and min(each.low for each in market[code].values()) > 1]
    faults: list[tuple[str, Callable[[Bar], Bar]]] = [
        ("ohlc_order", lambda bar: bar._replace(high=bar.low * 0.99)), ("price_domain", lambda bar: bar._replace(open=0.0)),
        ("zero_volume", lambda bar: bar._replace(high=bar.high + 0.05, volume=0.0)), ("volume_domain", lambda bar: bar._replace(volume=-5.0)),
        ("high_outlier", lambda bar: bar._replace(high=bar.close * 10)), ("low_outlier", lambda bar: bar._replace(low=bar.close / 10)),
        ("price_unit", lambda bar: _times(bar, 0.01)), ("spike", lambda bar: _times(bar, 4.0)),
    ]  # fmt: skip
    quiet = [day for day in days[30:-30] if all(abs(days.index(day) - place) > 3 for place in places)]
    for (kind, change), code in zip(faults * 3, rnd.sample(steady, 3 * len(faults)), strict=True):
        day = rnd.choice([each for each in quiet if each in market[code]])
        market[code][day] = change(market[code][day])
        planted.append((code, day, kind))
    found, _ = whole.find({code: sorted(bars.values()) for code, bars in market.items()}, days, lambda day: f"closed on {day}")
    return planted, {(each.symbol, each.day, each.kind) for each in found}, _shared(ours, theirs, judgement)


def _shared(ours: Bars, theirs: list[Bars], judgement: Judgement) -> int:
    """Alarms on confirmed bars when the same error stands in both sources: the counter must count them."""
    source = max(theirs, key=lambda each: sum((code, day_of(bar)) in judgement.agreed for code, bars in each.items() for bar in bars))
    code = max(source, key=lambda each: sum(known == each for known, _ in judgement.agreed))
    days = sorted(day for known, day in judgement.agreed if known == code)
    day = days[len(days) // 2]

    def wrong(bars: list[Bar]) -> list[Bar]:
        return [each._replace(high=each.high * 10) if day_of(each) == day else each for each in bars]

    one = {code: wrong(ours[code])}
    found, again = whole.find(one, sessions_of(one), str, theirs=[{code: wrong(source[code])}])
    return sum(each.day == day for each in false_alarms(found, again))


def _times(bar: Bar, factor: float) -> Bar:
    return bar._replace(open=bar.open * factor, high=bar.high * factor, low=bar.low * factor, close=bar.close * factor)


def _step(days: list[date], day: date, steps: int) -> date:
    return days[days.index(day) + steps]


def _day_off(days: list[date], after: date) -> date:
    """The first date after this one that is no session."""
    known = set(days)
    return next(each for each in (date.fromordinal(after.toordinal() + step) for step in range(1, 8)) if each not in known)


if __name__ == "__main__":
    for figure in figures(print):
        print(figure)
