"""How large the next requests may be, from how the last ones were answered. Introduces the table of requests to chunk_size."""

from __future__ import annotations

from collections.abc import Iterable

from scizor.base.protocols import PacingRule
from scizor.db.sql import query
from scizor.ib.history import weekdays
from scizor.ib.pacing import rule_for
from scizor.market.chunk_size import LARGEST, MEMORY, Answered, step_after
from scizor.market.types import Timeframe, Window
from scizor.run.context import Context


def step(context: Context) -> int:
    """The step of the size: the largest under the hard rule, else what the answers of the last fortnight bear."""
    if rule_for(Timeframe.MIN1, context.config.pacing.regime) is PacingRule.HARD:
        return LARGEST
    rows = context.connection.execute(query("recent_answers"), {"since": context.clock.now() - MEMORY})
    answers = [
        Answered(Timeframe(timeframe), weekdays(first, last), seconds, is_late)
        for timeframe, first, last, seconds, is_late in rows
    ]
    return step_after(answers, context.config.gateway.request_timeout_seconds)


def may_change(context: Context, windows: Iterable[Window]) -> bool:
    """Whether the size of these follows the answers: not where a person said it, nor under the hard rule."""
    regime = context.config.pacing.regime
    return getattr(context.args, "sessions", None) is None and any(
        rule_for(each.timeframe, regime) is PacingRule.SOFT for each in windows
    )


def is_other(context: Context, current: int) -> bool:
    """Whether the answers ask for another step than this one."""
    return step(context) != current
