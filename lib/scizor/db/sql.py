"""SQL is written in SQL: sql/queries/NAME.sql, one statement a file, read once and by name."""

from __future__ import annotations

from functools import cache

from scizor.base.paths import ROOT

QUERIES = ROOT / "sql" / "queries"


@cache
def query(name: str) -> bytes:
    """The statement of sql/queries/`name`.sql without its comment lines (a % in one would look like a parameter)."""
    lines = (QUERIES / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--")).encode()
