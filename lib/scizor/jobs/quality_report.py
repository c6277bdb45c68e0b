"""bin/report-quality: what a session's bars are worth: counted, looked at side by side, and scored by what was counted.

It runs after the close, over the session and as many before as a comparison needs (80 daily bars, six sessions of shorter ones).
What the vendor sends is not changed by it: a fault is told to a person, and what is thought of a bar becomes bits of its flags
(market.types.Flag), which make no other version of it. A report on some symbols only (--symbol) has not seen the market side by
side, so it changes no flag.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import calendar, quality, symbols
from scizor.db.connect import Connection
from scizor.db.quality import Finding, Scope
from scizor.jobs import listing
from scizor.jobs.listing import tell
from scizor.market import calendar as exchange
from scizor.market import due
from scizor.market.coverage import expected
from scizor.market.ladder import ladder
from scizor.market.quality import intraday, outliers, score, whole
from scizor.market.quality.outliers import RULE, Doubt, Quote, Start
from scizor.market.quality.score import Counts, Held
from scizor.market.quality.words import EVERYBODY, KIND, Defect
from scizor.market.types import Flag, Session, Timeframe
from scizor.run.context import Context, Result

DAILY, SHORTER = 80, 6  # sessions that are read: the last is the one that is judged
TOLD = 15  # sessions back to which a fault is still told, once: a split needs ten bars after it
LINES = 25  # of findings on a screen
COLUMNS = ("calendar", "session_date", "timeframe", "series", "expected", "stored", "explained", "missing", "quarantined", "wrong",
           "doubted", "revised", "score")  # fmt: skip
FINDINGS = ("calendar", "timeframe", "session_date", "symbol", "start", "rule", "severity", "is_confirmed", "evidence")


class Report(NamedTuple):
    """One session and bar size. findings: faults and standing doubts that were not told before, and all of the session itself."""

    scope: Scope
    day: date
    counts: Counts
    findings: list[Finding]
    score: Decimal | None


def run(context: Context) -> Result:
    args, connection, now = context.args, context.connection, context.clock.now()
    names = [symbols.valid(each) for each in args.symbol]
    if names:
        symbols.refuse_unknown(connection, names)
    wanted = {Timeframe(each) for each in args.timeframe}
    day = due.parse_date(args.date, due.latest_today(now)) if args.date else None
    scopes = [each for each in quality.scopes(connection) if not wanted or each.timeframe in wanted]
    if not scopes:
        raise UsageError("nothing is known of such bars yet", hint="bin/collect-daily, or bin/backfill")
    reports, closed = [], []
    for name, group in groupby(scopes, key=lambda each: each.calendar):
        sessions = calendar.load(connection, name)
        over = [each for each in sessions if due.due_at(each, context.config.collect.settle_minutes) <= now]
        chosen = next((each for each in reversed(over) if day in (None, each.session_date)), None)
        if chosen is None:
            why = exchange.closed(name, day, sessions) if day else None
            closed.append(why or f"{name}: the session of {day or 'today'} is not over, or has not settled")
            continue
        reports += [report(context, each, over[: over.index(chosen) + 1], names) for each in group]
    if not reports:
        return tell("; ".join(closed))
    result = _result(reports)
    if args.form != "text" or args.findings or result.status is not Exit.DONE or sys.stderr.isatty():
        _print(context, reports)  # from cron, a session without a fault is silence
    return result


def report(context: Context, scope: Scope, sessions: Sequence[Session], names: Sequence[str]) -> Report:
    """sessions: of the calendar, that are over; the last one is judged."""
    connection, session = context.connection, sessions[-1]
    held = quality.held(connection, scope, session, names or None)
    ids = [each.symbol_id for each in held]
    seen = sessions[-(DAILY if scope.timeframe is Timeframe.DAY1 else SHORTER) :]
    if scope.timeframe is Timeframe.DAY1:
        defects, doubts = _daily(context, scope, seen, held)
    else:
        defects, doubts = _shorter(context, scope, seen, held)
    whole_session = expected(session, scope.timeframe)
    numbers = {each.symbol: each.symbol_id for each in held}
    overruled = quality.accepted(connection, scope, seen[0].session_date)
    defects = [each for each in defects if (numbers.get(each.symbol, 0), each.day) not in overruled]
    day = session.session_date
    earlier = [(name, each) for name, each in doubts if not _is_of(session, each)]
    doubts = [(name, each) for name, each in doubts if _is_of(session, each)]
    quarantined, revised = quality.counts(connection, scope, session, ids)
    wrong = score.wrong_symbols([each for each in defects if each.day == day], held)
    standing = {(name, each.start) for name, each in doubts if not each.is_confirmed}
    counts = score.tally(held, whole_session)
    counts = counts._replace(
        quarantined=quarantined, revised=revised, wrong=sum(min(each.stored, whole_session) for each in held if each.symbol in wrong),
        doubted=min(len(standing), counts.stored),
    )  # fmt: skip
    first = sessions[-min(TOLD, len(sessions))].session_date
    told = quality.known(connection, scope, first)
    findings = _findings(defects, doubts, held, day, first, told)
    if context.args.dry_run:
        return Report(scope, day, counts, findings, counts.score)
    row = context.row
    bits = [(numbers[name], each.start, Flag[each.rule.upper()], False) for name, each in doubts if not each.is_confirmed]
    bits += [(numbers[name], each.start, Flag[each.rule.upper()], True) for name, each in earlier if each.is_confirmed]
    faults = {
        (numbers[name], each.session_date) for each in sessions[-min(TOLD, len(seen)) :]
        for name in score.accused([defect for defect in defects if defect.day == each.session_date], numbers)
        if (numbers[name], each.session_date) not in overruled
    }  # fmt: skip

    def write(link: Connection) -> Decimal | None:
        if not names:
            quality.judge(link, scope, seen, ids, bits, faults)
        return quality.store(link, row, scope, day, counts, findings, context.clock.now())

    return Report(scope, day, counts, findings, context.transact(write))


def _is_of(session: Session, doubt: Doubt) -> bool:
    """Whether it is about a bar of this session."""
    if isinstance(doubt.start, datetime):
        return session.open <= doubt.start <= session.last
    return doubt.start == session.session_date


Doubts = list[tuple[str, Doubt]]


def _daily(context: Context, scope: Scope, sessions: Sequence[Session], held: Sequence[Held]) -> tuple[list[Defect], Doubts]:
    """The market side by side; and each bar of a code against those before."""
    names = {each.symbol_id: each.symbol for each in held}
    times = quality.range_of(scope.timeframe, sessions[0], sessions[-1])
    market = {names[number]: [bar for _, bar in rows] for number, rows in quality.bars(context.connection, scope, list(names), times)}
    days = [each.session_date for each in sessions]
    found, _ = whole.find(market, days, lambda day: f"{scope.calendar} closed on {day}", calendar=scope.calendar)
    tick = ladder(scope.calendar).tick_size
    doubts = [(name, each) for name, bars in market.items() for each in outliers.arriving(bars, tick)]
    return found, doubts


def _shorter(context: Context, scope: Scope, sessions: Sequence[Session], held: Sequence[Held]) -> tuple[list[Defect], Doubts]:
    """Each series by itself: as its bars came, after the close, and its sessions against each other."""
    tick = ladder(scope.calendar).tick_size
    auction = outliers.auction_of(sessions, scope.timeframe.seconds)
    opens = {each.session_date: each.open for each in sessions}
    day = sessions[-1].session_date
    names = {each.symbol_id: each.symbol for each in held}
    found: list[Defect] = []
    doubts: Doubts = []
    for number, rows in quality.bars(context.connection, scope, list(names), quality.range_of(scope.timeframe, sessions[0], sessions[-1])):
        name, bars = names[number], [bar for _, bar in rows]
        today = [bar for date_, bar in rows if date_ == day]
        doubts += [(name, each) for each in outliers.arriving(bars, tick, auction)]
        doubts += [(name, each) for each in outliers.after_close(today, tick)]
        by_session = [(date_, opens[date_], [bar for _, bar in group]) for date_, group in groupby(rows, itemgetter(0)) if date_ in opens]
        found += intraday.faults(name, by_session)
    doubts += _spreads(context, scope, sessions[-1], names, tick, auction)
    return found, doubts


def _spreads(
    context: Context, scope: Scope, session: Session, names: dict[int, str], tick: Callable[[float], float], auction: Callable[[Start], str]
) -> Doubts:
    """Where bars of bids and asks are collected too: the closes of both, in continuous trading."""
    sides = [quality.side(context.connection, scope, kind) for kind in ("BID", "ASK")]
    if None in sides:
        return []
    times = quality.range_of(scope.timeframe, session, session, auctions=False)
    bids, asks = (
        {number: {bar.start: bar.close for _, bar in rows} for number, rows in quality.bars(context.connection, each, list(names), times)}
        for each in sides if each
    )  # fmt: skip
    found: Doubts = []
    for number, own in bids.items():
        quotes = [Quote(start, bid, asks[number][start]) for start, bid in own.items() if start in asks.get(number, {})]
        found += [(names[number], each) for each in outliers.spreads(quotes, tick, lambda start: not auction(start))]
    return found


def _findings(
    defects: Sequence[Defect], doubts: Doubts, held: Sequence[Held], day: date, first: date, told: Collection[tuple[int | None, date, str]]
) -> list[Finding]:
    """What is told: everything of the session itself, and of the sessions before it what no report has told."""
    ids = {each.symbol: each.symbol_id for each in held}
    found = [
        Finding(ids.get(each.symbol), each.symbol, each.day, None, each.kind, str(KIND[each.kind].severity), False, each.evidence)
        for each in defects if each.day >= first and (each.symbol in ids or each.symbol == EVERYBODY)
    ]  # fmt: skip
    found = [each for each in found if each.session_date == day or (each.symbol_id, each.session_date, each.rule) not in told]
    found += [
        Finding(ids[name], name, day, each.start if isinstance(each.start, datetime) else None, each.rule, str(RULE[each.rule].severity),
                each.is_confirmed, f"{each.value:.4g}, and the limit is {each.limit:.4g}: {RULE[each.rule].meaning}")
        for name, each in doubts
    ]  # fmt: skip
    return sorted(found, key=lambda each: (each.severity != "hard", each.is_confirmed, each.session_date, each.symbol != EVERYBODY, each.symbol))


def _print(context: Context, reports: Sequence[Report]) -> None:
    rows = [{"calendar": each.scope.calendar, "session_date": each.day, "timeframe": str(each.scope.timeframe), **each.counts._asdict(), "score": each.score} for each in reports]
    form = context.args.form
    if form == "json":
        whole_ = [{**row, "findings": [_row(each, finding) for finding in each.findings]} for row, each in zip(rows, reports, strict=True)]
        print(listing.render(whole_, (*COLUMNS, "findings"), form))
        return
    if form == "csv":
        print(listing.render([_row(each, finding) for each in reports for finding in each.findings], FINDINGS, form) if context.args.findings else listing.render(rows, COLUMNS, form))
        return
    print(listing.render([{**row, "score": "" if row["score"] is None else f"{row['score']:.2f}"} for row in rows], COLUMNS, "text"))
    print(score.FORMULA + "; a bar that is explained costs nothing, a doubt neither")
    standing = [(each, finding) for each in reports for finding in each.findings if not finding.is_confirmed]
    shown = standing if context.args.findings else standing[:LINES]
    for each, finding in shown:
        start = f"{finding.start:%H:%MZ} " if finding.start else ""
        print(f"{finding.severity} {finding.session_date} {each.scope.timeframe} {start}{finding.symbol} {finding.rule}: {finding.evidence}")
    if len(shown) < len(standing):
        print(f"… and {len(standing) - len(shown)} more: --findings shows all")


def _row(each: Report, finding: Finding) -> dict[str, Any]:
    return {"calendar": each.scope.calendar, "timeframe": str(each.scope.timeframe), **finding._asdict()}


def _result(reports: Sequence[Report]) -> Result:
    """4 when a person is needed: a hard fault, or a refused bar about which nobody has decided."""
    hard = [(each, finding) for each in reports for finding in each.findings if finding.severity == "hard"]
    waiting = sum(each.counts.quarantined for each in reports)
    counts = {"targets": len(reports), "succeeded": len(reports)}
    worst = min((each.score for each in reports if each.score is not None), default=None)
    summary = f"{reports[0].day}: score {worst if worst is not None else 'none, nothing was expected'}"
    if not hard and not waiting:
        return Result(summary, counts=counts)
    said = [_count(len(hard), "fault")] * bool(hard) + [f"{_count(waiting, 'refused bar')} to decide about"] * bool(waiting)
    lines = [f"{finding.session_date} {each.scope.timeframe} {finding.symbol} {finding.rule}: {finding.evidence}" for each, finding in hard]
    hint = "bin/quarantine list" if waiting else "bin/report-quality --findings"
    return Result(f"{summary}; {', '.join(said)}", Exit.FINDING, lines, hint=hint, counts=counts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("s" if number != 1 else "")
