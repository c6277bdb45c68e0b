"""D10: foreign clients that the replay gateway serves: IB's old ibapi from PyPI and @stoqey/ib from npm. A skip is a miss."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from scizor.base.clock import RunningClock
from scizor.replay.tws.options import GatewayOptions
from scizor.replay.tws.server import serve
from tests.foreign import install
from tests.foreign.judge import CLIENTS, ask, wrong
from tests.replay.conftest import CLOSE
from tests.replay.memory import MemorySource


async def _served(name: str, version: int, report: Callable[[str], None], *, planted: bool) -> bool:
    """Whether the client was told everything as the source has it. planted: it is given another contract's bars."""
    clock = RunningClock(CLOSE, datetime.now(UTC))
    async with serve(GatewayOptions(port=0), MemorySource(), clock) as gateway:
        if planted:
            gateway.inject("wrong-bars", "4036818")
        try:
            problems = wrong(await ask(name, gateway.port, 31), version)
        except install.UnavailableError as problem:
            report(f"{name}: cannot be installed: {problem}")
            return False
        report(f"{name}{' with a planted defect' if planted else ''}: {', '.join(problems) or 'everything as it should be'}")
        return not problems


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    async def count(planted: bool) -> int:
        return sum([await _served(name, version, report, planted=planted) for name, version in CLIENTS.items()])

    served = asyncio.run(count(False))
    refused = len(CLIENTS) - asyncio.run(count(True))
    return [
        {
            "id": "D10", "value": served, "unit": f"of {len(CLIENTS)} clients", "op": ">=", "bar": len(CLIENTS),
            "n": len(CLIENTS), "rival": "ibapi 9.81.1.post1, @stoqey/ib 1.6.10", "planted": refused,
        }
    ]  # fmt: skip


if __name__ == "__main__":
    print(figures(print))
