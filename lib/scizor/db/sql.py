"""SQL is written in SQL: sql/queries/NAME.sql, one statement a file, read once and by name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from scizor.base.paths import ROOT

QUERIES = ROOT / "sql" / "queries"


@cache
def query(name: str, **parts: str) -> bytes:
    """The statement of sql/queries/`name`.sql without its comment lines (a % in one would look like a parameter).

    parts: SQL of our own tables of rules, put in place of {NAME}; never anything that came from outside.
    """
    lines = (QUERIES / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("--"))
    for part, fragment in parts.items():
        text = text.replace("{" + part + "}", fragment)
    return text.encode()


def array(values: Iterable[object]) -> str:
    """The text of an array of dates, instants, numbers or names of ours; None is NULL. psycopg's own takes ten times as long
    over thousands of elements, since it looks into each for quotes."""
    return "{" + ",".join("NULL" if each is None else f'"{each}"' for each in values) + "}"
