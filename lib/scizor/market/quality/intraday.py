"""Faults of sessions in bars shorter than a day, of one code: what came back for another session, or from another feed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from itertools import groupby, pairwise

from scizor.market.quality.series import feed_changes
from scizor.market.quality.words import Defect, is_telling, prices
from scizor.market.types import Bar

TELLING = 5  # bars that cannot repeat by accident
SHARE = 0.9
FLAT = 30  # the very same bar, volume and all, so often in a row


def faults(code: str, sessions: Sequence[tuple[date, datetime, Sequence[Bar]]]) -> list[Defect]:
    """sessions: (session date, its open, its bars), oldest first. The clock of the open is the measure: two sessions are the same
    when their bars are, so many seconds after each open."""
    found = []
    for (before, opened, old), (day, opens, new) in pairwise(sessions):
        known = {_offset(each, opened): each[1:6] for each in old}
        telling = [each for each in new if is_telling(each)]
        same = sum(known.get(_offset(each, opens)) == each[1:6] for each in telling)
        if same >= TELLING and same >= SHARE * len(telling):
            found.append(Defect(code, day, "copied_session", f"{same} of {len(telling)} bars that cannot repeat by accident are those of {before}"))
    for day, _, bars in sessions:
        for values, run in groupby(bars, lambda each: each[1:6]):
            count = len(list(run))
            if count > FLAT and values[4]:
                bar = next(each for each in bars if each[1:6] == values)
                found.append(Defect(code, day, "flat_run", f"{count} bars in a row are {prices(bar)} with the same volume"))
                break
    found += [Defect(code, day, "two_feeds", text) for day, text in feed_changes([(day, [each.volume or 0.0 for each in bars]) for day, _, bars in sessions])]
    return found


def _offset(bar: Bar, opened: datetime) -> float:
    assert isinstance(bar.start, datetime)
    return (bar.start - opened).total_seconds()
