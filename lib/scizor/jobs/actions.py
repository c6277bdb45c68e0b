"""bin/actions: corporate actions, from the first sign to the last restated bar.

detect looks at every daily answer that changed what was stored: candidates and an alert, and no bar is touched. A person
confirms or rejects. A confirmed split makes IB's daily history due for one fetch (refetch), as one batch of restatements,
and everything else is converted by its ratio at once, as revisions: what was stored before is in bars_history.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.base.protocols import Message, Severity
from scizor.db import actions as stored
from scizor.db import symbols as stored_symbols
from scizor.db.actions import Action, Answer, Refetch, Stale
from scizor.db.outbox import PostgresOutbox
from scizor.jobs import calendars, fetching, listing, telling
from scizor.jobs.action_add import add, ratio
from scizor.jobs.listing import tell
from scizor.market import actions, basis, due
from scizor.market.actions import Finding, Step, Type, Verdict
from scizor.market.ladder import ladder
from scizor.market.types import Timeframe, Window
from scizor.run.context import Context, Result

COLUMNS = ("id", "symbol", "ex_date", "type", "ratio", "amount", "state", "noticed_at", "decided_at", "evidence")
SHOWN = 5  # sessions that an evidence quotes
DETECT = "detect"
SUSPECT = timedelta(days=7)  # how old a session's gap may be, to be worth a question


def run(context: Context) -> Result:
    command = {"list": _list, "detect": _detect, "confirm": _confirm, "reject": _reject, "refetch": _refetch, "add": add}
    return command[context.args.command](context)


def _list(context: Context) -> Result:
    args = context.args
    found = stored.load(context.connection, symbols=[stored_symbols.valid(each) for each in args.symbol] or None, decided=args.all)
    rows = [
        {**each._asdict(), "ratio": ratio_text(each.new, each.old), "evidence": said(each.evidence) if args.form == "text" else each.evidence}
        for each in found
    ]
    if not rows and args.form == "text":
        return tell("no corporate action waits for a decision" if not args.all else "no corporate action is known")
    print(listing.render(rows, COLUMNS, args.form))
    return Result()


# The search


def _detect(context: Context) -> Result:
    now, connection = context.clock.now(), context.connection
    since = None if context.args.all else stored.since(connection, context.name, DETECT)
    found = stored.answers(connection, since)
    lines: list[str] = []
    with connection.transaction(force_rollback=context.args.dry_run):
        for answer in found:
            lines += judge(context, answer, now)
        lines += _suspicions(context, since, now)
    for line in lines:
        context.log.warning("%s", line)
    waiting = stored.load(connection, decided=False)
    if context.args.dry_run:
        return tell("\n".join([f"{len(found)} answers would be searched", *lines]))
    if not waiting:
        return Result(f"{len(found)} answers searched, nothing to decide", was_idle=not found)
    return Result(
        f"{len(waiting)} corporate {'action waits' if len(waiting) == 1 else 'actions wait'} for a decision", Exit.FINDING,
        [f"{described(each)}: {said(each.evidence)}" for each in waiting], hint="bin/actions list, then confirm ID or reject ID",
        counts={"targets": len(found), "succeeded": len(found)},
    )  # fmt: skip


def judge(context: Context, answer: Answer, now: datetime) -> list[str]:
    """What one answer says of the price basis: candidates into the table, an alert for each new one, a line for each."""
    before, after, known_from = stored.overlap(context.connection, answer)
    finding = actions.compare(
        before, after, ladder(answer.calendar).tick_size, asked=answer.asked_before, pays_dividends=answer.kind == "ADJUSTED_LAST"
    )
    lines = []
    if finding.verdict is Verdict.FOREIGN:
        last = max((day for day in known_from), default=answer.first)
        ex_date = stored.next_session(context.connection, answer.calendar, last)
        evidence = {**_evidence(answer, finding), "why": "most sessions fit no common factor: another company's bars"}
        lines += _put(context, answer.symbol_id, "code-change", ex_date, basis.effective_at(ex_date, answer.calendar), evidence, now)
    known = stored.load(context.connection, symbols=[answer.symbol]) if finding.steps else []
    for step in finding.steps:
        ex_date = step.ex_date or stored.next_session(context.connection, answer.calendar, step.after)
        if step.type is not Type.DIVIDEND and stored.same_split(known, step.after, ex_date, step.new, step.old):
            continue
        if not step.new:
            lines.append(f"{answer.symbol} {ex_date}: prices step by {step.low:.4f}..{step.high:.4f}, which is no ratio; nothing is done")
            continue
        old_basis = max((known_from[day] for day in known_from if day <= step.after), default=None)
        effective = basis.effective_at(ex_date, answer.calendar, old_basis, answer.completed_at)
        evidence = {**_evidence(answer, finding), **_evidence_of(step), "bars": _pairs(before, after, step)}
        type_ = "dividend" if step.type is Type.DIVIDEND else "split"
        ratio = {"amount": step.amount} if step.type is Type.DIVIDEND else {"new": step.new, "old": step.old}
        lines += _put(context, answer.symbol_id, type_, ex_date, effective, evidence, now, **ratio)
    return lines


def _suspicions(context: Context, since: datetime | None, now: datetime) -> list[str]:
    """Overnight gaps of a week that a split could have made, and no overlap has shown one (yet): candidates with their doubt.
    A vendor may be late with his new basis, or never adjust."""
    lines = []
    first = now.date() - SUSPECT
    for gap in stored.gaps(context.connection, since or datetime.combine(first, time(), UTC), first, actions.GAP_LEAST):
        found = actions.suspect(gap.before, gap.opening, ladder(gap.calendar).tick_size)
        known = stored.load(context.connection, symbols=[gap.symbol]) if found else []
        if found is None or any(each.type == "split" and each.ex_date == found.day for each in known):
            continue
        evidence = {
            "method": "gap", "request": gap.request, "close_before": gap.before[-1].close, "open": gap.opening.open, "volume": gap.opening.volume,
            "doubt": "an overnight gap and its volume alone: bad or good news makes one too; no overlap shows another basis",
        }  # fmt: skip
        effective = basis.effective_at(found.day, gap.calendar)
        lines += _put(context, gap.symbol_id, "split", found.day, effective, evidence, now, new=found.new, old=found.old)
    return lines


def _put(
    context: Context, symbol_id: int, type_: str, ex_date: date, effective_at: datetime, evidence: dict[str, Any], now: datetime, **ratio: Any
) -> list[str]:
    done = stored.put(context.connection, symbol_id, type_, ex_date, effective_at, evidence, now, **ratio)
    if done is None:
        return []
    (found,) = stored.load(context.connection, id=done[0])
    text = described(found)
    body = (
        f"{text}.\n{said(evidence)}\nNothing was changed. Stored bars from before {ex_date} stand on the former basis.\n"
        f"HINT: bin/actions list; bin/actions confirm {found.id}, or bin/actions reject {found.id}"
    )
    _alert(context, found, f"corporate action to decide: {text}", body, now)
    return [text]


def _alert(context: Context, action: Action, subject: str, body: str, now: datetime, *, recovered: bool = False) -> None:
    fingerprint = f"actions/{action.symbol}/{action.type}/{action.id}"
    labels = {"job": context.name, "symbol": action.symbol}
    PostgresOutbox(context.connection).put(Message(fingerprint, Severity.HIGH, subject, body, now, recovered, labels))


def _evidence(answer: Answer, finding: Finding) -> dict[str, Any]:
    return {
        "method": "overlap", "request": answer.id, "overlap": finding.overlap, "strange": [str(each) for each in finding.strange[:SHOWN]],
        "refused": answer.is_refused,
    }  # fmt: skip


def _evidence_of(step: Step) -> dict[str, Any]:
    doubt = {"doubt": f"volumes: {step.volumes}"} if step.type is Type.UNCLEAR else {}
    return {
        "after": str(step.after), "low": step.low, "high": step.high, "sessions": step.sessions, "volumes": str(step.volumes), **doubt
    }


def _pairs(before: Sequence[Any], after: Sequence[Any], step: Step) -> list[list[Any]]:
    """Some of the sessions that bear witness: day, close and volume as they were, and as they came back."""
    fetched = {each.start: each for each in after}
    shown = [each for each in before if each.start <= step.after and each.start in fetched][-SHOWN:]
    return [[str(each.start), each.close, fetched[each.start].close, each.volume, fetched[each.start].volume] for each in shown]


def said(evidence: dict[str, Any]) -> str:
    """An evidence in a line."""
    words = [f"request {evidence['request']}"] if "request" in evidence else []
    if "sessions" in evidence:
        words.append(f"{evidence['sessions']} of {evidence['overlap']} sessions agree, volumes {evidence['volumes']}")
    words += [str(evidence[each]) for each in ("why",) if each in evidence]
    words += [f"doubt: {evidence['doubt']}"] if "doubt" in evidence else []
    words += ["the answer was refused as another contract's"] if evidence.get("refused") else []
    return "; ".join(words)


def described(action: Action) -> str:
    what = f"{action.type} {ratio_text(action.new, action.old)}".rstrip()
    amount = f" {action.amount:g}" if action.amount is not None else ""
    return f"{action.symbol} {what}{amount} on {action.ex_date} (number {action.id})"


def ratio_text(new: int | None, old: int | None) -> str:
    return f"{new}:{old}" if new and old else ""


# A person's word


def _confirm(context: Context) -> Result:
    action, args, now = _candidate(context), context.args, context.clock.now()
    new, old = _ratio(args, action)
    ex_date = due.parse_date(args.ex_date, date.max) if args.ex_date else action.ex_date
    effective = action.effective_at
    if effective is None or ex_date != action.ex_date:
        effective = basis.effective_at(ex_date, action.calendar)
    if effective > now:
        raise UsageError(f"{described(action)} takes effect at {effective:%Y-%m-%d %H:%M} UTC", hint="until then bars are fetched on the former basis: confirm it afterwards")
    lines: list[str] = []
    with context.connection.transaction(force_rollback=args.dry_run):
        if not stored.decide(context.connection, action, "confirmed", now, ex_date=ex_date, effective_at=effective, new=new, old=old):
            raise UsageError(f"{described(action)} was decided meanwhile", hint="bin/actions list --all")
        (confirmed,) = stored.load(context.connection, id=action.id)
        if action.type == "split" and new and old:
            lines = _restate(context, confirmed, effective, new, old, now)
        _alert(context, confirmed, "", "", now, recovered=True)
    verb = "would be confirmed" if args.dry_run else "confirmed"
    return tell("\n".join([f"{verb}: {described(confirmed)}", *lines]))


def _restate(context: Context, action: Action, effective_at: datetime, new: int, old: int, now: datetime) -> list[str]:
    """Converts what is converted, and says what is due for a fetch."""
    lines = []
    for series in stored.stale(context.connection, action, action.ex_date, effective_at):
        if series.is_fetched:
            lines.append(f"{_named(series)}: {series.first}..{series.last} is due for one fetch: bin/actions refetch")
            continue
        batch = stored.convert(context.connection, action, series, action.ex_date, effective_at, new, old, now)
        lines.append(f"{_named(series)}: {batch.bars} bars converted by {new}:{old}, the former ones are in bars_history")
    return lines


def _reject(context: Context) -> Result:
    """A candidate touches no bar. What was confirmed by mistake is undone: its conversions get their former values again."""
    action, now = _candidate(context, or_confirmed=True), context.clock.now()
    undone = 0
    with context.connection.transaction(force_rollback=context.args.dry_run):
        if action.state == "confirmed":
            batch = stored.revert(context.connection, action, now)
            if batch is None:
                raise UsageError(f"another split has converted the bars of {described(action)} since", hint="reject that one first, newest first")
            undone = batch.bars
        stored.decide(
            context.connection, action, "rejected", now, ex_date=action.ex_date, effective_at=action.effective_at, new=action.new,
            old=action.old, former=action.state,
        )  # fmt: skip
        _alert(context, action, "", "", now, recovered=True)
    verb = "would be rejected" if context.args.dry_run else "rejected"
    return tell(f"{verb}: {described(action)}; {f'{undone} bars have their former values again' if undone else 'no bar is touched'}")


def _candidate(context: Context, *, or_confirmed: bool = False) -> Action:
    found = stored.load(context.connection, id=context.args.id)
    if not found:
        raise UsageError(f"there is no corporate action {context.args.id}", hint="bin/actions list --all")
    if found[0].state != "candidate" and not (or_confirmed and found[0].state == "confirmed"):
        raise UsageError(f"{described(found[0])} is {found[0].state} already", hint="bin/actions list --all")
    return found[0]


def _ratio(args: argparse.Namespace, action: Action) -> tuple[int | None, int | None]:
    if not args.ratio:
        return action.new, action.old
    new, old = ratio(args.ratio)
    if action.type not in ("split", "code-change"):
        raise UsageError(f"a {action.type} has no ratio")
    return new, old


# The one fetch


def _refetch(context: Context) -> Result:
    """Fetches each due daily history as a whole, over the one path to bars, and notes the batch."""
    now, connection = context.clock.now(), context.connection
    found = stored.refetches(connection)
    if not found:
        return Result("no daily history is due for a restatement", was_idle=True)
    windows = _windows(context, found, now)[: context.args.limit]
    if context.args.dry_run:
        lines = [f"{each.instrument.symbol} {each.first}..{each.last}, {each.origin.kind}" for each in windows]
        print("\n".join(["one request each:", *lines]))
        return Result(was_idle=True)
    sessions = calendars.load(context, [each.instrument for each in windows], now, earliest=min(each.first for each in windows))
    tally = asyncio.run(fetching.collect(context, windows, sessions))
    result = telling.result_of(tally)
    with connection.transaction():
        for each in found:
            answer = stored.answered(connection, each, now)
            if answer is not None:
                request, batch = answer
                stored.note(connection, each.action, each.symbol_id, Timeframe.DAY1, each.origin, "fetched", batch, context.clock.now(), request)
    return result


def _windows(context: Context, found: Sequence[Refetch], now: datetime) -> list[Window]:
    """One a series, whatever number of splits it has."""
    instruments = {each.symbol_id: each for each in stored_symbols.load_instruments(context.connection, now, {each.symbol for each in found})}
    wanted = {
        (each.symbol_id, each.origin): Window(instruments[each.symbol_id], Timeframe.DAY1, each.first, each.last, each.of)
        for each in found if not instruments[each.symbol_id].refused
    }  # fmt: skip
    return list(wanted.values())


def _named(series: Stale) -> str:
    return f"{series.timeframe} {series.of.kind} of {series.of.source}"
