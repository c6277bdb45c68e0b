"""The mail relay of this room's tests is a real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.relay import Relay
from tests.relay import relay as running


@pytest.fixture
def relay() -> Iterator[Relay]:
    with running() as server:
        yield server
