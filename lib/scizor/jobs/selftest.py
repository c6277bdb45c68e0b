"""bin/selftest: whether what goes wrong would be heard. Sends a marked test through every channel, and looks at what carries it."""

from __future__ import annotations

from typing import NamedTuple

from scizor.alert import channels
from scizor.base.exit import Exit
from scizor.base.protocols import Message, Severity
from scizor.jobs.checks import table
from scizor.jobs.checks.look import look
from scizor.jobs.checks.words import Status
from scizor.jobs.show import aligned
from scizor.run import ping
from scizor.run.context import Context, Result

LOOKED_AT = ("cron", "mail", "locks", "secrets", "logs")


class Line(NamedTuple):
    """One thing that was tried. hint: what to do where it is not ok."""

    what: str
    is_ok: bool
    said: str
    hint: str = ""


def run(context: Context) -> Result:
    lines = [*_channels(context), *_switch(context), *_looked_at(context)]
    print(aligned([(each.what, "ok" if each.is_ok else "FAILED", each.said + (f". HINT: {each.hint}" if each.hint else "")) for each in lines], set()))
    failed = [each for each in lines if not each.is_ok]
    if not failed:
        return Result(f"{len(lines)} of {len(lines)} ok: did each message arrive where you read it?")
    names = ", ".join(each.what for each in failed)
    return Result(f"{len(failed)} of {len(lines)} failed: {names}", Exit.FINDING, hint=failed[0].hint or "see the lines above")


def _channels(context: Context) -> list[Line]:
    config, now = context.config, context.clock.now()
    there = sorted(channels.configured(config))
    if not there:
        return [Line("channels", False, "none is configured: a failure would be told nobody but cron", "[mail] host and to, and [alert], in the configuration")]
    message = Message(
        f"selftest/{context.run_id}", Severity.CRITICAL, "scizor: TEST, nothing is wrong",
        f"This is a test of the alerts of {context.paths.root}, asked for by bin/selftest.\nNothing is wrong, and nothing need be done.", now,
    )  # fmt: skip
    lines = []
    for channel in there:
        failure = channels.send(channel, message, config)
        lines.append(Line(str(channel), failure is None, "was taken" if failure is None else failure.text, "" if failure is None else "see [mail] and [alert] in the configuration"))
    return lines


def _switch(context: Context) -> list[Line]:
    """The dead-man's switch hears of this run as of a job's: a start, then success."""
    said: list[str] = []
    switch = ping.of(context.config.ping, context.name, context.run_id, said.append)
    if switch is None:
        if said:
            return [Line("dead-man's switch", False, said[0], "see [ping] in the configuration")]
        return [Line("dead-man's switch", True, "none is configured: nobody outside would notice that cron or this machine is dead")]
    problem = switch.send("/start") or switch.send("")
    return [Line("dead-man's switch", not problem, problem or "was told of a start and of a success", "is the address in [ping] url_file right?" if problem else "")]


def _looked_at(context: Context) -> list[Line]:
    """What alerts and jobs stand on, as bin/check sees it."""
    seen = look(context, table.chosen(LOOKED_AT, is_ready=False))
    return [Line(each.check.name, each.status is Status.OK, each.value, each.hint if each.status is not Status.OK else "") for each in seen.lines]
