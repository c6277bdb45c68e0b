"""What goes wrong on the way of a request: nothing is lost in silence, and nothing that may still be read is forgotten."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pytest

from scizor.base.protocols import PacingClass, PacingRequest, PacingRule
from scizor.ib.concurrency import Concurrency
from scizor.ib.pacing import COOL_DOWN, Limits
from scizor.market.types import Instrument, Outcome, OutcomeKind, Timeframe, Window
from scizor.run.paced import UNREAD_SECONDS, Fetch, fetch_all
from tests.conftest import EPOCH
from tests.run.virtual import MemoryLedger, VirtualClock, run

Heard = Callable[[datetime], None]


@dataclass
class Story:
    """What came out, and what was raised."""

    outcomes: list[tuple[str, OutcomeKind]] = field(default_factory=list)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    raised: Exception | None = None


def window(symbol: str) -> Window:
    instrument = Instrument(1, symbol, "ASX", "XASX", "AUD", 1000 + ord(symbol[0]), 1)
    return Window(instrument, Timeframe.DAY1, date(2025, 1, 15), date(2025, 1, 15))


def as_hard(window: Window, limits: Limits, pacing_class: PacingClass, now: datetime) -> PacingRequest:
    return PacingRequest(window.instrument.symbol, window.instrument.symbol, PacingRule.HARD, pacing_class=pacing_class)


def tell(symbols: str, fetch: Callable[[VirtualClock], Fetch], *, concurrency: int = 1, attempts_max: int = 1) -> Story:
    """Asks for the windows, a letter each, in order."""
    story = Story()

    async def body(clock: VirtualClock) -> None:
        answers = fetch_all(
            map(window, symbols), fetch(clock), story.ledger, clock, Limits(),
            describe=as_hard, concurrency=Concurrency.fixed(concurrency), attempts_max=attempts_max,
        )  # fmt: skip
        async with aclosing(answers) as found:
            try:
                async for one, outcome in found:
                    story.outcomes.append((one.instrument.symbol, outcome.kind))
            except (LookupError, ZeroDivisionError) as problem:
                story.raised = problem

    run(body)
    return story


def answering(clock: VirtualClock, **kinds: OutcomeKind) -> Fetch:
    """A second each. A timeout is as ib.connection tells of it: half a minute, no frame, and the instant of its end."""

    async def fetch(one: Window, heard: Heard) -> Outcome:
        asked_at, kind = clock.now(), kinds.get(one.instrument.symbol, OutcomeKind.OK)
        await clock.sleep(30.0 if kind is OutcomeKind.TIMEOUT else 1.0)
        if kind is not OutcomeKind.TIMEOUT:
            heard(clock.now())
        return Outcome(kind, asked_at=asked_at, answered_at=clock.now())

    return fetch


def test_a_timeout_may_still_lie_unread_and_counts_until_a_later_one_is_answered() -> None:
    story = tell("AB", lambda clock: answering(clock, A=OutcomeKind.TIMEOUT))
    assert story.outcomes == [("A", OutcomeKind.TIMEOUT), ("B", OutcomeKind.OK)]
    first, second = story.ledger.rows.values()
    assert first.counted_at == second.counted_at == EPOCH + timedelta(seconds=31)  # not 30, when nobody had read it
    assert not first.is_open


def test_a_timeout_that_nobody_follows_counts_from_the_end_of_its_minute() -> None:
    def fetch(clock: VirtualClock) -> Fetch:
        slow = answering(clock, A=OutcomeKind.TIMEOUT)

        async def one(window: Window, heard: Heard) -> Outcome:
            if window.instrument.symbol == "B":
                await clock.sleep(600)
            return await slow(window, heard)

        return one

    story = tell("AB", fetch, concurrency=2)
    first = story.ledger.rows[1]
    assert first.counted_at is not None
    assert EPOCH + timedelta(seconds=30 + UNREAD_SECONDS) <= first.counted_at < EPOCH + timedelta(seconds=600)


@pytest.mark.parametrize("place", ["fetch", "concurrency"])
def test_what_breaks_on_the_way_is_raised_after_what_is_in_hand_and_loses_nothing(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(clock: VirtualClock) -> Fetch:
        good = answering(clock)

        async def one(window: Window, heard: Heard) -> Outcome:
            if window.instrument.symbol == "B" and place == "fetch":
                raise LookupError("a bug")
            return await good(window, heard)

        return one

    if place == "concurrency":
        answered = Concurrency.answered

        def broken(self: Concurrency, request: object, now: datetime) -> None:
            answered(self, request, now)
            if request == 2:
                raise LookupError("a bug")

        monkeypatch.setattr(Concurrency, "answered", broken)
    story = tell("ABC", fetch, concurrency=3)
    assert isinstance(story.raised, LookupError)
    assert ("A", OutcomeKind.OK) in story.outcomes
    assert not any(each.is_open for each in story.ledger.rows.values())


def test_what_granting_raises_is_raised_after_what_is_in_hand() -> None:
    class Broken(MemoryLedger):
        def reserve(self, request: PacingRequest, *more: object) -> object:  # type: ignore[override]
            if request.key == "B":
                raise ZeroDivisionError
            return super().reserve(request, *more)  # type: ignore[arg-type]

    story = Story(ledger=Broken())

    async def body(clock: VirtualClock) -> None:
        answers = fetch_all(map(window, "AB"), answering(clock), story.ledger, clock, Limits(), describe=as_hard)
        async with aclosing(answers) as found:
            with pytest.raises(ZeroDivisionError):
                async for one, outcome in found:
                    story.outcomes.append((one.instrument.symbol, outcome.kind))

    run(body)
    assert story.outcomes == [("A", OutcomeKind.OK)]


@pytest.mark.parametrize(("code", "rows"), [(322, 0), (162, 1)])
def test_too_many_open_requests_are_no_reason_to_stop_everybody_for_a_window(code: int, rows: int) -> None:
    def fetch(clock: VirtualClock) -> Callable[[Window, Heard], Awaitable[Outcome]]:
        async def one(_: Window, heard: Heard) -> Outcome:
            heard(clock.now())
            return Outcome(OutcomeKind.PACING, code=code, asked_at=clock.now(), answered_at=clock.now())

        return one

    story = tell("A", fetch)
    assert story.outcomes == [("A", OutcomeKind.PACING)]
    assert sum(each.key == COOL_DOWN for each in story.ledger.rows.values()) == rows
