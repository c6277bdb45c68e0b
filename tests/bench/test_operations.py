"""The figures of operations in full: minutes each, so with --exhaustive only. What they inject is in the suite, tests/jobs/checks/test_faults.py."""

from __future__ import annotations

import importlib

import pytest

from tests.bench import complete


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["operations_o1", "operations_o6", "operations_o7"])
def test_every_figure_meets_its_bar(name: str) -> None:
    found = [complete(each) for each in importlib.import_module(f"tests.bench.{name}").figures(print)]
    assert [each for each in found if not each["met"]] == []
