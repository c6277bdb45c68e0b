"""Gateways that serve a source made up on the spot, on a clock that starts after a session's close and then runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from scizor.base.clock import RunningClock
from scizor.replay.tws.options import GatewayOptions
from scizor.replay.tws.server import Gateway, serve
from tests.replay.memory import MemorySource

CLOSE = datetime(2025, 1, 15, 6, 0, tzinfo=UTC)  # a Wednesday, 17:00 in Sydney

Serving = Callable[..., AbstractAsyncContextManager[Gateway]]


@pytest.fixture
def source() -> MemorySource:
    return MemorySource()


@pytest.fixture
def serving(source: MemorySource) -> Serving:
    """`async with serving(regime="hard", speed=60) as gateway`: the other words are GatewayOptions."""

    @asynccontextmanager
    async def gateway(speed: float = 1.0, at: datetime = CLOSE, **options: Any) -> AsyncIterator[Gateway]:
        clock = RunningClock(at, datetime.now(UTC), speed)
        async with serve(GatewayOptions(port=0, **options), source, clock) as running:
            yield running

    return gateway
