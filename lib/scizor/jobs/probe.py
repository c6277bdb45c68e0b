"""bin/probe: some thirty questions about what a Gateway really does, asked once and after upgrades, and kept with their evidence.

In stages, each stored when it is over: what was learnt stays learnt whatever happens next. A question that cannot be settled
is kept with the reason, and never changes what was established before.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.base.protocols import PacingClass
from scizor.db import probes
from scizor.db import symbols as stored_symbols
from scizor.db.ledger import recent
from scizor.db.probes import SLOW_DOWN, Probe
from scizor.ib.concurrency import Concurrency
from scizor.ib.contracts import Qualified, qualify
from scizor.ib.history import current_time
from scizor.ib.pacing import Limits
from scizor.ib.plan import plan
from scizor.jobs import calendars
from scizor.jobs import probe_questions as questions
from scizor.jobs.asking import Asker, asking, describe
from scizor.jobs.listing import render
from scizor.jobs.probe_questions import QUESTIONS, Finding, Subject
from scizor.market import probed
from scizor.market.probed import Established, failure, unknown
from scizor.market.types import Outcome
from scizor.run.context import Context, Result

THIN_SINCE = timedelta(days=60)


def run(context: Context) -> Result:
    if context.args.show:
        return _show(context)
    subjects = choose(context)
    if context.args.dry_run:
        print(plan_of(context, subjects))
        return Result(was_idle=True)
    before = {(each.question, each.exchange): each for each in probes.load(context.connection, answered=True)}
    found, lost = asyncio.run(ask(context, subjects))
    return _tell(context, found, before, lost)


def choose(context: Context) -> list[Subject]:
    """With whom each exchange is asked. UsageError when there is nobody."""
    now, named = context.clock.now(), [stored_symbols.valid(each) for each in context.args.thin]
    instruments = stored_symbols.load_instruments(context.connection, now)
    stored_symbols.refuse_unknown(context.connection, named)
    sessions = calendars.load(context, instruments, now)
    settled = now - timedelta(minutes=context.config.collect.settle_minutes)
    found = questions.subjects(instruments, sessions, probes.thinnest(context.connection, now - THIN_SINCE), named, now, settled)
    if not found:
        raise UsageError("there is no symbol to ask with", hint="bin/symbols import etc/universe/*.csv")
    return found


def plan_of(context: Context, subjects: Sequence[Subject]) -> str:
    """Every request, what it is for, and when they would be done."""
    now, limits = context.clock.now(), Limits.of(context.config.pacing)
    asked = [each for place, subject in enumerate(subjects) for each in questions.basic(subject, place == 0).values()]
    asked += questions.timed(subjects[0])
    if _may_climb(context):
        asked += [each for _, group in questions.ladder(subjects[0]) for each in group]
    spent = recent(context.connection, now, timedelta(seconds=limits.history_seconds))
    planned = plan(asked, limits, now, history=spent, describe=lambda window, terms: describe(window, terms, PacingClass.PROBE, now))
    seconds = round((planned.eta - now).total_seconds())
    lines = [
        f"{planned.requests} requests, {planned.hard} of them under the hard rule, and {len(subjects)} contracts; done in about "
        f"{seconds} s, at {planned.eta:%Y-%m-%d %H:%M} UTC"
    ]
    for each in asked:
        end = "now" if each.until is None else f"{each.until:%Y-%m-%d %H:%M}"
        hours = "" if each.origin.regular_hours else " all hours"
        what = each.timeframe.value if each.what == "bars" else each.what.value
        lines.append(f"  {each.instrument.symbol:<8} {what:<8} {each.duration:>6} to {end:<16}{hours}  {each.purpose}")
    return "\n".join([*lines, "", "what is to be established:", *(f"  {name:<26} {why}" for name, why in QUESTIONS.items())])


async def ask(context: Context, subjects: Sequence[Subject]) -> tuple[list[Finding], str]:
    """All stages, each stored when it is over; and why the rest was not asked, if so."""
    found: list[Finding] = []
    async with asking(context) as asker:
        keep = partial(_keep, context, asker.connection.server_version, found)
        keep(gateway := await _gateway(asker))
        ahead = gateway[-1].established.measured.get("ahead_seconds")
        known = [await _contract(asker, each, keep) for each in subjects]
        main = next((each for each in known if each is not None), None)
        for subject in known:
            if subject is not None and not asker.stop.is_asked:
                asked = questions.basic(subject, subject is main)
                replies = await asker.ask(list(asked.values()), attempts_max=1)
                keep(questions.establish(subject, asked, replies, subject is main, ahead))
        if main is not None and not asker.stop.is_asked:
            keep(await _times(asker, main))
        if main is not None and not asker.stop.is_asked:
            keep(await _climb(asker, main))
        unasked = asker.connection.lost or "told to stop" if asker.stop.is_asked else ""
    return found, unasked


def _may_climb(context: Context) -> bool:
    """Under the strict regime every request stands under the hard rule: sixteen for a figure that nothing would use."""
    return not context.args.no_ladder and Limits.of(context.config.pacing).regime != "strict"


async def _gateway(asker: Asker) -> list[Finding]:
    version = asker.connection.server_version
    now = asker.context.clock.now
    before = now()
    said = await current_time(asker.connection, timeout_seconds=asker.context.config.gateway.request_timeout_seconds)
    if isinstance(said, Outcome):
        clock = unknown(failure(said))
    else:  # its answer is in whole seconds, cut off: half of one is the best guess
        ours = before + (now() - before) / 2
        clock = Established({}, {"ahead_seconds": round((said - ours).total_seconds() + 0.5, 1), "accuracy_seconds": 0.5})
    return [Finding("server-version", "", "", Established({"version": version}, {})), Finding("clock", "", "", clock)]


async def _contract(asker: Asker, subject: Subject, keep: Any) -> Subject | None:
    """The subject with its contracts known, and its hours; None when its liquid instrument has none to be had."""
    timeout = asker.context.config.gateway.request_timeout_seconds
    answer = await qualify(asker.connection, subject.liquid, timeout_seconds=timeout)
    if isinstance(answer, Qualified):
        hours = probed.hours(answer.time_zone, answer.trading_hours, answer.liquid_hours)
        subject = subject._replace(liquid=subject.liquid._replace(con_id=answer.con_id))
    else:
        hours = unknown(failure(answer))
    keep([Finding("hours", subject.exchange, subject.liquid.symbol, hours)])
    thin = subject.thin
    if thin is not None and thin.con_id is None:
        answer = await qualify(asker.connection, thin, timeout_seconds=timeout)
        if isinstance(answer, Qualified):
            subject = subject._replace(thin=thin._replace(con_id=answer.con_id))
        else:
            keep([Finding(probes.EMPTY_MINUTES, subject.exchange, thin.symbol, unknown(failure(answer)))])
            subject = subject._replace(thin=None)
    return subject if subject.liquid.con_id is not None else None


async def _times(asker: Asker, subject: Subject) -> list[Finding]:
    """One at a time, so that none waits for another."""
    replies = list((await asker.ask(questions.timed(subject), concurrency=Concurrency.fixed(1), attempts_max=1)).values())
    if not replies:
        return []
    numbers = tuple(each.request for each in replies)
    return [Finding("service-time", "", subject.liquid.symbol, questions.service(replies), numbers)]


async def _climb(asker: Asker, subject: Subject) -> list[Finding]:
    """1, 2, 4, 8 at once, and no further than where it slows."""
    if asker.context.args.no_ladder:
        return []
    if not _may_climb(asker.context):
        return [Finding(SLOW_DOWN, "", subject.liquid.symbol, unknown("pacing.regime is strict: every request is under the hard rule"))]
    rungs, numbers = [], []
    for width, asked in questions.ladder(subject):
        replies = list((await asker.ask(asked, concurrency=Concurrency.fixed(width), attempts_max=1)).values())
        if len(replies) < len(asked):  # told to stop: half a rung says nothing
            return []
        numbers += [each.request for each in replies]
        rungs.append(questions.rung(width, replies))
        if not questions.may_climb(rungs):
            break
    return [Finding(SLOW_DOWN, "", subject.liquid.symbol, probed.slow_down(rungs), tuple(numbers))]


def _keep(context: Context, version: int, found: list[Finding], fresh: Sequence[Finding]) -> None:
    """Stores them at once, and adds them to what is found."""
    found += fresh
    for each in fresh:
        judged = each.established
        row = partial(
            probes.store, run=context.row, at=context.clock.now(), server_version=version, question=each.question, exchange=each.exchange,
            symbol=each.symbol, answer=judged.answer, measured=judged.measured, reason=judged.reason, requests=list(each.requests),
        )  # fmt: skip
        context.transact(row)


# ---- telling ---------------------------------------------------------------------------------------------------------


def changed(finding: Finding, before: Probe | None) -> str:
    """What it was, where it is another now; empty where it is the same, was never asked, or is not established."""
    now = finding.established.answer
    if before is None or now is None or before.answer is None or dict(now) == before.answer:
        return ""
    if finding.question == "head-timestamp" and before.symbol != finding.symbol:
        return ""
    return f"was {_words(before.answer)} on {before.asked_at:%Y-%m-%d}"


def _tell(context: Context, found: Sequence[Finding], before: dict[tuple[str, str], Probe], unasked: str) -> Result:
    rows = []
    for each in found:
        judged = each.established
        rows.append({
            "exchange": each.exchange, "question": each.question, "symbol": each.symbol,
            "answer": judged.answer, "reason": judged.reason, "measured": judged.measured, "requests": list(each.requests),
            "changed": changed(each, before.get((each.question, each.exchange))),
        })  # fmt: skip
    print(as_json(rows) if context.args.json else as_text(rows))
    open_ = [row for row in rows if row["answer"] is None]
    news = [row for row in rows if row["changed"]]
    summary = f"{len(rows) - len(open_)} of {len(rows)} questions answered" + (f", {len(news)} differ from the last probe" if news else "")
    counts = {"targets": len(rows), "succeeded": len(rows) - len(open_), "failed": len(open_)}
    told = [f"changed: {_named(row)}: {_words(row['answer'])}, {row['changed']}" for row in news]
    told += [f"not established: {_named(row)}: {row['reason']}" for row in open_]
    told += [f"the rest was not asked: {unasked}"] if unasked else []
    if news:
        hint = "what the jobs expect follows the new answers from now on; bin/coverage shows what that means for stored sessions"
        return Result(summary, Exit.FINDING, told, hint=hint, counts=counts, kind="changed")
    if open_ or unasked:
        return Result(summary, Exit.PARTIAL, told, hint="each line says why; what was established before still holds", counts=counts)
    return Result(summary, counts=counts)


def _show(context: Context) -> Result:
    """The last record, and nobody is asked: of each question the newest answer, else why there is none."""
    latest = {(each.question, each.exchange): each for each in probes.load(context.connection)}
    latest |= {(each.question, each.exchange): each for each in probes.load(context.connection, answered=True)}
    if not latest:
        print("[]" if context.args.json else "nothing was ever asked: bin/probe")
        return Result(was_idle=True)
    order = list(QUESTIONS)
    rows = [
        {"exchange": each.exchange, "question": each.question, "symbol": each.symbol, "answer": each.answer, "reason": each.reason,
         "measured": each.measured, "requests": each.requests, "changed": "", "asked_at": each.asked_at, "server_version": each.server_version}
        for each in sorted(latest.values(), key=lambda each: (order.index(each.question) if each.question in order else 99, each.exchange))
    ]  # fmt: skip
    print(as_json(rows) if context.args.json else as_text(rows))
    return Result(was_idle=True)


def as_json(rows: Sequence[dict[str, Any]]) -> str:
    return json.dumps(list(rows), default=str, indent=1, ensure_ascii=False)


def as_text(rows: Sequence[dict[str, Any]]) -> str:
    """A line for each question."""
    shown = []
    for row in rows:
        at: datetime | None = row.get("asked_at")
        requests = row["requests"]
        evidence = "" if not requests else f"request {requests[0]}" + (f" and {len(requests) - 1} more" if len(requests) > 1 else "")
        answer = f"not established: {row['reason']}" if row["answer"] is None else _words(row["answer"]) or _measures(row["measured"])
        shown.append({**row, "answer": answer, "evidence": evidence, "asked": f"{at:%Y-%m-%d}" if at else None})
    return render(shown, ("question", "exchange", "symbol", "answer", "evidence", "asked", "changed"), "text")


def _named(row: dict[str, Any]) -> str:
    return " ".join(each for each in (row["question"], row["exchange"], row["symbol"]) if each)


def _words(answer: Any) -> str:
    """An answer in a few words: yes or no where that is all of it."""
    return ", ".join(f"{name.removeprefix('is_').replace('_', ' ')} {_word(value)}" for name, value in (answer or {}).items())


def _measures(measured: Any) -> str:
    if "kept" in measured:
        return f"{measured['kept']} at once" + (f", slows at {measured['slows_at']}" if measured["slows_at"] else ", no slow-down seen")
    if "seconds" in measured:
        return "; ".join(f"{each['bars']} bars to {each['end']} {each['median']} s" for each in measured["seconds"])
    return _words(measured)


def _word(value: object) -> str:
    return "yes" if value is True else "no" if value is False else str(value)
