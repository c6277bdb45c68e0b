"""Faults in writing: `NAME[=ARG][@key=value,...]` on the command line, and a TOML file that may change while we run.

    [[fault]]
    name = "pacing"          # any name that --list-faults prints
    symbol = "BHP"           # and any other field of faults.Rule: message, con_id, client, bar_size, what, nth, times,
    nth = 2                  # from_seconds, to_seconds, at_seconds; they count from when the file was read

When the file changes, its rules are read again and replace the ones before; events in it happen again.
"""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from scizor.base.errors import UsageError
from scizor.replay.tws.faults import Rule, check_argument, table


def parse_rule(text: str) -> Rule:
    """`error-after=3@symbol=BHP,nth=2`. UsageError names what is wrong."""
    name, _, conditions = text.partition("@")
    name, _, arg = name.partition("=")
    values: dict[str, Any] = {"name": name, "arg": arg}
    for condition in filter(None, conditions.split(",")):
        key, equals, value = condition.partition("=")
        if not equals:
            raise UsageError(f"{text}: {condition!r} is not key=value")
        values[key.strip()] = value.strip()
    return _rule(values, text)


def read_script(file: Path) -> tuple[Rule, ...]:
    """The file's rules, in its order."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise UsageError(f"{file}: {problem}", hint="see the top of lib/scizor/replay/tws/script.py") from None
    if unknown := content.keys() - {"fault"}:
        raise UsageError(f"{file}: unknown key {sorted(unknown)[0]}", hint="only [[fault]] tables are known")
    rows = content.get("fault", [])
    if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
        raise UsageError(f"{file}: fault is a list of tables", hint="write [[fault]], with two brackets")
    return tuple(_rule(each, f"{file}, fault {number}") for number, each in enumerate(rows, 1))


def _rule(values: dict[str, Any], where: str) -> Rule:
    types = get_type_hints(Rule)
    known = {each.name for each in fields(Rule)}
    if unknown := values.keys() - known:
        raise UsageError(f"{where}: unknown key {sorted(unknown)[0]}", hint=f"known: {', '.join(sorted(known))}")
    if values.get("name") not in table():
        raise UsageError(f"{where}: no fault named {values.get('name')!r}", hint="bin/replay-gateway --list-faults")
    try:
        rule = Rule(**{key: types[key](value) for key, value in values.items()})
        check_argument(rule)
    except ValueError as problem:
        raise UsageError(f"{where}: {problem}") from None
    return rule
