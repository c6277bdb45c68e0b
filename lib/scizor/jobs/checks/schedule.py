"""When the jobs of cron/scizor.crontab should have run, and whether the table says that they did.

A job is on time when its newest run began (or still gives signs of life) no earlier than the fire before last, less the
grace: one missed run is lateness, which the next one makes up for; two are a cron that is dead. Asked is the table, so
a machine that was off, a crontab that was lost and an environment that does not start look alike, as they should.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from scizor.jobs.checks.words import Answer, Moment, Remark, Status, ago

GRACE = timedelta(minutes=10)
HEARTBEAT_SECONDS_MAX = 90.0
ENTRY = re.compile(r'"\$SCIZOR"/bin/([a-z0-9-]+)((?: [^\s;|&>]+)*)')


class Entry(NamedTuple):
    """One line of the crontab that calls a script. words: its arguments. when: five fields, UTC."""

    when: str
    script: str
    words: tuple[str, ...]


class Ran(NamedTuple):
    """The newest run of a job and scope: a row of check_jobs. alive_at: its last sign of life."""

    job: str
    scope: str
    outcome: str
    started_at: datetime
    alive_at: datetime
    exit_status: int | None
    said: str
    good_at: datetime | None
    installed_at: datetime | None


def entries(text: str) -> list[Entry]:
    """The entries of a crontab that call a script of ours, in its order."""
    found = []
    for line in text.splitlines():
        fields = line.split(None, 5)
        called = ENTRY.search(line)
        if called and not line.lstrip().startswith("#") and len(fields) == 6:
            found.append(Entry(" ".join(fields[:5]), called[1], tuple(called[2].split())))
    return found


def load(root: Path) -> list[Entry]:
    return entries((root / "cron" / "scizor.crontab").read_text(encoding="utf-8"))


def fires(when: str, now: datetime) -> Iterator[datetime]:
    """When the entry fired, the newest first, before now."""
    from cronsim import CronSim

    return iter(CronSim(when, now, reverse=True))


def wanted(known: list[Entry], now: datetime) -> dict[tuple[str, str], datetime]:
    """By script and subcommand, the fire before last of its most frequent entry. A second entry of the same script that fires
    more rarely (a weekly recount) is not told from the frequent one: both leave rows of one job."""
    found: dict[tuple[str, str], datetime] = {}
    for each in known:
        key = each.script, each.words[0] if each.words and not each.words[0].startswith("-") else ""
        fire = _before_last(each.when, now)
        found[key] = max(found.get(key, fire), fire)
    return found


def _before_last(when: str, now: datetime) -> datetime:
    past = fires(when, now)
    next(past)
    return next(past)


def rows_of(rows: list[Ran], script: str, word: str) -> list[Ran]:
    """The runs that an entry leaves: of the scope that is named like its subcommand, where there is one; else of all."""
    mine = [each for each in rows if each.job == script]
    return [each for each in mine if each.scope == word] or mine if word else mine


def punctual(facts: list[tuple[object, ...]], moment: Moment, known: list[Entry] | None = None) -> Answer:
    """Whether every job of the crontab ran when it should have. facts: rows of check_jobs."""
    if moment.is_paused:
        return Answer("paused: no job is expected")
    rows = [Ran(*each) for each in facts]  # type: ignore[arg-type]
    installed = next((each.installed_at for each in rows if each.installed_at), None)
    if installed is None:
        return Answer("the database is not in use yet")
    late: list[Remark] = []
    due = wanted(load(moment.paths.root) if known is None else known, moment.now)
    due = {key: fire for key, fire in due.items() if key[0] != moment.asked_by}  # who looks runs, and leaves its row afterwards
    for (script, word), fire in sorted(due.items()):
        mine = rows_of([each for each in rows if each.job], script, word)
        name = f"{script} {word}".strip()
        # A job that touches no database (it cleans logs, say) leaves no row: there its lock tells when it was held last.
        newest = max((each.alive_at for each in mine), default=moment.held.get(f"{script}.{word}" if word else script))
        if newest is not None and newest < fire - GRACE:
            text = f"{name} did not run for {ago(moment.now - newest)}, was due at {fire:%H:%M} UTC"
            late.append(Remark(Status.CRITICAL, text, name, f"crontab -l | grep {script}; bin/{name}", newest))
        elif newest is None and installed < fire - GRACE:
            text = f"{name} never ran"
            late.append(Remark(Status.CRITICAL, text, name, f"crontab -l | grep {script}; bin/{name}", installed))
    if late and len(late) == len(due):
        since = min((each.since for each in late if each.since), default=None)
        newest = max((each.alive_at for each in rows if each.job), default=None)
        text = f"no job ran for {ago(moment.now - newest)}" if newest else "no job ever ran"
        hint = "is cron running, and the schedule in it? pgrep cron; crontab -l; README, Schedule it"
        return Answer(text, (Remark(Status.CRITICAL, text + ": is cron dead?", "", hint, since),))
    return Answer(f"{len(due)} jobs ran when they were due", tuple(late))


def running(facts: list[tuple[object, ...]], moment: Moment) -> Answer:
    """Runs that are older than their deadline, or give no sign of life."""
    deadline = timedelta(minutes=moment.config.collect.deadline_minutes)
    rows = [Ran(*each) for each in facts]  # type: ignore[arg-type]
    active = [each for each in rows if each.job and each.outcome == "running"]
    found = []
    for each in active:
        name = f"{each.job} {each.scope}".strip()
        silent, age = moment.now - each.alive_at, moment.now - each.started_at
        if silent.total_seconds() > HEARTBEAT_SECONDS_MAX:
            text = f"{name} gave no sign of life for {ago(silent)}: killed or hanging"
            found.append(Remark(Status.CRITICAL, text, name, f"tail logs/{each.job}.log; the next run of bin/{each.job} closes it", each.alive_at))
        elif age > deadline + timedelta(minutes=2):
            found.append(Remark(Status.CRITICAL, f"{name} runs for {ago(age)}, deadline {ago(deadline)}", name, f"tail logs/{each.job}.log", each.started_at))
    return Answer(f"{len(active)} running", tuple(found))


#: Outcomes that are no failure. interrupted: a person did it, and the next run goes on.
WELL = ("done", "nothing-due", "running", "interrupted")


def failed(facts: list[tuple[object, ...]], moment: Moment) -> Answer:
    """Jobs whose newest run did not end well."""
    found = []
    rows = [Ran(*each) for each in facts]  # type: ignore[arg-type]
    for each in rows:
        if not each.job or each.outcome in WELL:
            continue
        name = f"{each.job} {each.scope}".strip()
        grave = each.outcome not in ("partial", "finding", "abandoned")
        text = f"{name} {each.outcome}" + (f" ({each.exit_status})" if each.exit_status is not None else "") + (f": {each.said}" if each.said else "")
        since = each.good_at or each.started_at
        found.append(Remark(Status.CRITICAL if grave else Status.WARNING, text[:200], name, f"tail logs/{each.job}.log; again: bin/{name}", since))
    return Answer(f"{len([each for each in rows if each.job])} jobs ended well", tuple(found))
