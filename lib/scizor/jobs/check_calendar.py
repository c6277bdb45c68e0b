"""bin/check-calendar: IB's own schedule as the second source of our sessions.

One instrument of each calendar is asked for the sessions of the last year (SCHEDULE) and for the hours of the coming days
(contract details); a second one only when the first disagrees with us, so that one share's own days are not the exchange's.
A difference becomes a candidate, and a person decides: nothing is ever applied by itself.
"""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import candidates
from scizor.db import symbols as stored_symbols
from scizor.db.candidates import Candidate
from scizor.ib.codes import explain
from scizor.ib.contracts import Qualified, qualify
from scizor.jobs import calendars, listing
from scizor.jobs.asking import Asker, Question, What, asking
from scizor.jobs.listing import tell
from scizor.market import schedule, table
from scizor.market.calendar import venue
from scizor.market.probed import failure
from scizor.market.schedule import Comparison, Difference
from scizor.market.types import Instrument, Outcome, Session, Timeframe
from scizor.run.context import Context, Result

COLUMNS = ("id", "calendar", "session_date", "change", "told", "evidence", "request_id", "state", "found_at", "decided_by", "reason")
YEAR = timedelta(days=366)
DAYS_MAX = 365


@dataclass(slots=True)
class Heard:
    """What one instrument says. past: of its schedule; ahead: of its hours. request: the row of the schedule."""

    symbol: str
    past: Comparison | None = None
    ahead: Comparison | None = None
    request: int | None = None
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """agreed: calendars that were compared. problems: what could not be. notes: for people."""

    agreed: int = 0
    waiting: list[str] = field(default_factory=list)
    fresh: int = 0
    withdrawn: int = 0
    problems: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run(context: Context) -> Result:
    args = context.args
    if args.list:
        return _list(context)
    if args.accept or args.reject:
        return _decide(context)
    if args.days > DAYS_MAX:
        raise UsageError(f"--days {args.days}: IB gives at most {DAYS_MAX} a request")
    asked = choose(context)
    if args.dry_run:
        lines = [f"{name}: SCHEDULE and hours of {group[0].symbol}" + (f"; of {group[1].symbol} too, should it disagree" if group[1:] else "") for name, group in asked.items()]
        return tell("\n".join(lines))
    return _told(context, asyncio.run(check(context, asked)))


def choose(context: Context) -> dict[str, list[Instrument]]:
    """By calendar the first by priority, and the next one: of another exchange, where there is one."""
    instruments = stored_symbols.load_instruments(context.connection, context.clock.now())
    groups: dict[str, list[Instrument]] = {}
    for each in instruments:
        if not each.refused:
            groups.setdefault(each.calendar, []).append(each)
    if context.args.calendar:
        unknown = sorted(set(context.args.calendar) - set(groups))
        if unknown:
            raise UsageError(f"nothing is collected of calendar {', '.join(unknown)}", hint="known: " + ", ".join(sorted(groups)))
        groups = {name: group for name, group in groups.items() if name in context.args.calendar}
    if not groups:
        raise UsageError("there is no symbol to ask with", hint="bin/symbols import etc/universe/*.csv")
    others = {name: [each for each in group[1:] if venue(each) != venue(group[0])] or group[1:] for name, group in groups.items()}
    return {name: [group[0], *others[name][:1]] for name, group in groups.items()}


async def check(context: Context, asked: dict[str, list[Instrument]]) -> Tally:
    """Asks and stores, one calendar after the other. What was learnt stays, whatever happens next."""
    tally = Tally()
    everybody = [each for group in asked.values() for each in group]
    sessions = calendars.load(context, everybody, context.clock.now())
    async with asking(context) as asker:
        for name, group in asked.items():
            if asker.stop.is_asked:
                tally.problems.append(f"{name}: not asked: {asker.connection.lost or 'told to stop'}")
                continue
            first = await _hear(asker, group[0], sessions[name])
            second = await _hear(asker, group[1], sessions[name]) if _needs_second(first) and group[1:] else None
            if first.past is None and second is not None:
                tally.problems += [f"{name}: {each}" for each in first.problems if second.past is None]
                first, second = second, None
            _keep(context, name, first, second, tally)
    return tally


def _needs_second(heard: Heard) -> bool:
    """It could not be asked, or it disagrees."""
    found = [each for each in (heard.past, heard.ahead) if each is not None]
    return heard.past is None or any(each.problem or each.differences or each.unclear for each in found)


async def _hear(asker: Asker, instrument: Instrument, ours: Sequence[Session]) -> Heard:
    heard = Heard(instrument.symbol)
    context, now = asker.context, asker.context.clock.now()
    today = now.date()
    answer = await qualify(asker.connection, instrument, timeout_seconds=context.config.gateway.request_timeout_seconds)
    if isinstance(answer, Qualified):
        instrument = instrument._replace(con_id=answer.con_id)
        try:
            given, closed = schedule.from_hours(answer.liquid_hours, answer.time_zone)
            heard.ahead = schedule.compare(instrument.calendar, ours, given, closed, since=today)
        except ValueError as problem:
            heard.problems.append(f"{instrument.symbol}: hours that cannot be read: {problem}")
    else:
        heard.problems.append(f"{instrument.symbol}: {_said(answer)}")
    if instrument.con_id is None:
        return heard
    question = Question(
        instrument, Timeframe.DAY1, today - YEAR, today, what=What.SCHEDULE, duration=f"{context.args.days} D", purpose="its sessions"
    )
    reply = (await asker.ask([question])).get(question)
    if reply is None:
        heard.problems.append(f"{instrument.symbol}: not asked: told to stop")
        return heard
    heard.request = reply.request
    if not reply.outcome.is_ok:
        heard.problems.append(f"{instrument.symbol}: {_said(reply.outcome)}")
        return heard
    # the newest may be under way, and its end not yet what it will be
    over = [each for each in reply.sessions if each.end <= now]
    heard.past = schedule.compare(instrument.calendar, ours, over, since=today - timedelta(days=context.args.days))
    return heard


def _said(outcome: Outcome) -> str:
    return explain(outcome.code, outcome.text) if outcome.code is not None else failure(outcome)


def _keep(context: Context, name: str, first: Heard, second: Heard | None, tally: Tally) -> None:
    """Differences become candidates, in one transaction a calendar; what is shown no more is withdrawn."""
    tally.problems += [f"{name}: {each}" for each in first.problems]
    if first.past is not None and not first.past.problem:
        tally.agreed += 1
    for label, one, other in (
        ("SCHEDULE", first.past, second.past if second else None), ("hours of the coming days", first.ahead, second.ahead if second else None),
    ):  # fmt: skip
        if one is None:
            continue
        if one.problem:
            # hours of a holiday week are too few for a rule: only the schedule's silence is news
            (tally.strange if label == "SCHEDULE" else tally.notes).append(f"{name}: {label} of {first.symbol}: {one.problem}")
            continue
        if one.convention:
            tally.notes.append(f"{name}: {label} of {first.symbol} {one.convention}, always: a convention, no difference")
        tally.strange += [f"{name}: {label} of {first.symbol} says two things of {day}" for day in one.unclear]
        agreed, alone = schedule.both(one, other) if other is not None else (list(one.differences), [])
        tally.notes += [f"{name} {each.session_date}: {first.symbol} alone says {each.told}: not the exchange's" for each in alone]
        shown = f"{first.symbol} and {second.symbol}" if second and other is not None and not other.problem else f"{first.symbol} alone"
        request = first.request if label == "SCHEDULE" else None
        _store(context, name, one, agreed, f"{label} of {shown}", request, tally)


def _store(
    context: Context, name: str, found: Comparison, differences: Sequence[Difference], evidence: str, request: int | None, tally: Tally
) -> None:
    at = context.clock.now()

    def write(connection: candidates.Connection) -> tuple[list[tuple[int, str, bool]], int]:
        with connection.transaction():
            put = [
                candidates.put(
                    connection, at, calendar=name, day=each.session_date, change=each.change.value, hours=each.hours, told=each.told,
                    evidence=evidence, request=request,
                )
                for each in differences
            ]  # fmt: skip
            first, last = found.first or date.max, found.last or date.min
            unclear = set(found.unclear)
            gone = 0
            for low, high in _stretches(first, last, unclear):
                gone += candidates.withdraw(connection, name, low, high, [number for number, _, _ in put], at)
        return put, gone

    put, gone = context.transact(write)
    tally.withdrawn += gone
    for each, (number, state, is_new) in zip(differences, put, strict=True):
        tally.fresh += is_new
        if state == "waiting":
            tally.waiting.append(f"{number}: {name} {each.session_date} ({each.session_date:%a}): IB has {each.told} [{evidence}]")


def _stretches(first: date, last: date, without: set[date]) -> list[tuple[date, date]]:
    """[first, last] without some days."""
    found, low = [], first
    for day in sorted(without):
        found.append((low, day - timedelta(days=1)))
        low = day + timedelta(days=1)
    return [each for each in (*found, (low, last)) if each[0] <= each[1]]


def _told(context: Context, tally: Tally) -> Result:
    for each in tally.notes:
        context.log.info("%s", each)
        if context.args.verbose:
            print(each)
    counts = {"targets": tally.agreed + len(tally.problems), "succeeded": tally.agreed, "failed": len(tally.problems)}
    summary = f"{tally.agreed} calendars compared with IB's schedule"
    if tally.withdrawn:
        summary += f", {tally.withdrawn} candidates withdrawn"
    if tally.waiting or tally.strange:
        summary += f", {len(tally.waiting)} days differ" + (f" ({tally.fresh} new)" if tally.fresh else "")
        hint = "bin/check-calendar --list; then --accept N, which makes the override, or --reject N"
        return Result(summary, Exit.FINDING, [*tally.waiting, *tally.strange, *tally.problems], hint=hint, counts=counts, kind="calendar")
    if tally.problems:
        return Result(summary, Exit.PARTIAL, tally.problems, hint="what was compared is stored; the next run asks again", counts=counts)
    return Result(summary, counts=counts)


# ---- what a person decides ----------------------------------------------------------------------------------------------


def _list(context: Context) -> Result:
    found = candidates.load(context.connection, everything=context.args.all)
    if not found and not context.args.json:
        return tell("no day waits for a decision")
    form = "json" if context.args.json else "text"
    print(listing.render([each._asdict() for each in found], COLUMNS, form))
    return Result()


def _decide(context: Context) -> Result:
    args, now = context.args, context.clock.now()
    try:
        by, reason = table.words(args.by or getpass.getuser()), table.words(args.reason)
    except ValueError as problem:
        raise UsageError(str(problem)) from None
    found = candidates.one(context.connection, args.accept or args.reject)
    what = f"{found.calendar} {found.session_date}: {found.told}"
    wanted = "accepted" if args.accept else "rejected"
    if found.state == wanted:
        return tell(f"nothing changes: candidate {found.id} was {wanted} by {found.decided_by}")
    if args.dry_run:
        return tell(f"would be {wanted}: candidate {found.id}, {what}")
    if args.reject:
        context.transact(lambda connection: candidates.reject(connection, found, by, reason, now))
        return tell(f"rejected candidate {found.id}, {what}: our calendar stays, and it is not suggested again")
    series = context.transact(lambda connection: candidates.accept(connection, found, by, reason, now))
    return tell(f"accepted candidate {found.id}, {what}; {series} series follow{_next(found)}")


def _next(found: Candidate) -> str:
    return "" if found.hours is None else ". HINT: bin/fill-gaps asks for that session again"
