"""bin/coverage: expected, stored, and a reason with its evidence for everything that is not there. Asks the tables alone."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import audit, probes
from scizor.db import calendar as stored_calendar
from scizor.db import coverage as stored_coverage
from scizor.db import symbols as stored_symbols
from scizor.db.audit import Evidence
from scizor.db.connect import Connection
from scizor.jobs.show import aligned
from scizor.market import due
from scizor.market.calendar import venue
from scizor.market.completeness import UNASKED, Axis, Completeness, Totals, completeness, daily
from scizor.market.expectations import AS_EVER, Expectations
from scizor.market.types import Coverage, Instrument, Origin, Session, Timeframe
from scizor.run.context import Context, Result

HEAD = ("symbol", "bars", "kind", "sessions", "expected", "stored", "explained", "missing", "complete", "why")
RIGHT = {3, 4, 5, 6, 7, 8}
NOTHING_PROBED: Mapping[str, Expectations] = {}


class Line(NamedTuple):
    """One series."""

    instrument: Instrument
    timeframe: Timeframe
    origin: Origin
    found: Completeness
    evidence: tuple[Evidence, ...]


def run(context: Context) -> Result:
    lines = read(context)
    if not lines:
        return Result("nothing of this was ever asked for", was_idle=True)
    judged = [each for each in lines if not each.origin.is_imported]  # what was imported is shown; nobody can be asked for its holes
    missing = sum(each.found.missing for each in judged)
    contradicted = sum(len(each.found.contradicted) for each in judged)
    print(as_json(lines) if context.args.json else as_text(lines, why=context.args.why))
    expected = sum(each.found.expected for each in judged)
    imported = len(lines) - len(judged)
    summary = f"{len(judged)} series" + (f" and {imported} imported" if imported else "") + f", {expected:,} bars expected, {missing:,} missing"
    if contradicted:
        return Result(
            f"{summary}; in {contradicted} sessions the ledger and the bars contradict each other", Exit.FINDING,
            hint="bin/fill-gaps --recount asks for them again",
        )  # fmt: skip
    if missing:
        return Result(summary, Exit.FINDING, hint="--why has the evidence; bin/fill-gaps asks for what is due again")
    return Result(summary)


def read(context: Context) -> list[Line]:
    """Every series of which anything is known, within what the options name."""
    now, args, connection = context.clock.now(), context.args, context.connection
    first, last = _range(context)
    instruments = stored_symbols.load_instruments(connection, now, args.symbol or None)
    settled = now - timedelta(minutes=context.config.collect.settle_minutes)
    sessions = {
        name: [each for each in stored_calendar.load(connection, name, last=last) if each.last <= settled]
        for name in {each.calendar for each in instruments}
    }
    axes = {name: Axis.of(each) for name, each in sessions.items()}
    expectations = probes.expectations(connection)
    lines: list[Line] = []
    for timeframe, origin, number in stored_coverage.kinds(connection):
        if args.timeframe and timeframe.value not in args.timeframe:
            continue
        coverages = stored_coverage.load(connection, timeframe, origin, number, [each.symbol_id for each in instruments])
        held = [each for each in instruments if each.symbol_id in coverages]
        found = audited(connection, timeframe, number, held, coverages, sessions, axes, first, expectations)
        reasons = audit.evidence(connection, timeframe, number, list(found)) if args.why or args.json else {}
        for each in held:
            if each.symbol_id in found:
                begin = _begin(axes[each.calendar], coverages[each.symbol_id], first)
                evidence = _within(reasons.get(each.symbol_id, ()), axes[each.calendar].dates[begin:])
                lines.append(Line(each, timeframe, origin, found[each.symbol_id], tuple(evidence)))
    return sorted(lines, key=lambda each: (-each.found.missing, each.instrument.priority, each.instrument.symbol, each.timeframe.seconds))


def _range(context: Context) -> tuple[date | None, date]:
    args, today = context.args, due.latest_today(context.clock.now())
    if args.date and (args.first or args.last):
        raise UsageError("--date is one session; --from and --to are several: name one of them")
    if args.date:
        day = due.parse_date(args.date, today)
        return day, day
    first = due.parse_date(args.first, today) if args.first else None
    last = due.parse_date(args.last, today) if args.last else today
    if first and last < first:
        raise UsageError(f"--from {first} lies after --to {last}")
    return first, last


def audited(
    connection: Connection, timeframe: Timeframe, number: int, instruments: Sequence[Instrument], coverages: Mapping[int, Coverage],
    sessions: Mapping[str, Sequence[Session]], axes: Mapping[str, Axis], first: date | None = None,
    expectations: Mapping[str, Expectations] = NOTHING_PROBED,
) -> dict[int, Completeness]:  # fmt: skip
    """How complete each series of one bar size and origin (its number) is, by symbol id, from `first` on or from the oldest
    session that was ever asked for. sessions: those that are due, by calendar; axes: the same. expectations: by exchange."""
    found: dict[int, Completeness] = {}
    for calendar, axis in axes.items():
        begins = {
            each.symbol_id: begin for each in instruments
            if each.calendar == calendar and (begin := _begin(axis, coverages[each.symbol_id], first)) < len(axis.dates)
        }  # fmt: skip
        mine = [each for each in instruments if each.symbol_id in begins]
        if timeframe is Timeframe.DAY1 and mine:
            totals = audit.daily_totals(connection, number, axis.dates[min(begins.values())], axis.dates[-1], list(begins))
            for each in mine:
                whole = daily(coverages[each.symbol_id], each, axis, begins[each.symbol_id], totals.get(each.symbol_id, Totals()))
                if whole is not None:
                    found[each.symbol_id] = whole
        left = [each for each in mine if each.symbol_id not in found]
        if left:
            part = sessions[calendar][min(begins[each.symbol_id] for each in left) :]
            counted = audit.recount(connection, timeframe, number, part, [each.symbol_id for each in left])
            for exchange in {venue(each) for each in left} & set(expectations):
                those = [each.symbol_id for each in left if venue(each) == exchange]
                audit.add_auctions(counted, connection, timeframe, number, part, those, expectations[exchange])
            for each in left:
                days = sessions[calendar][begins[each.symbol_id] :]
                wanted = expectations.get(venue(each), AS_EVER)
                found[each.symbol_id] = completeness(coverages[each.symbol_id], each, timeframe, days, counted.get(each.symbol_id, {}), wanted)
    return found


def _begin(axis: Axis, coverage: Coverage, first: date | None) -> int:
    """The place of the oldest session to look at."""
    known = [each.first for each in coverage.spans[:1]] + [each.session_date for each in coverage.incomplete[:1]]
    return bisect_left(axis.dates, first or min(known, default=date.max))


def _within(evidence: Iterable[Evidence], dates: Sequence[date]) -> list[Evidence]:
    """What lies in these sessions, cut to them."""
    if not dates:
        return []
    return [
        each._replace(first=max(each.first, dates[0]), last=min(each.last, dates[-1]))
        for each in evidence if each.first <= dates[-1] and each.last >= dates[0]
    ]  # fmt: skip


def as_text(lines: Sequence[Line], *, why: bool) -> str:
    """The table, and with `why` the evidence of each series under it."""
    rows = [HEAD]
    for each in lines:
        found = each.found
        kind = each.origin.kind.value + ("" if each.origin.regular_hours else " all hours") + (" imported" if each.origin.is_imported else "")
        rows.append((
            each.instrument.symbol, each.timeframe.value, kind, f"{found.sessions:,}", f"{found.expected:,}", f"{found.stored:,}",
            f"{found.explained:,}", f"{found.missing:,}", f"{found.percent:.2f} %", _reasons(found.why) or "-",
        ))  # fmt: skip
    text = aligned(rows, RIGHT)
    if why:
        text += "".join(f"\n\n{each.instrument.symbol} {each.timeframe.value}:{_told(each)}" for each in lines if each.evidence or each.found.why)
    return text


def _reasons(why: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in why.items())


def _told(line: Line) -> str:
    """One line for each row of evidence, the newest first; then the sessions that nobody has asked for."""
    told = []
    for each in reversed(line.evidence):
        days = f"{each.first}" if each.first == each.last else f"{each.first} to {each.last}"
        parts = [f"request {each.request} ({each.outcome}{_said(each)})"]
        if each.empty_request:
            parts.append(f"first without it: request {each.empty_request}")
        if each.quarantine:
            parts.append(f"quarantine {each.quarantine}: {each.rule}")
        if each.closed_on:
            parts.append(f"an override closed {each.closed_on}")
        if each.attempts > 1:
            parts.append(f"{each.attempts} attempts")
        if each.next_at and not each.is_explained:
            parts.append(f"again after {each.next_at:%Y-%m-%d %H:%M} UTC")
        told.append(f"  {days:<24} {each.why + (' (explained)' if each.is_explained else ''):<22} " + "; ".join(parts))
    unasked = line.found.why.get(UNASKED, 0)
    if unasked:
        told.append(f"  {unasked:,} bars of sessions that nobody has asked for yet")
    if line.found.contradicted:
        told.append("  the bars do not bear out the ledger: " + ", ".join(map(str, line.found.contradicted[:12])))
    return "\n" + "\n".join(told)


def _said(each: Evidence) -> str:
    return f", {each.ib_code}: {each.words}" if each.ib_code is not None else f": {each.words}" if each.words else ""


def as_json(lines: Sequence[Line]) -> str:
    """A list with an object for each series; dates and instants in ISO form."""
    return json.dumps([
        {
            "symbol": each.instrument.symbol, "timeframe": each.timeframe.value, "kind": each.origin.kind.value,
            "source": each.origin.source, "regular_hours": each.origin.regular_hours,
            **each.found._asdict(), "evidence": [row._asdict() for row in each.evidence],
        }
        for each in lines
    ], default=str, indent=1)  # fmt: skip
