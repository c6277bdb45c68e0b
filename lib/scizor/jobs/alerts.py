"""bin/alerts: the table of alerts for a person: what is open, what he knows of, what shall be silent, and telling what waits."""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable
from datetime import timedelta

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import alerting as table
from scizor.jobs import listing
from scizor.jobs.listing import tell
from scizor.market import table as words
from scizor.run import alerting
from scizor.run.context import Context, Result

COLUMNS = ("id", "severity", "alert", "subject", "first_at", "last_at", "times", "resolved_at", "muted", "acked", "told", "waiting", "trouble")
SHOWN = ("id", "severity", "alert", "subject", "first_at", "times", "resolved_at", "muted", "acked", "told", "waiting")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
SILENCE_MAX = timedelta(days=30)
DRAIN_SECONDS = 60.0  # a person waits: the configured limits hold


def run(context: Context) -> Result:
    command: dict[str, Callable[[Context], Result]] = {"list": _list, "ack": _acknowledge, "silence": _silence, "drain": _drain}
    return command[context.args.command](context)


def duration(text: str) -> timedelta:
    """30m, 2h, 3d. UsageError for anything else, and beyond 30 days: nobody remembers a silence."""
    found = re.fullmatch(r"(\d{1,5})([mhd])", text)
    length = timedelta(**{UNITS[found[2]]: int(found[1])}) if found else None
    if length is None or length > SILENCE_MAX:
        raise UsageError(f"--for {text} is no time of at most 30 days", hint="as 30m, 2h or 3d")
    return length


def _list(context: Context) -> Result:
    args = context.args
    found = table.listed(context.connection, all=args.all, limit=args.limit)
    if not found and args.form == "text":
        return tell("there was no alert" if args.all else "no alert is open")
    print(listing.render(found, SHOWN if args.form == "text" else COLUMNS, args.form))
    return Result()


def _acknowledge(context: Context) -> Result:
    number, by = context.args.id, _who(context)
    row = next((each for each in table.listed(context.connection, all=False, limit=alerting.FINDINGS_MAX) if each["id"] == number), None)
    if row is None:
        raise UsageError(f"no open alert has the number {number}", hint="bin/alerts list")
    if row["acked"]:
        return tell(f"nothing changes: {row['acked']} knows of {number}")
    if context.args.dry_run:
        return tell(f"would note that {by} knows of {number}: {row['subject']}")
    subject = table.acknowledge(context.connection, number, context.clock.now(), by)
    return tell(f"{by} knows of {number}: {subject or row['subject']}")


def _silence(context: Context) -> Result:
    args, now, length, by = context.args, context.clock.now(), duration(context.args.how_long), _who(context)
    rule, scope = (_word(each, name) for each, name in ((args.rule, "RULE"), (args.scope, "SCOPE")))
    if not rule:
        raise UsageError("RULE is empty", hint="bin/alerts list: the name of an alert is JOB/RULE/SCOPE")
    what = rule + (f" [{scope}]" if scope else "")
    said = f"{what} is told again" if not length else f"{what} is silent until {now + length:%Y-%m-%d %H:%M} UTC"
    if args.dry_run:
        return tell(f"would note that {said}")
    table.silence(context.connection, rule, scope, now, now + length, by)
    return tell(said)


def _drain(context: Context) -> Result:
    if context.args.dry_run:
        waiting = [each for each in table.listed(context.connection, all=True, limit=alerting.FINDINGS_MAX) if each["waiting"]]
        return tell(f"would tell of {len(waiting)} alerts what is due")
    said = alerting.drain(context, limit_seconds=DRAIN_SECONDS)
    troubles = [each for each in said if not each.startswith("told ")]
    if troubles:
        return Result(troubles[0], Exit.PARTIAL, troubles[1:], hint="see [mail] and [alert] in etc/scizor.toml; bin/alerts list shows what waits", kind="channel")
    return tell("; ".join(said) or "nothing waits")


def _who(context: Context) -> str:
    return _word(context.args.by or getpass.getuser(), "--by")[:200]


def _word(text: str, name: str) -> str:
    try:
        found = words.words(text).strip()
    except ValueError as problem:
        raise UsageError(f"{name}: {problem}") from None
    if len(found) > 100:
        raise UsageError(f"{name} is longer than 100 characters")
    return found
