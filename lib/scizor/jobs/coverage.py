"""bin/coverage: expected, stored, and a reason with its evidence for everything that is not there. Asks the tables alone."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import audit
from scizor.db import calendar as stored_calendar
from scizor.db import coverage as stored_coverage
from scizor.db import symbols as stored_symbols
from scizor.db.audit import Evidence
from scizor.jobs.show import aligned
from scizor.market import due
from scizor.market.completeness import UNASKED, Completeness, completeness
from scizor.market.coverage import dates_of
from scizor.market.types import Coverage, Instrument, Origin, Session, Timeframe
from scizor.run.context import Context, Result

HEAD = ("symbol", "bars", "kind", "sessions", "expected", "stored", "explained", "missing", "complete", "why")
RIGHT = {3, 4, 5, 6, 7, 8}


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
    missing = sum(each.found.missing for each in lines)
    contradicted = sum(len(each.found.contradicted) for each in lines)
    print(as_json(lines) if context.args.json else as_text(lines, why=context.args.why))
    expected = sum(each.found.expected for each in lines)
    summary = f"{len(lines)} series, {expected:,} bars expected, {missing:,} missing"
    if contradicted:
        return Result(
            f"{summary}; in {contradicted} sessions the ledger and the bars contradict each other", Exit.FINDING,
            hint="bin/fill-gaps --retry-failed asks for them again",
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
    lines: list[Line] = []
    for timeframe, origin, number in stored_coverage.kinds(connection):
        if args.timeframe and timeframe.value not in args.timeframe:
            continue
        ids = [each.symbol_id for each in instruments]
        coverages = stored_coverage.load(connection, timeframe, origin, number, ids)
        held = [each for each in instruments if each.symbol_id in coverages]
        parts = {each.symbol_id: _part(sessions[each.calendar], coverages[each.symbol_id], first) for each in held}
        edges = [(part[0].session_date, part[-1].session_date) for part in parts.values() if part]
        if not edges:
            continue
        counted = audit.recount(
            connection, timeframe, number, min(each[0] for each in edges), max(each[1] for each in edges), list(parts)
        )
        reasons = audit.evidence(connection, timeframe, number, list(parts)) if args.why or args.json else {}
        lines += [
            Line(
                each, timeframe, origin,
                completeness(coverages[each.symbol_id], each, timeframe, parts[each.symbol_id], counted.get(each.symbol_id, {})),
                tuple(_within(reasons.get(each.symbol_id, ()), parts[each.symbol_id])),
            )
            for each in held if parts[each.symbol_id]
        ]  # fmt: skip
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


def _part(sessions: Sequence[Session], coverage: Coverage, first: date | None) -> Sequence[Session]:
    """The sessions to look at: from `first`, or from the oldest that was ever asked for."""
    known = [each.first for each in coverage.spans[:1]] + [each.session_date for each in coverage.incomplete[:1]]
    begin = first or min(known, default=date.max)
    return sessions[bisect_left(dates_of(sessions), begin) :]


def _within(evidence: Iterable[Evidence], part: Sequence[Session]) -> list[Evidence]:
    """What lies in these sessions, cut to them."""
    if not part:
        return []
    low, high = part[0].session_date, part[-1].session_date
    return [
        each._replace(first=max(each.first, low), last=min(each.last, high))
        for each in evidence if each.first <= high and each.last >= low
    ]  # fmt: skip


def as_text(lines: Sequence[Line], *, why: bool) -> str:
    """The table, and with `why` the evidence of each series under it."""
    rows = [HEAD]
    for each in lines:
        found = each.found
        kind = each.origin.kind.value + ("" if each.origin.regular_hours else " all hours")
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
