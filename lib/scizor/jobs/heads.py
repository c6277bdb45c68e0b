"""Where IB's history of a symbol begins: asked for before a backfill that would otherwise ask for years of nothing.

A head timestamp costs a slot of the hard rule, ten seconds of the whole login's budget. So it is asked for only where a run
has two requests or more of a symbol to save, nothing stored says that the symbol was traded by then, and nobody said when it
was listed; and once, for it is kept. The sessions before it are explained as not listed, with that answer as their evidence.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

from scizor.base.protocols import PacingClass
from scizor.db import coverage as stored_coverage
from scizor.db import heads as stored
from scizor.db import windows as stored_windows
from scizor.db.connect import Connection
from scizor.db.heads import Head
from scizor.db.series import origin_id
from scizor.ib.contracts import Qualified
from scizor.jobs import qualify
from scizor.jobs.asking import Question, What, asking
from scizor.market import chunks
from scizor.market.chunks import Want
from scizor.market.coverage import dates_of, unfold
from scizor.market.exchanges import ZONES
from scizor.market.types import Coverage, Origin, Outcome, OutcomeKind, Session, Timeframe, Window
from scizor.run.context import Context

SAVES_LEAST = 2  # requests of one symbol; one costs as much as the question
ASKED_AGAIN = timedelta(days=1)  # where IB did not say


def learn(context: Context, wants: Sequence[Want], windows: Sequence[Window], pacing_class: PacingClass) -> int:
    """Asks for the heads that would save requests among these windows, and keeps them; returns how many. Raises
    UnreachableError and RefusedError of the connection."""
    asked = worth_asking(context, wants, windows)
    if asked:
        asyncio.run(_ask(context, asked, pacing_class))
    return len(asked)


def worth_asking(context: Context, wants: Sequence[Want], windows: Sequence[Window]) -> list[Question]:
    """One question a symbol and origin, from the first day that is wanted to now."""
    now, known = context.clock.now(), stored.load(context.connection)
    saves = Counter(
        (each.instrument.symbol_id, each.origin) for each in windows if each.timeframe is not Timeframe.DAY1
    )
    traded = _traded_since(context)
    found: dict[tuple[int, Origin], Question] = {}
    for want in wants:
        instrument, key = want.instrument, (want.instrument.symbol_id, want.origin)
        head = known.get(key)
        is_known = head is not None and (head.begins is not None or now - head.asked_at < ASKED_AGAIN)
        since = traded.get(instrument.symbol_id)
        if (
            saves[key] < SAVES_LEAST or is_known or instrument.listed_from or instrument.refused or want.timeframe is Timeframe.DAY1
            or (since is not None and since <= want.first.toordinal())
        ):  # fmt: skip
            continue
        if key not in found or want.first < found[key].first:
            found[key] = Question(
                instrument, Timeframe.DAY1, want.first, max(want.first, now.date()), want.origin, what=What.HEAD,
                purpose="where its history begins",
            )  # fmt: skip
    return list(found.values())


def explain(context: Context, wants: Sequence[Want], sessions: Mapping[str, Sequence[Session]]) -> int:
    """Marks the sessions before a known head that nobody has asked for yet; returns how many series had such. May be repeated."""
    known = stored.load(context.connection)
    series: dict[tuple[Timeframe, Origin], list[tuple[Want, Head]]] = {}
    for want in wants:
        head = known.get((want.instrument.symbol_id, want.origin))
        if head is not None and head.begins is not None and not want.instrument.refused:
            series.setdefault((want.timeframe, want.origin), []).append((want, head))
    count = 0
    for (timeframe, origin), each in series.items():
        number, ids = origin_id(context.connection, origin), [want.instrument.symbol_id for want, _ in each]
        coverages = stored_coverage.load(context.connection, timeframe, origin, number, ids)
        for want, head in each:
            calendar = sessions[want.instrument.calendar]
            window = _before(want, head, coverages.get(want.instrument.symbol_id), calendar)
            if window is not None:
                context.transact(partial(_keep, context, window, head, calendar))
                count += 1
    return count


def _before(want: Want, head: Head, coverage: Coverage | None, sessions: Sequence[Session]) -> Window | None:
    """From the first session that is wanted to the last before the head, where nothing is known of one of them."""
    assert head.begins is not None
    begins = head.begins.astimezone(ZoneInfo(ZONES.get(want.instrument.calendar, "UTC"))).date()
    first = max(want.first, want.instrument.listed_from or want.first)
    dates = [each for each in dates_of(sessions) if first <= each < begins]
    if not dates or (coverage and None not in unfold(coverage, dates)):
        return None
    return chunks.window(want, dates[0], dates[-1])


def _keep(context: Context, window: Window, head: Head, calendar: Sequence[Session], connection: Connection) -> None:
    """The request's row is the evidence: the head's own instant, and its words."""
    text = f"IB's history begins {head.begins:%Y-%m-%d %H:%M} UTC (head timestamp)"
    outcome = Outcome(OutcomeKind.EMPTY_CONFIRMED, (), None, text, False, head.asked_at, head.asked_at)
    stored_windows.store(connection, context.run, None, window, outcome, context.clock.now(), sessions=calendar)


def _traded_since(context: Context) -> dict[int, int]:
    """By symbol id, the oldest day (ordinal) of which a bar of any size is stored."""
    since: dict[int, int] = {}
    for timeframe, origin, number in stored_coverage.kinds(context.connection):
        for symbol_id, each in stored_coverage.load(context.connection, timeframe, origin, number).items():
            if each.spans:
                since[symbol_id] = min(since.get(symbol_id, 1 << 30), min(each.spans).first.toordinal())
    return since


async def _ask(context: Context, asked: Sequence[Question], pacing_class: PacingClass) -> None:
    """Over a connection of its own, under the one budget. What IB does not say is kept as such."""
    async with asking(context, pacing_class) as asker:
        unknown = {each.instrument.symbol_id: each.instrument for each in asked if each.instrument.con_id is None}
        contracts = await qualify.ask(context, asker.connection, list(unknown.values()))
        questions = [each for question in asked if (each := _qualified(question, contracts)) is not None]
        for question, reply in (await asker.ask(questions)).items():
            answer = reply.head or reply.outcome
            keep = partial(
                stored.store, request=reply.request, instrument=question.instrument, origin=question.origin, answer=answer, now=context.clock.now()
            )
            context.transact(keep)
            if isinstance(answer, Outcome):
                context.log.warning("%s: IB did not say where its history begins: %s", question.instrument.symbol, answer.text)


def _qualified(question: Question, contracts: Mapping[int, Qualified | Outcome]) -> Question | None:
    """The question with its contract; None where IB knows none."""
    if question.instrument.con_id is not None:
        return question
    answer = contracts.get(question.instrument.symbol_id)
    if not isinstance(answer, Qualified):
        return None
    return replace(question, instrument=question.instrument._replace(con_id=answer.con_id))
