"""What scripts with commands for people share: the commands themselves, and tables as aligned text, JSON or CSV."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from scizor.run.context import Result

Row = Mapping[str, object]


def commands(parser: argparse.ArgumentParser) -> Callable[[str], argparse.ArgumentParser]:
    """A function that adds a command to the script: `args.command` is its name, --help is the script's docstring, and
    the options that all scripts share may stand before the command or after it."""
    group = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str) -> argparse.ArgumentParser:
        added = group.add_parser(name, allow_abbrev=False)
        added.format_help = parser.format_help  # type: ignore[method-assign]
        added.add_argument("--config", metavar="FILE", type=Path, default=argparse.SUPPRESS)
        added.add_argument("-v", "--verbose", action="store_true", default=argparse.SUPPRESS)
        added.add_argument("--debug", action="store_true", default=argparse.SUPPRESS)
        return added

    return command


def arguments(parser: argparse.ArgumentParser) -> None:
    """--json and --csv; without either, text."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", default="text")
    form.add_argument("--csv", dest="form", action="store_const", const="csv")


def render(rows: Sequence[Row], columns: Sequence[str], form: str) -> str:
    """The rows as text (aligned, for people), json (a list of objects) or csv, without a line break at the end.

    None is an empty field, in JSON null; dates are 2025-01-15, instants UTC; truth is yes or nothing in text, else
    true and false. Text leaves out a column that is empty in every row.
    """
    if form == "json":
        return json.dumps([{name: row.get(name) for name in columns} for row in rows], indent=1, ensure_ascii=False, default=str)
    if form == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
        return out.getvalue().rstrip("\n")
    columns = [name for name in columns if not rows or any(row.get(name) not in (None, "", False) for row in rows)]
    cells = [[_word(row.get(name)) for name in columns] for row in rows]
    widths = [max([len(name), *(len(line[at]) for line in cells)]) for at, name in enumerate(columns)]
    is_number = [all(_is_number(row.get(name)) for row in rows) for name in columns]
    lines = [[name.upper().replace("_", " ") for name in columns], *cells]
    return "\n".join(
        "  ".join(word.rjust(width) if right else word.ljust(width) for word, width, right in zip(line, widths, is_number, strict=True)).rstrip()
        for line in lines
    )


def tell(text: str) -> Result:
    """What a command for people did. The runner prints a summary to a terminal only; this is the answer anywhere."""
    if not sys.stdout.isatty():
        print(text)
    return Result(text)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: object) -> object:
    """A CSV field. Spreadsheets run what begins with = + @: an apostrophe keeps it text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value[:1] in ("=", "+", "@", "\t"):
        return "'" + value
    return "" if value is None else value


def _word(value: object) -> str:
    """A field for a terminal: nothing in it can move the cursor."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    text = "" if value is None else str(value)
    return "".join(each if each.isprintable() else "?" for each in text)
