"""Fetch and store: a connection to the Gateway, contracts, then windows under the pacing budget, each stored at once.

When the Gateway hangs up, what was in hand has ended with a typed outcome, and the rest goes on over a new connection, a
few times; after that the next run goes on. What is stored is never asked again, so it may be killed at any point.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from scizor.base.errors import UnreachableError
from scizor.base.exit import Exit
from scizor.base.progress import Progress, progress
from scizor.base.protocols import PacingClass
from scizor.db import events as stored_events
from scizor.db import probes
from scizor.db import windows as stored_windows
from scizor.db.connect import connect
from scizor.db.ledger import PostgresLedger
from scizor.db.retry import Link
from scizor.db.staging import FOREIGN
from scizor.db.windows import Stored
from scizor.db.writers import Writers
from scizor.ib import connection as gateway
from scizor.ib import history
from scizor.ib.connection import Connection
from scizor.ib.contracts import Qualified
from scizor.ib.pacing import Limits
from scizor.jobs import qualify
from scizor.market.calendar import venue
from scizor.market.expectations import AS_EVER, Expectations
from scizor.market.types import Outcome, OutcomeKind, Session, Window
from scizor.run.context import Context
from scizor.run.few import Few
from scizor.run.paced import fetch_all
from scizor.run.stop import Stop

RECONNECTS_MAX = 3
RECONNECT_SECONDS = 5.0  # before the first; doubles
LEG = 20  # windows between two looks at whether the caller has had enough
NO_PERMISSION_MAX = 5  # answers from one exchange that stop it for this run


@dataclass(slots=True)
class Tally:
    """What has come of the windows. failures: by kind and words, the symbols. stopped: windows that were not asked
    because their exchange gives no permission."""

    targets: int
    kinds: Counter[OutcomeKind] = field(default_factory=Counter)
    stored: int = 0
    revised: int = 0
    unchanged: int = 0
    quarantined: int = 0
    failures: dict[tuple[OutcomeKind, int | None, str], list[Window]] = field(default_factory=lambda: defaultdict(list))
    quiet: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # "no data" answers by exchange
    refused: Counter[str] = field(default_factory=Counter)
    stopped: Counter[str] = field(default_factory=Counter)
    foreign: list[Window] = field(default_factory=list)  # answered with another contract's bars: none of them was stored
    lost: str = ""
    is_cut: bool = False  # the caller had enough, and chooses anew

    @property
    def done(self) -> int:
        return sum(self.kinds.values())

    def add(self, other: Tally) -> None:
        """What came of more windows. Of those of a run that was cut, only what was asked counts: the rest is chosen anew."""
        self.targets += other.done + sum(other.stopped.values()) if other.is_cut else other.targets
        self.kinds.update(other.kinds)
        self.refused.update(other.refused)
        self.stopped.update(other.stopped)
        self.stored += other.stored
        self.revised += other.revised
        self.unchanged += other.unchanged
        self.quarantined += other.quarantined
        self.foreign += other.foreign
        for cause, windows in other.failures.items():
            self.failures[cause] += windows
        for exchange, count in other.quiet.items():
            self.quiet[exchange] += count
        self.lost, self.is_cut = other.lost, other.is_cut


Sessions = Mapping[str, Sequence[Session]]


async def collect(
    context: Context, windows: Sequence[Window], sessions: Sessions, *, label: str = "daily bars",
    pacing_class: PacingClass = PacingClass.DAILY, enough: Callable[[], bool] | None = None,
) -> Tally:  # fmt: skip
    """Fetches and stores all windows, reconnecting if need be. label: what the progress bar says. enough: asked now and then;
    when it says so nothing more is asked, and the tally is cut. Raises UnreachableError or
    RefusedError when not even the first connection came about."""
    tally, left = Tally(len(windows)), list(windows)
    with progress(label, len(windows)) as bar, pacing_ledger(context) as ledger, _writers(context) as writers:
        work = _Work(context, sessions, pacing_class, ledger, writers, tally, bar, probes.expectations(context.connection), enough)
        for attempt in range(RECONNECTS_MAX + 1):
            if attempt:
                context.log.warning("the Gateway hung up (%s): connecting again", tally.lost)
                await _pause(context, RECONNECT_SECONDS * 2 ** (attempt - 1))
            if not left or tally.is_cut or context.stop.is_asked:
                break
            async with recorded_events(context) as events, AsyncExitStack() as stack:
                connecting = gateway.connect(context.config.gateway, context.config.mode, context.clock, on_event=events.note)
                try:
                    connection = await stack.enter_async_context(connecting)
                except UnreachableError as problem:
                    if attempt == 0:
                        raise
                    tally.lost = problem.message
                    continue
                left = await _over_one_connection(work, connection, left, events)
                tally.lost = connection.lost
    return tally


@dataclass(frozen=True, slots=True)
class _Work:
    """What all connections of a run have in common."""

    context: Context
    sessions: Sessions
    pacing_class: PacingClass
    ledger: PostgresLedger
    writers: Writers
    tally: Tally
    bar: Progress
    expectations: Mapping[str, Expectations]
    enough: Callable[[], bool] | None = None

    async def keep(self, window: Window, outcome: Outcome) -> None:
        """One transaction: the request, its bars, what the coverage makes of it. Done again when the database went away in
        the middle: a commit in doubt may be repeated."""
        context, calendar, now = self.context, self.sessions[window.instrument.calendar], self.context.clock.now()
        wanted = self.expectations.get(venue(window.instrument), AS_EVER)
        storing = self.writers.submit(
            lambda connection: stored_windows.store(connection, context.run, None, window, outcome, now, sessions=calendar, expectations=wanted)
        )
        _add(self.tally, window, await asyncio.wrap_future(storing))
        self.bar(1, text=window.instrument.symbol)


async def _over_one_connection(
    work: _Work, connection: Connection, windows: list[Window], events: stored_events.Recorder
) -> list[Window]:
    """What one connection could do; returns the windows that it could not."""
    context, tally = work.context, work.tally
    stop = Stop()
    watch = asyncio.create_task(pass_on_stop(context.stop, connection, stop))
    try:
        ready, again = await _qualify(work, connection, windows)
        timeout = context.config.gateway.request_timeout_seconds

        async def fetch(window: Window, on_first_frame: Callable[[datetime], None]) -> Outcome:
            return await history.fetch(connection, window, timeout_seconds=timeout, on_first_frame=on_first_frame)

        waiting = dict.fromkeys(ready)
        limits = limits_of(context)
        asked = fetch_all(
            _allowed(ready, work), fetch, work.ledger, context.clock, limits, pacing_class=work.pacing_class, stop=stop
        )
        async with aclosing(asked) as answers, Few(work.writers.count) as storing:
            async for window, outcome in answers:
                await storing.start(work.keep(window, outcome))
                await asyncio.to_thread(events.flush)
                del waiting[window]
                if connection.lost and outcome.kind is OutcomeKind.ERROR and outcome.code is None:
                    again.append(replace(window, attempt=window.attempt + 1))
                else:
                    _count(tally, window, outcome)
        return again + [each for each in waiting if venue(each.instrument) not in tally.stopped]
    finally:
        watch.cancel()


def limits_of(context: Context) -> Limits:
    """As configured; how many to begin with as bin/probe measured it, unless a person has chosen a number of his own."""
    limits = Limits.of(context.config.pacing)
    if limits.soft_open_first != Limits().soft_open_first:
        return limits
    return replace(limits, soft_open_first=min(probes.open_first(context.connection, limits.soft_open_first), limits.open_max))


@asynccontextmanager
async def recorded_events(context: Context) -> AsyncIterator[stored_events.Recorder]:
    """What the connection said, written at the latest when it is over: a refusal and its end are the last words."""
    events = stored_events.Recorder(context.transact, context.run)
    try:
        yield events
    finally:
        events.flush()


async def _pause(context: Context, seconds: float) -> None:
    """So long, or until somebody asks the run to stop."""
    with suppress(TimeoutError):
        async with context.clock.timeout(seconds):
            await context.stop.wait()


def _writers(context: Context) -> Writers:
    """The connections over which windows are stored."""
    server = context.server
    assert server is not None
    return Writers(lambda: Link(lambda: connect(server, application=context.name), context.clock))


@contextmanager
def pacing_ledger(context: Context) -> Iterator[PostgresLedger]:
    """The shared budget, on a connection of its own: it works in a thread beside the one that stores."""
    server = context.server
    assert server is not None
    ledger = PostgresLedger(
        lambda: connect(server, application=context.name), context.clock, application=context.name,
        history_seconds=Limits.of(context.config.pacing).history_seconds,
    )  # fmt: skip
    with closing(ledger):
        yield ledger


async def pass_on_stop(asked: Stop, connection: Connection, stop: Stop) -> None:
    """Passes on whichever comes first: somebody asks the run to stop, or the connection is lost."""
    waits = {asyncio.create_task(asked.wait()), asyncio.create_task(connection.until_lost())}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        stop.ask(asked.status or Exit.UNREACHABLE)
    finally:
        for each in waits:
            each.cancel()


async def _qualify(
    work: _Work, connection: Connection, windows: Sequence[Window]
) -> tuple[list[Window], list[Window]]:
    """Windows whose contract is known, asking IB for those that are not; and those that could not be asked about."""
    unknown = {each.instrument.symbol_id: each.instrument for each in windows if each.instrument.con_id is None}
    answers = await qualify.ask(work.context, connection, list(unknown.values()))
    ready: list[Window] = []
    again: list[Window] = []
    for window in windows:
        answer = answers.get(window.instrument.symbol_id)
        if window.instrument.con_id is not None:
            ready.append(window)
        elif isinstance(answer, Qualified):
            ready.append(replace(window, instrument=window.instrument._replace(con_id=answer.con_id)))
        elif answer is None:
            again.append(window)
        else:
            await work.keep(window, answer)
            _count(work.tally, window, answer)
    return ready, again


def _allowed(windows: Sequence[Window], work: _Work) -> Iterator[Window]:
    """Windows in order, without those of an exchange that has refused five for want of permission by now; to the end, or until
    the caller has had enough."""
    tally = work.tally
    for count, window in enumerate(windows):
        if work.enough and count and count % LEG == 0 and work.enough():
            tally.is_cut = True
            return
        exchange = venue(window.instrument)
        if tally.refused[exchange] >= NO_PERMISSION_MAX:
            tally.stopped[exchange] += 1
        else:
            yield window


def _add(tally: Tally, window: Window, done: Stored) -> None:
    if done.rules.get(FOREIGN):
        tally.foreign.append(window)
    tally.stored += done.stored
    tally.revised += done.revised
    tally.unchanged += done.unchanged
    tally.quarantined += done.quarantined


def _count(tally: Tally, window: Window, outcome: Outcome) -> None:
    tally.kinds[outcome.kind] += 1
    exchange = venue(window.instrument)
    if outcome.kind is OutcomeKind.NO_PERMISSION:
        tally.refused[exchange] += 1
    if outcome.kind is OutcomeKind.EMPTY_UNCONFIRMED:
        tally.quiet[exchange] += 1
    elif outcome.kind not in (OutcomeKind.OK, OutcomeKind.EMPTY_CONFIRMED):
        tally.failures[outcome.kind, outcome.code, outcome.text].append(window)
