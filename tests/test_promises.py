"""Promises that a person makes once and a test keeps: scripts and README, configuration and example, SQL and comments,
and what the source must never contain. Every rule that asserts an absence is tried on a planted breach.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scizor.base import config
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from tests.source import Module, bin_files, first_line, parse, product, scripts

README = ROOT / "README.md"
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}  # cron's world

needs_readme = pytest.mark.skipif(not README.exists(), reason="README.md is not written yet")


def tracked() -> list[str]:
    """Every file that belongs to the project, as git sees it; without git, what lies there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    folders = ("bin", "cron", "etc", "lib", "sql", "tests")
    return [str(path.relative_to(ROOT)) for each in folders for path in (ROOT / each).rglob("*") if path.is_file()]


# Scripts


def help_of(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "bin" / name, "--help"], cwd="/", env=BARE, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("path", bin_files(), ids=lambda path: path.name)
def test_every_script_can_be_run_and_begins_as_the_others_do(path: Path) -> None:
    assert os.access(path, os.X_OK)
    launcher = "#!/usr/bin/env -S sh -c 'exec \"$(dirname \"$(readlink -f \"$0\")\")/{}\" \"$0\" \"$@\"'"
    assert first_line(path) in ("#!/bin/sh", launcher.format("python"), launcher.format("setup"))


@pytest.mark.parametrize("name", scripts())
def test_help_is_the_docstring(name: str) -> None:
    answer = help_of(name)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == (ast.get_docstring(scripts()[name].tree, clean=False) or "").strip() + "\n"


def test_setup_explains_itself_too() -> None:
    answer = help_of("setup")
    assert answer.returncode == 0 and answer.stdout.startswith("setup: ") and "Exit status" in answer.stdout


@pytest.mark.parametrize("name", scripts())
def test_a_docstring_begins_with_its_name_and_says_how_it_ends(name: str) -> None:
    text = ast.get_docstring(scripts()[name].tree) or ""
    assert text.startswith(f"{name}: ")
    ending = text.partition("Exit status:")[2]
    stated = {int(number) for number in re.findall(r"(?<![\w.:-])\d{1,3}\b(?! (?:minutes|seconds|lines|hours))", ending)}
    assert ending and stated <= set(Exit), "a status that base.exit does not know"


def options(script: Module) -> set[str]:
    """The long options that a script, and the job that it calls, declare."""
    calls = [node for node in ast.walk(script.tree) if isinstance(node, ast.Call)]
    named = [node for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument"]
    return {
        each.value for node in named for each in node.args
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value.startswith("--")
    }  # fmt: skip


@pytest.mark.parametrize("name", scripts())
def test_every_option_is_explained(name: str) -> None:
    text = ast.get_docstring(scripts()[name].tree) or ""
    assert not {each for each in options(scripts()[name]) if not re.search(rf"{each}\b(?!-)", text)}


@needs_readme
@pytest.mark.parametrize("path", bin_files(), ids=lambda path: path.name)
def test_README_names_every_script(path: Path) -> None:
    assert f"`bin/{path.name}`" in README.read_text()


# README


@needs_readme
def test_README_names_no_script_or_file_that_is_not_there() -> None:
    if not list((ROOT / "sql" / "monitor").glob("*.sql")):
        pytest.skip("sql/monitor is not written yet")
    named = set(re.findall(r"(?<![\w./-])((?:bin|etc|sql|cron|lib)/[\w./*-]*[\w*])", README.read_text()))
    created = {"etc/scizor.toml"}
    absent = {each for each in named - created if not list(ROOT.glob(each)) and not list((ROOT / "lib" / "scizor").glob(each))}
    assert named and not absent


@needs_readme
def test_README_and_code_agree_on_the_exit_statuses() -> None:
    table = README.read_text().partition("## Exit status")[2].partition("\n## ")[0]
    stated = {int(number) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for number in row.split(",")}
    assert stated == {int(each) for each in Exit}


@needs_readme
def test_README_names_no_key_that_the_configuration_does_not_know() -> None:
    example = config.example()
    for section, key in re.findall(r"`\[(\w+)\](?: (\w+))?", README.read_text()):
        assert f"[{section}]" in example, section
        part = example.partition(f"[{section}]")[2].partition("\n[")[0]
        assert not key or re.search(rf"^{key} = ", part, re.MULTILINE), f"[{section}] {key}"


@needs_readme
def test_README_gives_a_reason_for_every_dependency() -> None:
    product_part = (ROOT / "etc" / "requirements.in").read_text()
    for name in re.findall(r"^([A-Za-z][\w-]*)", product_part, re.MULTILINE):
        assert re.search(rf"`{re.escape(name)}`|\b{re.escape(name)}\b", README.read_text()), name


def test_the_example_is_made_from_the_configuration() -> None:
    assert config.EXAMPLE.read_text() == config.example()


def test_hints_name_only_keys_that_exist() -> None:
    """A hint sends a person to a key: it must be there."""
    example = config.example()
    for name, module in product().items():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for section, key in re.findall(r"\[(\w+)\] (\w+)(?=[ ,;.)`]|$)", node.value):
                    part = example.partition(f"\n[{section}]")[2].partition("\n[")[0]
                    known = section in ("backup", "mail", "gateway", "database", "pacing", "collect", "paths", "clock")
                    is_key = re.search(rf"^{key} = ", part, re.MULTILINE) is not None
                    assert not known or is_key or "_" not in key, f"{name}:{node.lineno} [{section}] {key}"


# SQL


SQL = sorted((ROOT / "sql").rglob("*.sql"))


@pytest.mark.parametrize("path", SQL, ids=lambda path: str(path.relative_to(ROOT / "sql")))
def test_every_SQL_file_begins_by_saying_what_it_is(path: Path) -> None:
    first = path.read_text().split("\n", 1)[0]
    assert first.startswith("-- ") and len(first.split()) >= 3


@pytest.mark.parametrize("path", [path for path in SQL if path.parent.name == "queries"], ids=lambda path: path.name)
def test_a_query_file_holds_one_statement_and_is_used(path: Path) -> None:
    bare = re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--[^\n]*", "", path.read_text()))
    assert ";" not in bare.strip().rstrip(";")
    sources = "".join(file.read_text() for folder in ("lib", "bin", "tests") for file in (ROOT / folder).rglob("*") if file.is_file() and file.suffix in (".py", ""))
    family = path.stem.rpartition("_")[0]  # query(f"screen_{…}")
    assert re.search(rf"[\"']{path.stem}[\"']|f[\"']{family}_{{", sources), "nobody asks for it"


@pytest.mark.parametrize("path", [path for path in SQL if path.parent.name == "monitor"], ids=lambda path: path.name)
def test_a_monitor_runs_in_bare_psql(path: Path) -> None:
    text = re.sub(r"--[^\n]*", "", path.read_text())
    assert "%(" not in text and not re.search(r"(?<![:\w]):'?\w", text), "a parameter"


# What must never be there


def outside_paths(name: str, text: str) -> Iterator[str]:
    """Paths of the machine on which this was written, and hosts of registries: a clone must not know them."""
    host = r"\b(?:[\w-]+\.)*(?:pypi|pythonhosted|npmjs)\.(?:org|com)\b|--(?:extra-)?index-(?:url)|--trusted-(?:host)"
    path = r"(?<![\w.$}~/-])/(?:work|root|home|Users|tmp)/[\w.]+"
    for number, line in enumerate(text.splitlines(), 1):
        for found in re.findall(f"{host}|{path}", line):
            yield f"{name}:{number} {found}"


def test_no_file_names_a_machine_s_paths_or_a_registry() -> None:
    found: list[str] = []
    for name in tracked():
        with open(ROOT / name, "rb") as file:
            text = file.read(5_000_000)
        if b"\0" not in text[:8000]:
            found += outside_paths(name, text.decode("utf-8", "replace"))
    assert found == []


@pytest.mark.parametrize(
    "text",  # put together here, so that this file too knows none
    [f"cd {os.sep}work/main", f"open('{os.sep}root/x')", f"see https://{'pypi'}.org/simple", f"--{'index'}-url https://x",
     f'"resolved": "https://registry.{"npmjs"}.org/x"'],
)
def test_the_rule_sees_a_planted_path(text: str) -> None:
    assert list(outside_paths("planted", text))


@pytest.mark.parametrize("text", ["../shared/data", "never in /tmp, never unlinked", "~/data/x", "$ROOT/tmp/x", "var/tmp/x", "/var/spool/cron/crontabs/somebody"])
def test_the_rule_leaves_innocent_paths(text: str) -> None:
    assert not list(outside_paths("innocent", text))


ORDERS = {"placeOrder", "placeOrderAsync", "cancelOrder", "exerciseOptions", "reqGlobalCancel", "bracketOrder", "oneCancelsAll", "whatIfOrder", "whatIfOrderAsync"}
#: They know these names in order to refuse them: the table of messages, and the gateway that answers whoever sends them.
REFUSERS = ("scizor.ib.messages", "scizor.ib.outbound", "scizor.replay.")


def orders(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        said = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not module.name.startswith(REFUSERS):
            said = node.value  # getattr(ib, "placeOrder")
        if said in ORDERS:
            yield f"{module.name}:{node.lineno} {said}"  # type: ignore[attr-defined]


#: What a job may not do behind the runner's back. run.paced hands what its task met to whoever waits for it.
BROAD_EXCEPTS = {"scizor.run.runner": 1, "scizor.run.paced": 2}


def broad_excepts(module: Module) -> Iterator[str]:
    caught = [node for node in ast.walk(module.tree) if isinstance(node, ast.ExceptHandler)]
    broad = [node for node in caught if node.type is None or re.search(r"\b(?:Base)?Exception\b", ast.unparse(node.type))]
    if len(broad) > BROAD_EXCEPTS.get(module.name, 0):
        yield from (f"{module.name}:{node.lineno} catches everything" for node in broad)


def endless_queues(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).split(".")[-1].split("[")[0]
            is_sized = bool(node.args or node.keywords) and ast.unparse((node.args or [node.keywords[0].value])[0]) not in ("0", "-1")
            if called == "SimpleQueue" or (called in ("Queue", "LifoQueue", "PriorityQueue", "JoinableQueue") and not is_sized):
                yield f"{module.name}:{node.lineno} a queue without a size"


TIME = {
    "time.time", "time.time_ns", "time.sleep", "time.monotonic", "datetime.now", "datetime.utcnow", "datetime.today",
    "date.today", "asyncio.timeout", "asyncio.wait_for", "asyncio.sleep",
}  # fmt: skip


def own_clocks(module: Module) -> Iterator[str]:
    """Only base/clock asks the machine for the time or waits on it; asyncio.sleep(0) is no waiting."""
    if module.name == "scizor.base.clock":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            called = ".".join(ast.unparse(node.func).split(".")[-2:])
            is_yield = called == "asyncio.sleep" and [ast.unparse(each) for each in node.args] == ["0"]
            if called in TIME and not is_yield:
                yield f"{module.name}:{node.lineno} {called}"


def long_files(module: Module) -> Iterator[str]:
    lines = max((getattr(node, "end_lineno", 0) or 0 for node in ast.walk(module.tree)), default=0)
    if lines >= 400:
        yield f"{module.name} has {lines} lines"


def empty_words(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and re.search(r"(Manager|Handler|Engine|Professional)$", node.name):
            yield f"{module.name}:{node.lineno} {node.name}"


RULES: list[Callable[[Module], Iterator[str]]] = [orders, broad_excepts, endless_queues, own_clocks, long_files, empty_words]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_I20_no_order_and_nothing_else_that_the_source_must_not_hold(rule: Callable[[Module], Iterator[str]]) -> None:
    modules = [*product().values(), *scripts().values()]
    assert [each for module in modules for each in rule(module)] == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (orders, "ib.placeOrder(contract, order)"), (orders, "getattr(ib, 'reqGlobalCancel')()"), (orders, "from x import y\ncancelOrder()"),
        (broad_excepts, "try:\n    pass\nexcept Exception:\n    pass"), (broad_excepts, "try:\n    pass\nexcept (OSError, BaseException):\n    pass"),
        (broad_excepts, "try:\n    pass\nexcept:\n    pass"),
        (endless_queues, "asyncio.Queue()"), (endless_queues, "queue.Queue(maxsize=0)"), (endless_queues, "SimpleQueue()"), (endless_queues, "asyncio.Queue[int]()"),
        (own_clocks, "time.time()"), (own_clocks, "datetime.datetime.now(UTC)"), (own_clocks, "await_ = asyncio.sleep(1)"),
        (long_files, "\n" * 400 + "x = 1"), (empty_words, "class OrderManager: pass"),
    ],
)  # fmt: skip
def test_the_rule_sees_a_planted_breach(rule: Callable[[Module], Iterator[str]], text: str) -> None:
    assert list(rule(parse("scizor.planted", text)))


def test_what_is_sized_or_only_yields_is_no_breach() -> None:
    module = parse("scizor.planted", "asyncio.Queue(100)\nqueue.Queue(maxsize=LIMIT)\nasyncio.sleep(0)\nclock.now()\nclock.sleep(3)")
    assert not [*endless_queues(module), *own_clocks(module)]


@needs_readme
def test_README_shows_every_key_with_its_default() -> None:
    assert config.table() in README.read_text()
