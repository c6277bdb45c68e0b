"""bin/quarantine: bars that a rule refused: what is there, why, and what a person decides about one."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import Any

from scizor.base.errors import UsageError
from scizor.db import quality_verdicts as verdicts
from scizor.db import symbols
from scizor.db.quality_verdicts import Refusal
from scizor.jobs import listing
from scizor.jobs.listing import tell
from scizor.market import due, table
from scizor.market.validate import RULES
from scizor.run.context import Context, Result

COLUMNS = ("id", "symbol", "timeframe", "session_date", "timestamp", "rule", "raw", "first_seen_at", "verdict", "verdict_by", "verdict_at",
           "verdict_note", "released_request_id")  # fmt: skip
SHOWN = ("id", "symbol", "timeframe", "timestamp", "rule", "raw", "verdict", "verdict_by")  # in text: what fits a screen


def run(context: Context) -> Result:
    command: dict[str, Callable[[Context], Result]] = {"list": _list, "show": _show, "release": _release, "reject": _reject}
    return command[context.args.command](context)


def _list(context: Context) -> Result:
    args = context.args
    names = [symbols.valid(each) for each in args.symbol]
    if names:
        symbols.refuse_unknown(context.connection, names)
    today = due.latest_today(context.clock.now())
    first, last = (due.parse_date(each, today) if each else None for each in (args.first or args.date, args.last or args.date))
    found = verdicts.listed(
        context.connection, names=names, rule=args.rule, first=first, last=last, decided=args.all,
        limit=args.limit or verdicts.LIST_MAX,
    )  # fmt: skip
    if not found and args.form == "text":
        return tell("nothing in quarantine" if args.all else "nothing in quarantine waits for a decision")
    print(listing.render(found, SHOWN if args.form == "text" else COLUMNS, args.form))
    return Result()


def _show(context: Context) -> Result:
    row = verdicts.load(context.connection, context.args.id)
    if context.args.form != "text":
        print(listing.render([row._asdict()], row._fields, context.args.form))
        return Result()
    meaning = next((each.meaning for each in RULES if each.name == row.rule), "the whole answer was another contract's")
    lines = [
        f"{row.id}: {row.symbol} {row.timeframe} {_start(row)}",
        f"rule:       {row.rule}: {meaning}",
        f"received:   {row.raw}   (open,high,low,close,volume,wap,trades)",
        f"stored:     {row.stored or 'nothing in its place'}",
        f"brought by: request {row.request_id} of {row.asked_at:%Y-%m-%d %H:%M} UTC for {row.start_date}..{row.end_date}" if row.asked_at else f"brought by: request {row.request_id}",
    ]
    lines += [f"also:       {number} {rule} {raw}" + (f", {verdict}" if verdict else "") for number, rule, raw, verdict in verdicts.versions(context.connection, row.id)]
    if row.verdict:
        lines.append(f"verdict:    {row.verdict} by {row.verdict_by} at {row.verdict_at:%Y-%m-%d %H:%M} UTC: {row.verdict_note or ''}")
        lines += [f"released:   by request {row.released_request_id}"] if row.released_request_id else []
    else:
        problem = verdicts.obstacle(row)
        lines.append(f"verdict:    none; {'cannot be released: ' + problem if problem else f'bin/quarantine release {row.id} --note WHY'}")
    print("\n".join(lines))
    return Result()


def _release(context: Context) -> Result:
    """One run, one bar: each is looked at by itself."""
    row, by, note = _asked(context)
    now = context.clock.now()
    if problem := verdicts.obstacle(row):
        raise UsageError(f"{row.id} cannot be released: {problem}", hint=f"bin/quarantine show {row.id}")
    if row.released_request_id is not None:
        return tell(f"nothing changes: {row.id} was released by {row.verdict_by} with request {row.released_request_id}")
    if context.args.dry_run:
        _refuse_another(row, "accepted")
        return tell(f"would release {row.id}: {row.symbol} {row.timeframe} {_start(row)} {row.raw}, instead of {row.stored or 'nothing'}")
    stored = context.transact(lambda connection: verdicts.release(connection, context.row, row, by, note, now))
    became = "stored" if stored.stored else "stored as a new revision" if stored.revised else "is what was stored already"
    context.log.info("%s released %d (%s): %s", by, row.id, row.rule, note)
    return Result(f"released {row.id}: {row.symbol} {row.timeframe} {_start(row)} {became}, request {stored.request}", counts={"rows_stored": stored.stored + stored.revised})


def _reject(context: Context) -> Result:
    row, by, note = _asked(context)
    if row.verdict == "rejected":
        return tell(f"nothing changes: {row.id} was rejected by {row.verdict_by}")
    if context.args.dry_run:
        _refuse_another(row, "rejected")
        return tell(f"would reject {row.id}: {row.symbol} {row.timeframe} {_start(row)}")
    context.transact(lambda connection: verdicts.decide(connection, row, "rejected", by, note, context.clock.now()))
    context.log.info("%s rejected %d (%s): %s", by, row.id, row.rule, note)
    return Result(f"rejected {row.id}: {row.symbol} {row.timeframe} {_start(row)} stays out; its session stays missing until another bar comes")


def _refuse_another(row: Refusal, verdict: str) -> None:
    if row.verdict not in (None, verdict):
        raise UsageError(f"{row.id} was {row.verdict} by {row.verdict_by}: a verdict is final")


def _asked(context: Context) -> tuple[Refusal, str, str]:
    """The row, who decides, and why."""
    args: Any = context.args
    try:
        by, note = table.words(args.by or getpass.getuser()), table.words(args.note)
    except ValueError as problem:
        raise UsageError(str(problem)) from None
    if not note.strip() or not by.strip():
        raise UsageError("a verdict needs its reason and its name", hint="--note 'the exchange confirms it'; --by NAME")
    return verdicts.load(context.connection, args.id), by, note


def _start(row: Refusal) -> str:
    return f"{row.session_date or row.timestamp.date()}" if row.timeframe == "1day" else f"{row.timestamp:%Y-%m-%dT%H:%MZ}"
