"""Judges of what the database says about the data, the budget, the connection, itself, and its backups. Pure.

Thresholds are those that users were promised (completeness, pacing use) or that the design names (missing for a day,
backups verified within 26 hours, partitions and calendars ahead); what is neither says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from scizor.ib.resets import near_reset
from scizor.jobs.checks.words import Answer, Moment, Remark, Status, above, ago, at, below, one, size, worst
from scizor.market import calendar

Rows = Sequence[tuple[Any, ...]]
DAY = timedelta(days=1)
BACKUP_WARNING, BACKUP_CRITICAL = timedelta(hours=26), timedelta(hours=74)  # a missed night; three
COMPLETE_WARNING, COMPLETE_CRITICAL = 98.0, 95.0  # percent: promised > 99.5, alert < 98, critical < 95
PACING_WARNING, PACING_CRITICAL = 90.0, 95.0  # percent of the budget, as promised; below 80 is well
CLOCK_WARNING, CLOCK_CRITICAL = 1.0, 5.0  # seconds; at five every job refuses to write
TOLERANCE_SECONDS, TOLERANCE_IN_RESET_SECONDS = 30.0, 120.0


def coverage(rows: Rows, moment: Moment) -> Answer:
    """rows: check_coverage. What has been missing for more than a day, without an explanation."""
    found = [
        Remark(Status.CRITICAL, f"{name}: {series} series of {symbols} symbols miss sessions ({why})", name, since=since)
        for name, series, symbols, since, why in rows
    ]
    return Answer("nothing is missing for more than a day", tuple(found))


def newest(rows: Rows, moment: Moment) -> Answer:
    """rows: check_newest. Whether the session that ended a day ago is stored or explained, by calendar. A database in its first day is still
    being filled: it is told, and no alarm."""
    found, told = [], []
    for name, due, last, symbols, stored, _, installed in rows:
        if moment.now - installed < DAY:
            told.append(f"{name}: {stored} of {symbols}, the database is in its first day")
            continue
        if due is None:
            found.append(Remark(Status.WARNING, f"{name}: its sessions are not loaded", name, "bin/collect-daily"))
            continue
        share = 100.0 * stored / symbols
        told.append(f"{name} {due}: {stored} of {symbols}")
        status = below(share, COMPLETE_WARNING, COMPLETE_CRITICAL)
        if status is not Status.OK:
            found.append(Remark(status, f"{name}: {stored} of {symbols} symbols have {due} ({share:.1f} %)", name, since=last + DAY))
    return Answer("; ".join(told) or "no symbol is active", tuple(found))


def doubts(rows: Rows, moment: Moment) -> Answer:
    """rows: check_doubts. What waits for a person; a day is given to him, then it is a warning."""
    hints = {
        "refused bars": "bin/quarantine list", "corporate actions": "bin/actions list", "calendar days": "bin/check-calendar --list",
        "contradictions": "bin/psql -c 'SELECT * FROM reconciliations'", "hard faults": "bin/psql -f sql/monitor/quality.sql",
    }  # fmt: skip
    waiting = [(what, count, since) for what, count, since in rows if count]
    found = [
        Remark(Status.WARNING, f"{count} {what} wait for a decision", what, hints.get(what, ""), since)
        for what, count, since in waiting if moment.now - since > DAY
    ]  # fmt: skip
    return Answer(", ".join(f"{count} {what}" for what, count, _ in waiting) or "nothing waits for a person", tuple(found))


def alerts(rows: Rows, moment: Moment) -> Answer:
    """rows: check_alerts. A telling that is overdue by ten minutes means that a channel is dead."""
    opened, overdue, since, error, given_up = rows[0]
    found = []
    if overdue:
        text = f"{overdue} alerts are not delivered" + (f": {error}" if error else "")
        found.append(Remark(Status.CRITICAL, text[:200], since=since))
    if given_up:
        found.append(Remark(Status.WARNING, f"{given_up} alerts were given up in the last day", "given-up"))
    return Answer(f"{opened} open, all delivered", tuple(found))


def pacing(rows: Rows, moment: Moment) -> Answer:
    """rows: check_pacing. Shares of the hard rule's window and of the open requests."""
    used, opened, refused = rows[0]
    hard, slots = percent_of_pacing(rows, moment)
    text = f"{used} of {moment.config.pacing.requests_max} in the window ({hard:.0f} %), {opened} of {moment.config.pacing.open_max} open ({slots:.0f} %)"
    status = worst([above(hard, PACING_WARNING, PACING_CRITICAL), above(slots, PACING_WARNING, PACING_CRITICAL)])
    # A backfill spends the whole budget on purpose, and the ledger keeps the rule: use alone is worth knowing, a refusal by IB is trouble.
    found = [Remark(Status.WARNING, text, "use")] if status is not Status.OK else []
    if refused:
        found.append(Remark(Status.CRITICAL, f"IB refused {refused} requests for pacing in the last hour: does another program use this login?", "refused"))
    return Answer(text, tuple(found))


def percent_of_pacing(rows: Rows, moment: Moment) -> tuple[float, float]:
    used, opened, _ = rows[0]
    return 100.0 * float(used) / moment.config.pacing.requests_max, 100.0 * opened / moment.config.pacing.open_max


class Outage(NamedTuple):
    """what: gateway (it did not answer) or upstream (it has lost IB). start: aware; end: None while it lasts."""

    what: str
    start: datetime
    end: datetime | None


ENDS = {"gateway": ("gateway-up",), "upstream": ("upstream-restored", "upstream-restored-data-lost", "connected")}
BEGINS = {"gateway-down": "gateway", "upstream-lost": "upstream"}


def outages(rows: Rows) -> list[Outage]:
    """rows: check_connection, the newest first. A job's own hanging up is none; what bin/health saw (gateway-down) and what
    the Gateway says of IB (upstream-lost) are. `connected` ends a lost upstream: the Gateway tells a new client anew."""
    opened: dict[str, datetime] = {}
    found = []
    for moment, event, _code, _detail in reversed(rows):
        if event in BEGINS:
            opened.setdefault(BEGINS[event], moment)
        for what, ends in ENDS.items():
            if event in ends and what in opened:
                found.append(Outage(what, opened.pop(what), moment))
    return found + [Outage(what, since, None) for what, since in opened.items()]


def connection(rows: Rows, moment: Moment) -> Answer:
    """rows: check_connection. Lost upstream, and how often things broke in a day."""
    found = []
    known = outages(rows)
    for each in known:
        if each.end is None and each.what == "upstream":
            status, text = outage(each.start, moment)
            found.append(Remark(status, f"the Gateway has lost IB for {text}", "upstream", "look at the Gateway's window; IB's status page", each.start))
    broken = [each for each in rows if each[1] in ("lost", "farm-broken")]
    if rows and rows[0][1] == "refused":
        found.append(Remark(Status.CRITICAL, f"the Gateway was refused: {rows[0][3]}", "refused", since=rows[0][0]))
    down = sum(((each.end or moment.now) - each.start for each in known), timedelta())
    return Answer(f"{len(known)} outages in a day, {ago(down)} in all; {len(broken)} losses and broken farms", tuple(found))


def outage(since: datetime, moment: Moment) -> tuple[Status, str]:
    """How bad, and its age in words: critical once it has lasted longer than is tolerated, which is longer near a reset of IB."""
    reset = near_reset(moment.now, timedelta())
    limit = TOLERANCE_IN_RESET_SECONDS if reset else TOLERANCE_SECONDS
    lasted = moment.now - since
    text = ago(lasted) + (f", in IB's reset window {reset}" if reset else "")
    return (Status.CRITICAL if lasted.total_seconds() >= limit else Status.WARNING), text


def server(rows: Rows, moment: Moment) -> Answer:
    """rows: check_server. Read-only, head-room of connections."""
    _, is_standby, used, allowed, _, version, *_ = rows[0]
    text = f"PostgreSQL {version // 10000}.{version % 10000}, {used} of {allowed} connections"
    found = []
    if is_standby:
        found.append(Remark(Status.CRITICAL, "connected to a read-only server (a standby)", "standby", "has it failed over? name the primary under [database]"))
    status = above(100.0 * used / allowed, 80.0, 95.0)  # ours: a job needs five at once
    if status is not Status.OK:
        hint = "bin/psql -c 'SELECT application_name, count(*) FROM pg_stat_activity GROUP BY 1 ORDER BY 2 DESC'"
        found.append(Remark(status, f"{used} of {allowed} connections are in use", "connections", hint))
    return Answer(text, tuple(found))


def clock(rows: Rows, moment: Moment) -> Answer:
    """rows: check_server, whose first column was the database's clock a moment ago; one more: ours just before the question."""
    asked, *_ = rows[0]
    difference = abs((asked - rows[0][-1]).total_seconds())
    return one(above(difference, CLOCK_WARNING, CLOCK_CRITICAL), f"this machine and the database differ by {difference:.1f} s")


def partitions(rows: Rows, moment: Moment) -> Answer:
    """rows: check_partitions. Next year's must be there 30 days before it begins."""
    last = max((year for (year,) in rows), default=0)
    needed = (moment.now + timedelta(days=30)).year
    status = Status.CRITICAL if last < moment.now.year else Status.WARNING if last < needed else Status.OK
    return one(status, f"room for bars until the end of {last}" if last else "no partition at all")


def calendars(rows: Rows, moment: Moment) -> Answer:
    """rows: check_calendars. How long the calendars can still be believed, and whether their sessions are loaded."""
    today = moment.now.date()
    found, told = [], []
    for name, loaded in rows:
        end = calendar.ends(name)
        warning = calendar.warning(name, today)
        if warning:
            found.append(Remark(Status.CRITICAL if end < today else Status.WARNING, warning, name))
        elif loaded is not None and loaded < today:
            found.append(Remark(Status.WARNING, f"{name}: sessions are loaded to {loaded} only", name, "bin/collect-daily"))
        told.append(f"{name} to {end}")
    return Answer(", ".join(told) or "no symbol is active", tuple(found))


def backups(rows: Rows, moment: Moment) -> Answer:
    """rows: check_backups. A backup counts once it was restored and compared; its age is that of the data in it."""
    finished, _verified, state, begun, corrupt, installed = rows[0]
    found = []
    if finished is None:
        age = moment.now - installed if installed else timedelta()
        if age > BACKUP_WARNING:
            text = "no backup was ever verified" + (f"; the newest is {state}, of {at(begun)}" if begun else "")
            found.append(Remark(Status.CRITICAL if age > BACKUP_CRITICAL else Status.WARNING, text, since=installed))
        text = "none is due yet"
    else:
        age = moment.now - finished
        text = f"the newest verified one is {ago(age)} old"
        status = above(age.total_seconds(), BACKUP_WARNING.total_seconds(), BACKUP_CRITICAL.total_seconds())
        if status is not Status.OK:
            found.append(Remark(status, text + (f"; the newest is {state}" if state != "verified" else ""), since=finished + BACKUP_WARNING))
    if corrupt:
        found.append(Remark(Status.CRITICAL, f"{corrupt} backups of the last week are corrupt", "corrupt"))
    return Answer(text, tuple(found))


def mode(rows: Rows, moment: Moment) -> Answer:
    """rows: the installation's. The stamp must be the configured mode."""
    stamp = rows[0][0] if rows else ""
    if stamp and stamp != moment.config.mode:
        return one(Status.CRITICAL, f"the database holds {stamp} data, the configuration says {moment.config.mode}")
    return Answer(f"{moment.config.mode}" if stamp else f"{moment.config.mode}, not stamped yet")


def permissions(rows: Rows, moment: Moment) -> Answer:
    """rows: check_permissions. Entitlement by exchange, from the newest answers of a week."""
    found = [
        Remark(Status.CRITICAL if refused == asked else Status.WARNING, f"{exchange}: no permission for {refused} of {asked} symbols ({named[:80]})", exchange)
        for exchange, asked, refused, named in rows if refused
    ]  # fmt: skip
    return Answer(", ".join(f"{exchange}: {asked} symbols answered" for exchange, asked, _, _ in rows) or "nothing was asked for in a week", tuple(found))


def session(rows: Rows, moment: Moment) -> Answer:
    """rows: check_sessions. Today's session of each calendar, or the next; only told, never wrong, unless none is known."""
    told, found = [], []
    for name, day, opens, closes, last, is_half in rows:
        if day is None:
            found.append(Remark(Status.WARNING, f"{name}: no session is known", name, "bin/collect-daily"))
            continue
        state = "is on" if opens <= moment.now < closes else "closing auction" if closes <= moment.now < last else f"opens in {ago(opens - moment.now)}"
        told.append(f"{name} {day} {opens:%H:%M} to {closes:%H:%M} UTC{', half day' if is_half else ''}, {state}")
    return Answer("; ".join(told) or "no symbol is active", tuple(found))


def growth(rows: Rows, moment: Moment) -> Answer:
    """rows: check_growth. How many days the disk lasts, by what it lost in a week. Less than a day of samples says nothing."""
    found, told = [], []
    for place, free, newest_at, before, since in rows:
        span = (newest_at - since).total_seconds() if since else 0.0
        if span < DAY.total_seconds() / 4 or before <= free:
            told.append(f"{place}: {size(free)} free, not filling")
            continue
        days = free / ((before - free) / span) / 86400
        text = f"{place}: {size(free)} free, {days:.0f} days at the last week's rate"
        told.append(text)
        status = below(days, 30, 7)  # ours: a month to order a disk, a week to make room
        if status is not Status.OK:
            found.append(Remark(status, text, place))
    return Answer("; ".join(told) or "no samples yet: bin/health makes them", tuple(found))
