"""A moment for judges: a Wednesday evening in Sydney, nothing near, and what a test changes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.base.paths import ROOT, Paths
from scizor.jobs.checks.words import Moment

NOW = datetime(2025, 1, 15, 8, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def moment(now: datetime = NOW, config: Config | None = None, state: Path = Path("var/none"), **more: Any) -> Moment:
    paths = Paths(root=ROOT, state=state, logs=state / "logs")
    return Moment(now, now, config or replace(Config(), mode="replay"), paths, StoppedClock(now), **more)
