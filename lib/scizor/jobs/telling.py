"""What a collection tells a person: the plan before it starts, and what could not be had when it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from scizor.base.exit import Exit
from scizor.base.protocols import PacingClass
from scizor.db.ledger import recent
from scizor.ib.codes import explain
from scizor.ib.pacing import Limits, request_for
from scizor.ib.plan import plan
from scizor.jobs.fetching import NO_PERMISSION_MAX, Tally
from scizor.market.calendar import venue
from scizor.market.coverage import expected
from scizor.market.types import Instrument, OutcomeKind, Session, Timeframe, Window
from scizor.run.context import Context, Result

BAR_BYTES = 200  # a bar in the table and its index, measured over twenty years of daily bars of eighteen shares
QUIET_MIN = 5  # symbols of one exchange that answer "no data" at once are not quiet: something is wrong
SHOWN_MAX = 12


def plan_of(
    context: Context, windows: Sequence[Window], sessions: Mapping[str, Sequence[Session]],
    instruments: Sequence[Instrument], stopped: Mapping[str, int], pacing_class: PacingClass = PacingClass.DAILY,
) -> str:  # fmt: skip
    """How many requests, under which rule, until when (with what the ledger has spent already), how much disk; and who is
    not asked, and why."""
    now = context.clock.now()
    lines = []
    if windows:
        limits = Limits.of(context.config.pacing)
        spent = recent(context.connection, now, timedelta(seconds=limits.history_seconds))
        planned = plan(
            windows, limits, now, history=spent, describe=lambda window, terms: request_for(window, terms, pacing_class)
        )
        bars = sum(_bars_in(window, sessions) for window in windows)
        minutes, seconds = divmod(round((planned.eta - now).total_seconds()), 60)
        done = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        lines.append(
            f"{planned.requests} requests under the {planned.rule.value} rule, up to {bars:,} bars, "
            f"{bars * BAR_BYTES / 1e6:.1f} MB; done in about {done}, at {planned.eta:%Y-%m-%d %H:%M} UTC"
        )
        shown = windows if context.args.verbose else windows[:SHOWN_MAX]
        lines += [f"  {window.instrument.symbol:<8} {window.timeframe:<5} {window.first} to {window.last}" for window in shown]
        if len(windows) > len(shown):
            lines.append(f"  … and {len(windows) - len(shown)} more (-v shows all)")
    else:
        lines.append("nothing is due")
    lines += [f"not asked: {each.symbol}: {each.refused}" for each in instruments if each.refused]
    lines += [f"not asked: {exchange}: {count} symbols without permission" for exchange, count in stopped.items()]
    return "\n".join(lines)


def result_of(tally: Tally, again: str = "bin/collect-daily --retry-failed tries at once") -> Result:
    """The exit status and the lines: 0 when every window has an answer, 3 when some have not, 77 or 69 when none has; 4 when
    an answer was another contract's, whatever else there is to say. again: what a person can do about a failure at once."""
    ok = tally.kinds[OutcomeKind.OK] + tally.kinds[OutcomeKind.EMPTY_CONFIRMED]
    deferred = tally.kinds[OutcomeKind.EMPTY_UNCONFIRMED]
    alarming = {exchange: count for exchange, count in tally.quiet.items() if count >= QUIET_MIN and count > ok}
    unasked = tally.targets - tally.done - sum(tally.stopped.values())
    failed = tally.targets - unasked - ok - (0 if alarming else deferred)
    summary = f"{ok} of {tally.targets} windows, {tally.stored} bars stored"
    for count, word in ((tally.revised, "revised"), (tally.quarantined, "quarantined"), (deferred, "unconfirmed")):
        summary += f", {count} {word}" if count else ""
    result = Result(summary, counts={
        "targets": tally.targets, "succeeded": ok, "failed": failed, "rows_stored": tally.stored + tally.revised,
    })  # fmt: skip
    result.failures = [*_grouped(tally), *(
        f"{exchange}: {count} symbols answered 'no data' at once, unconfirmed: asked again in 12 hours"
        for exchange, count in alarming.items()
    )]  # fmt: skip
    if unasked:
        result.failures.append(f"{unasked} windows were not asked" + (f": {tally.lost}" if tally.lost else ""))
    if tally.foreign:
        names = ", ".join(each.instrument.symbol for each in tally.foreign[:SHOWN_MAX])
        result.failures.insert(0, f"another contract's bars came for {names}: the answers are in quarantine, nothing of them is stored")
        result.status, result.kind = Exit.FINDING, "another-contract"
        result.hint = "has the code changed its owner? bin/symbols show, then bin/symbols qualify; the rows are in quarantine"
        return result
    if not failed and not unasked:
        return result
    refused = tally.kinds[OutcomeKind.NO_PERMISSION] + sum(tally.stopped.values())
    result.status = Exit.PARTIAL
    if refused == tally.targets:
        result.status, result.hint = Exit.REFUSED, "subscribe to the market data of this exchange for the login's API"
    elif tally.lost and not ok:
        result.status, result.hint = Exit.UNREACHABLE, "is the Gateway still logged in? sql/monitor/jobs.sql has its last words"
    elif failed:
        result.hint = f"the next run tries again what may succeed; {again}"
    else:
        result.hint = "run it again: it goes on where it stopped"
    causes = {kind.value for kind, _, _ in tally.failures} | ({"quiet"} if alarming else set()) | ({"unasked"} if unasked else set())
    result.kind = "+".join(sorted(causes))
    return result


def _grouped(tally: Tally) -> list[str]:
    """A line for each cause, with the symbols it struck; the most frequent first."""
    lines = []
    for exchange, count in Counter(tally.refused).most_common():
        if count >= NO_PERMISSION_MAX:
            rest = tally.stopped[exchange]
            lines.append(f"{exchange}: no permission for {count} symbols; {rest} more were not asked")
    for (kind, code, text), windows in sorted(tally.failures.items(), key=lambda each: -len(each[1])):
        if kind is OutcomeKind.NO_PERMISSION and tally.refused[venue(windows[0].instrument)] >= NO_PERMISSION_MAX:
            continue
        names = ", ".join(f"{each.instrument.symbol} {each.first}..{each.last}" for each in windows[:SHOWN_MAX])
        more = f" and {len(windows) - SHOWN_MAX} more" if len(windows) > SHOWN_MAX else ""
        said = explain(code, text) if code is not None else text
        lines.append(f"{kind.value}: {names}{more}: {said}")
    return lines


def _bars_in(window: Window, sessions: Mapping[str, Sequence[Session]]) -> int:
    """How many bars its sessions have at most, in continuous trading."""
    held = [each for each in sessions[window.instrument.calendar] if window.first <= each.session_date <= window.last]
    if window.timeframe is Timeframe.DAY1:
        return len(held)
    return sum(expected(each, window.timeframe) for each in held)
