"""D10 in the test run: two clients that are not ours, against a gateway whose every bar is known."""

from __future__ import annotations

import asyncio

import pytest

from tests.foreign import install
from tests.foreign.judge import CLIENTS, ask, command_of, wrong
from tests.replay.conftest import Serving
from tests.replay.conftest import serving as serving
from tests.replay.conftest import source as source


@pytest.mark.parametrize(("name", "version"), sorted(CLIENTS.items()))
def test_a_foreign_client_is_told_everything_as_the_source_has_it(
    serving: Serving, name: str, version: int
) -> None:
    try:
        command_of(name)
    except install.UnavailableError as problem:
        pytest.skip(f"{name} cannot be installed here: {problem}")

    async def main() -> None:
        async with serving() as gateway:
            told = await ask(name, gateway.port, 31)
            assert wrong(told, version) == [], told["errors"]
            assert not gateway.violations
        async with serving() as gateway:
            gateway.inject("wrong-bars", "4036818")  # the planted defect
            assert wrong(await ask(name, gateway.port, 31), version) == ["close"]

    asyncio.run(main())
