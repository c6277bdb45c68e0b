"""Tells a person of findings with what there is: the table of alerts, and the failure mail with its state in files.

base.protocols.Alerting, in its smallest form. A finding is an incident of the job that found it, in a scope of its own: told at
once, after an hour, then daily, then "recovered"; below HIGH it stands in the table alone. When the database is what died, the
files and the mail are enough, and the table is caught up when it is back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scizor.alert import incidents
from scizor.base.config import Config
from scizor.base.errors import ScizorError
from scizor.base.exit import Exit
from scizor.base.protocols import Finding, Message, Severity
from scizor.run import outbox
from scizor.run.context import Context

MAIL_SECONDS = 4.0  # of a run that comes again in a minute
LOUD = (Severity.CRITICAL, Severity.HIGH)


def note(context: Context, findings: Sequence[Finding], *, is_database_there: bool = True) -> list[str]:
    """All that is found now; what was found before and is no more is over. Decided here, sent by drain(): several at once are one mail."""
    said: list[str] = []
    if is_database_there:
        said += _in_table(context, findings)
    loud = {each.fingerprint: each for each in findings if each.severity in LOUD}
    config = _quick(context.config)
    now = context.clock.now()
    is_full_hour = now.minute == 0  # without a state that remembers what was told, once an hour is often enough
    for name, each in loud.items():
        text = f"{each.subject}\n\n{each.body}\n\nHINT: {each.hint}"
        event = outbox.Failure(context.name, name, int(Exit.FINDING), each.rule, each.subject, text)
        said += outbox.report(config, context.paths, context.clock, event, is_sent=False, is_sent_without_state=is_full_hour)
    for incident in incidents.load_all(context.paths.state / "alerts"):
        if incident.job == context.name and incident.scope and incident.scope not in loud and incident.recovered_at is None:
            said += outbox.report(config, context.paths, context.clock, outbox.Success(context.name, incident.scope), is_sent=False, is_sent_without_state=False)
    return said


def drain(context: Context) -> list[str]:
    """Delivers mail that waits, of whatever job: note() of a run with nothing new does not come to it."""
    return outbox.deliver(_quick(context.config), context.paths, context.clock)


def _quick(config: Config) -> Config:
    return replace(config, mail=replace(config.mail, timeout_seconds=min(config.mail.timeout_seconds, MAIL_SECONDS)))


def _in_table(context: Context, findings: Sequence[Finding]) -> list[str]:
    """One open row a finding; rows of ours that are found no more are resolved."""
    now = context.clock.now()
    messages = [
        Message(f"{context.name}/{each.fingerprint}", each.severity, each.subject, f"{each.body}\n\nHINT: {each.hint}", now,
                labels={"job": context.name, "rule": each.rule, "scope": each.scope, **each.labels})
        for each in findings
    ]  # fmt: skip
    try:
        with outbox.in_database(context.config, context.name) as box:
            known = {each.fingerprint for each in messages}
            for message in messages:
                box.put(message)
            for fingerprint in box.open(f"{context.name}/"):
                if fingerprint not in known:
                    box.put(Message(fingerprint, Severity.LOW, "", "", now, recovered=True))
    except ScizorError as problem:
        return [f"the database has no note of the findings: {problem}"]
    return []
