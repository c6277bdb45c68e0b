"""Questions about the Gateway itself, beside those for bars to keep: asked under the same budget, each with its row of
collection_logs as evidence. What comes back is handed on as it came, and no bar of it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from scizor.base.protocols import PacingClass, PacingRequest
from scizor.db import requests
from scizor.db.ledger import PostgresLedger
from scizor.db.series import origin_id
from scizor.ib import connection as gateway
from scizor.ib import history, pacing
from scizor.ib.concurrency import Concurrency
from scizor.ib.connection import Connection
from scizor.ib.history import ScheduledSession
from scizor.ib.pacing import Asked, Limits
from scizor.jobs.fetching import pacing_ledger, pass_on_stop, recorded_events
from scizor.market.types import Outcome, OutcomeKind, Window
from scizor.run.context import Context
from scizor.run.paced import fetch_all
from scizor.run.stop import Stop

NOTHING_KEPT = dict.fromkeys(("records_collected", "stored", "revised", "unchanged", "quarantined", "duplicates", "unfinished"), 0)


class What(StrEnum):
    BARS = "bars"
    HEAD = "head"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class Question(Window):
    """One request. duration: in IB's words, counted back from `until` (aware; None: now); of a schedule, its days. first, last:
    the session dates that it is about. purpose: for people. number: tells two equal ones apart."""

    what: What = What.BARS
    duration: str = "1 D"
    until: datetime | None = None
    purpose: str = ""
    number: int = 0


class Reply(NamedTuple):
    """outcome: how it ended, with the bars if it was about bars. request: its row of collection_logs."""

    question: Question
    outcome: Outcome
    request: int
    sessions: tuple[ScheduledSession, ...] = ()
    head: datetime | None = None


@dataclass(frozen=True, slots=True)
class Asker:
    """An open connection and the budget that all share. stop: asked by a person, or when the connection is lost. pacing_class:
    behind whom the questions stand."""

    context: Context
    connection: Connection
    ledger: PostgresLedger
    stop: Stop
    pacing_class: PacingClass = PacingClass.PROBE

    async def ask(
        self, questions: Sequence[Question], *, concurrency: Concurrency | None = None, attempts_max: int = 3
    ) -> dict[Question, Reply]:
        """Those that were asked, with what came; after somebody asks to stop, what is in hand is finished and the rest is
        absent. Contracts must be known."""
        heard: dict[Question, tuple[tuple[ScheduledSession, ...], datetime | None]] = {}
        ended: list[tuple[Question, Outcome]] = []

        async def fetch(window: Window, on_first_frame: Callable[[datetime], None]) -> Outcome:
            assert isinstance(window, Question)
            outcome, sessions, head = await self._one(window, on_first_frame)
            heard[window] = (sessions, head)
            return outcome

        limits = Limits.of(self.context.config.pacing)
        asked = fetch_all(
            questions, fetch, self.ledger, self.context.clock, limits, pacing_class=self.pacing_class, describe=describe,
            concurrency=concurrency, attempts_max=attempts_max, stop=self.stop,
        )  # fmt: skip
        async with aclosing(asked) as answers:
            async for window, outcome in answers:
                assert isinstance(window, Question)
                ended.append((window, outcome))
        return {each: Reply(each, outcome, self._keep(each, outcome), *heard[each]) for each, outcome in ended}

    async def _one(
        self, question: Question, on_first_frame: Callable[[datetime], None]
    ) -> tuple[Outcome, tuple[ScheduledSession, ...], datetime | None]:
        timeout = self.context.config.gateway.request_timeout_seconds
        if question.what is What.BARS:
            return await history.fetch_uncut(
                self.connection, question, until=question.until, duration=question.duration, timeout_seconds=timeout,
                on_first_frame=on_first_frame,
            ), (), None  # fmt: skip
        clock, at = self.context.clock, self.context.clock.now()
        if question.what is What.HEAD:
            head = await history.head(
                self.connection, question.instrument, kind=question.origin.kind, regular_hours=question.origin.regular_hours,
                timeout_seconds=timeout, on_first_frame=on_first_frame,
            )  # fmt: skip
            return (head, (), None) if isinstance(head, Outcome) else (_had(at, clock.now()), (), head)
        days = int(question.duration.split()[0])
        found = await history.schedule(
            self.connection, question.instrument, days=days, end=question.until, timeout_seconds=timeout, on_first_frame=on_first_frame
        )
        return (found, (), None) if isinstance(found, Outcome) else (_had(at, clock.now()), found, None)

    def _keep(self, question: Question, outcome: Outcome) -> int:
        """Its row of collection_logs: evidence has a number."""
        now = self.context.clock.now()

        def write(connection: requests.Connection) -> int:
            with connection.transaction():
                origin = origin_id(connection, question.origin)
                request = requests.open_request(connection, self.context.row, question, origin, outcome.asked_at or now)
                requests.store_request(
                    connection, request, self.context.row, question, origin, outcome, NOTHING_KEPT, now, is_pending=True
                )
            return request

        return self.context.transact(write)


def _had(asked_at: datetime, answered_at: datetime) -> Outcome:
    return Outcome(OutcomeKind.OK, asked_at=asked_at, answered_at=answered_at)


def describe(window: Window, limits: Limits, pacing_class: PacingClass, now: datetime) -> PacingRequest:
    """A question as pacing sees it; a head timestamp stands under the hard rule whatever its bar size."""
    assert isinstance(window, Question)
    request = pacing.request_for(window, limits, pacing_class)
    rule = pacing.rule_for(Asked.HEAD_TIMESTAMP if window.what is What.HEAD else window.timeframe, limits.regime)
    hours = "rth" if window.origin.regular_hours else "all"
    until = "now" if window.until is None else window.until.isoformat()
    key = f"{request.contract_key}/{window.what}/{window.timeframe}/{hours}/{window.duration} to {until}"
    return PacingRequest(key, request.contract_key, rule, request.weight, pacing_class)


@asynccontextmanager
async def asking(context: Context, pacing_class: PacingClass = PacingClass.PROBE) -> AsyncIterator[Asker]:
    """A connection for questions. UnreachableError and RefusedError where there is none to be had; one that is lost on the way
    fails what was open and leaves the rest unasked."""
    with pacing_ledger(context) as ledger:
        async with (
            recorded_events(context) as events,
            gateway.connect(context.config.gateway, context.config.mode, context.clock, on_event=events.note) as connection,
        ):
            stop = Stop()
            watch = asyncio.create_task(pass_on_stop(context.stop, connection, stop))
            try:
                yield Asker(context, connection, ledger, stop, pacing_class)
            finally:
                watch.cancel()
