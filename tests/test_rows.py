"""A promise about the tests themselves: every fault and every invariant that daily collection must withstand is carried by
a test that bears its number (`row_19`, `rows_29_30_31`, `row_19_to_26`, `I21`), and every test asserts something.

The numbers are those of the project's table of bad inputs and faults, and of its invariants; the words say what they mean.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from scizor.base.paths import ROOT

ROWS = {
    1: "a second start of a running job", 2: "a lock file deleted while it is held", 3: "a lock directory that is not fit",
    4: "CRON_TZ, which Debian's cron ignores", 5: "no mail transport", 6: "a percent sign in a crontab", 7: "a bad date",
    8: "a half day", 9: "a clock that is off", 10: "another time zone of the host", 11: "a year that the calendar lacks",
    12: "nothing listens", 13: "a socket without a handshake", 14: "an account of another mode", 15: "a client id in use",
    16: "IB lost and restored", 17: "restored, data lost", 18: "a farm that breaks", 19: "a pacing violation", 20: "no data",
    21: "a 162 that nobody understands", 22: "no security definition", 23: "not subscribed", 24: "the other errors",
    25: "a timeout", 26: "an error after some bars", 27: "bars out of order, and twice", 28: "one start, two values",
    29: "prices in no order", 30: "what is no price", 31: "volumes", 32: "off the tick", 33: "too many decimals",
    34: "an unfinished bar", 35: "a bar outside the session", 36: "a time without a zone", 37: "a local time that is two, or none",
    38: "the bars of another contract", 39: "a session served again", 40: "a split overnight", 41: "a genuine gap", 42: "a price ten times off", 43: "one tick of a cheap share",
    44: "a closing auction", 45: "a book before the open", 46: "hostile symbols", 47: "odd symbols", 48: "codes that change", 49: "impossible lengths",
    50: "frames cut and glued", 51: "messages that nobody knows", 53: "a Gateway that says nothing", 55: "a database that is down",
    56: "a database that refuses", 57: "a database that dies", 61: "no partition for a date", 62: "another schema",
    68: "a Redis that is not well", 73: "a log that cannot be written", 76: "a secret that others can read", 77: "a secret in an error",
    78: "a configuration full of mistakes", 79: "nothing to retry", 85: "a file in anybody's form", 88: "the login that expires every week",
    90: "an empty page",
}  # fmt: skip
INVARIANTS = {
    4: "again changes nothing", 5: "one instance writes", 6: "a paused holder cannot write", 7: "missed runs are made up",
    8: "what is due, at every change of daylight saving", 9: "failure is never success", 10: "bit for bit",
    11: "no impossible bar", 12: "no bar is lost", 13: "a chain of versions", 14: "no later knowledge", 15: "coverage equals a recount",
    16: "one explanation each", 17: "whose bars these are", 20: "no other port or account, no order",
    21: "pacing across processes", 27: "read-only filesystems", 28: "files old or new", 29: "SIGTERM", 30: "a watchdog", 31: "one alert a failure",
    32: "no secret anywhere", 33: "silence and speech", 38: "sequences and restores", 39: "the collector's rights",
    40: "hostile input", 42: "clock jumps", 43: "time zones", 44: "split detection", 47: "migrations keep all", 48: "every fault shows in a check",
}  # fmt: skip

#: What asserts without the word.
CHECKS = frozenset({"raises", "fail", "warns"})
TESTS = ROOT / "tests"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def functions() -> tuple[tuple[Path, Function], ...]:
    """Every function of the test tree, with its file."""
    found: list[tuple[Path, Function]] = []
    for path in sorted(TESTS.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [(path, node) for node in ast.walk(tree) if isinstance(node, Function)]
    return tuple(found)


def every_test() -> Iterator[tuple[Path, Function]]:
    return ((path, node) for path, node in functions() if node.name.startswith("test_") and path.name.startswith("test_"))


def rows_of(name: str) -> set[int]:
    """test_row_07_…, test_rows_29_30_31_…, test_row_19_to_26_…, test_I6_row_02_…"""
    found: set[int] = set()
    for match in re.finditer(r"(?:^|_)rows?((?:_\d+|_to(?=_\d))+)(?=_|$)", name):
        words = match[1].strip("_").split("_")
        for place, word in enumerate(words):
            if word == "to":
                found |= set(range(int(words[place - 1]), int(words[place + 1]) + 1))
            else:
                found.add(int(word))
    return found


def invariants_of(name: str) -> set[int]:
    return {int(each) for each in re.findall(r"(?:^|_)I(\d+)(?=_|$)", name)}


def carriers(numbers: set[int], read: object) -> dict[int, list[str]]:
    assert callable(read)
    found: dict[int, list[str]] = {number: [] for number in sorted(numbers)}
    for path, node in every_test():
        is_marked = any("exhaustive" in ast.unparse(each) for each in node.decorator_list)
        for number in read(node.name) & numbers:
            if not is_marked:  # a full count alone would never run
                found[number].append(f"{path.relative_to(TESTS)}::{node.name}")
    return found


def test_every_row_of_the_table_of_faults_is_carried_by_a_test() -> None:
    found = carriers(set(ROWS), rows_of)
    missing = [f"row {number}: {ROWS[number]}" for number, names in found.items() if not names]
    assert missing == []


def test_every_invariant_is_carried_by_a_test() -> None:
    found = carriers(set(INVARIANTS), invariants_of)
    missing = [f"I{number}: {INVARIANTS[number]}" for number, names in found.items() if not names]
    assert missing == []


def test_the_numbers_are_read_as_they_are_written() -> None:
    assert rows_of("test_row_07_a_bad_date") == {7}
    assert rows_of("test_rows_29_30_31_35_a_bar") == {29, 30, 31, 35}
    assert rows_of("test_row_19_to_21_a_failure_of_30") == {19, 20, 21}
    assert rows_of("test_I6_row_02_a_holder") == {2}
    assert rows_of("test_rows_of_a_table_2") == set()
    assert invariants_of("test_I11_I12_I15_no_bar") == {11, 12, 15}
    assert invariants_of("test_row_56_I32_a_password") == {32}
    assert carriers({999}, rows_of) == {999: []}


def _asserts(node: Function, helpers: frozenset[str]) -> bool:
    """Whether running it can fail by something that it says: an assert, pytest.raises or fail, or a helper that asserts."""
    for each in ast.walk(node):
        if isinstance(each, ast.Assert | ast.Raise):
            return True
        if isinstance(each, ast.Call):
            is_method = isinstance(each.func, ast.Attribute)
            name = each.func.attr if isinstance(each.func, ast.Attribute) else each.func.id if isinstance(each.func, ast.Name) else ""
            is_checked = any(word.arg == "check" and ast.unparse(word.value) == "True" for word in each.keywords)  # subprocess.run
            if is_checked or name in CHECKS or (name in helpers and not is_method):
                return True
    return False


@cache
def asserting_helpers() -> frozenset[str]:
    """Functions of the tree that assert, directly or through one that does."""
    found: frozenset[str] = frozenset()
    while True:
        more = frozenset(node.name for _, node in functions() if _asserts(node, found))
        if more == found:
            return found
        found = more


@pytest.mark.parametrize("path", sorted({path for path, _ in every_test()}), ids=lambda path: path.relative_to(TESTS).as_posix())
def test_every_test_asserts_something(path: Path) -> None:
    silent = [node.name for each, node in every_test() if each == path and not _asserts(node, asserting_helpers())]
    assert silent == []


def test_no_test_asserts_what_is_always_true() -> None:
    found = []
    for path, node in every_test():
        for each in ast.walk(node):
            if not isinstance(each, ast.Assert):
                continue
            is_constant = isinstance(each.test, ast.Constant)
            is_tuple = isinstance(each.test, ast.Tuple)  # assert (x, "why"): a tuple is never false
            has_call = any(isinstance(part, ast.Call) for part in ast.walk(each.test))
            is_itself = not has_call and isinstance(each.test, ast.Compare) and [ast.unparse(each.test.left)] == [ast.unparse(other) for other in each.test.comparators]
            is_generator = isinstance(each.test, ast.GeneratorExp)
            if is_constant or is_tuple or is_itself or is_generator:
                found.append(f"{path.relative_to(TESTS)}:{each.lineno}: {ast.unparse(each)}")
    assert found == []
