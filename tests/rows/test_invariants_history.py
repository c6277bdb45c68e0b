"""What was known when, whatever the clock does and whoever doubts a bar meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from scizor.db.windows import store
from scizor.market.types import JUDGED, Flag
from tests.db.conftest import NOW, Connection, Market, ok

Rows = Callable[..., list[tuple[Any, ...]]]
TICK = timedelta(microseconds=1)
JUMPS = [timedelta(hours=1), timedelta(hours=-1), timedelta(seconds=-1), timedelta(0), timedelta(minutes=7), timedelta(days=366), timedelta(days=-365)]


def test_I13_I14_I42_what_was_known_at_any_instant_is_what_a_log_of_the_answers_says_though_the_clock_jumps_and_doubts_come_and_go(
    collector: Connection, market: Market, rows: Rows
) -> None:
    """Restatements of random bars at instants that go back and forth by a second, an hour, a year; a version is known from its
    instant, or from just after the one before. Between them bars are doubted, which makes no version."""
    rnd, at = random.Random(13), NOW
    bars = market.bars(6)
    log: dict[Any, list[tuple[datetime, Decimal]]] = {each.start: [] for each in bars}
    for step in range(40):
        if step:
            at = max(at + rnd.choice(JUMPS), NOW - timedelta(hours=2))
            place = rnd.randrange(len(bars))
            bars[place] = bars[place]._replace(close=round(bars[place].close + rnd.choice((-0.01, 0.01)), 2))
        done = store(collector, None, None, market.window(6), ok(bars, at), at, sessions=market.sessions)
        assert (done.stored, done.revised) == ((6, 0) if step == 0 else (0, 1))
        for each in bars:
            versions, close = log[each.start], Decimal(repr(each.close))
            if not versions or versions[-1][1] != close:
                versions.append((max(at, versions[-1][0] + TICK) if versions else at, close))
        if step % 3 == 0:
            collector.execute("UPDATE bars SET flags = flags # %s WHERE session_date = %s", [int(Flag.HAMPEL), rnd.choice(bars).start])
    last = max(known for versions in log.values() for known, _ in versions)
    instants = [NOW + rnd.random() * (last - NOW) for _ in range(150)] + [known + off for versions in log.values() for known, _ in versions for off in (-TICK, timedelta(0))]
    instants = sorted(set(instants))
    told: dict[datetime, dict[Any, Decimal]] = {each: {} for each in instants}
    for instant, day, close, flags in rows(
        "SELECT t, b.session_date, b.close, b.flags FROM unnest(%s::timestamptz[]) t CROSS JOIN LATERAL bars_as_known(t) b", instants
    ):  # fmt: skip
        assert day not in told[instant], "two versions at one instant"
        assert not flags & JUDGED, "no report had said so"
        told[instant][day] = close
    for instant, found in told.items():
        expected = {day: [close for known, close in versions if known <= instant] for day, versions in log.items()}
        assert found == {day: closes[-1] for day, closes in expected.items() if closes}, instant
    chain = rows("SELECT count(*), count(DISTINCT (session_date, revision)) FROM bars_history")
    assert chain == [(sum(len(each) - 1 for each in log.values()),) * 2]
