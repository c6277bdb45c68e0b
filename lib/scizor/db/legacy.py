"""The previous product's tables as they are: which columns, of which types, and their rows in our words.

The types vary (timestamps with a zone or without, numerics or floats), so the expressions over them are made from the catalog,
once, and stand in the braces of sql/queries/legacy_*.sql. A float is read by its shortest text: its cast to numeric would
round it to fifteen digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql

from scizor.base.errors import ConfigurationError, RefusedError, UsageError
from scizor.db import originals
from scizor.db.sql import query
from scizor.market.legacy import Row, Theirs

Connection = psycopg.Connection[tuple[Any, ...]]

FETCHED = 5000  # rows a round trip; the server keeps the rest in a file of its own
NUMBERS = ("open", "high", "low", "close", "volume")
SYMBOL_COLUMNS = ("exchange", "primary_exchange", "currency", "sec_type", "name")
FLOATS = {"double precision", "real"}
EXACT = {"numeric", "integer", "bigint", "smallint"}
NAIVE = {"timestamp without time zone", "date"}
ZONED = {"timestamp with time zone"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows are. is_naive: their instants name no zone. parts: what stands in the braces of the statements."""

    schema: str
    is_naive: bool
    parts: dict[str, str]
    symbol_columns: tuple[str, ...]

    @property
    def told(self) -> str:
        return f"{self.schema}.market_data"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Their ids and spellings beside ours. only: their ids that are meant, None: all. zones: of each one's exchange."""

    legacy_ids: Sequence[str]
    our_ids: Sequence[int]
    zones: Sequence[str]
    spellings: Sequence[str]
    names: Sequence[str]
    only: Sequence[str] | None
    zone: str

    @property
    def values(self) -> dict[str, Any]:
        return {
            "legacy_ids": list(self.legacy_ids), "our_ids": list(self.our_ids), "zones": list(self.zones),
            "spellings": list(self.spellings), "names": list(self.names), "only": None if self.only is None else list(self.only),
            "zone": self.zone,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """How they spell a bar size, how many rows it has, and between which instants those lie, where any is finite."""

    spelled: str | None
    rows: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Proved:
    """What became of the rows of one bar size, asked of the tables: rows = stored + duplicates + quarantined + lost."""

    timeframe: str
    rows: int
    stored: int
    duplicates: int
    quarantined: int
    lost: int


def inspect(connection: Connection, schema: str) -> Source:
    """Finds market_data and symbols in the schema and looks at their columns.

    ConfigurationError names a column that is needed and absent, or of a type that says nothing, with those that are there;
    UsageError when there are no such tables; RefusedError when the login may not read them.
    """
    kinds = originals.columns(connection, schema, "market_data")
    if not kinds:
        elsewhere = [each for (each,) in connection.execute(
            "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'market_data' "
            "AND n.nspname <> 'scizor'"
        )]  # fmt: skip
        hint = f"--source-schema {elsewhere[0]}" if elsewhere else "restore the previous database's tables into a schema of this one: --source-schema"
        raise UsageError(f"there is no table market_data in the schema {schema}", hint=hint)
    _need(f"{schema}.market_data", kinds, originals.SIGNATURES["market_data"])
    symbols = originals.columns(connection, schema, "symbols")
    _need(f"{schema}.symbols", symbols, frozenset({"id", "symbol"}))
    for table in ("market_data", "symbols"):
        _may_read(connection, schema, table)
    for name in NUMBERS:
        if kinds[name] not in FLOATS | EXACT:
            raise ConfigurationError(f"{schema}.market_data.{name} is {kinds[name]}, no number", hint=_there(kinds))
    if kinds["timestamp"] not in NAIVE | ZONED:
        raise ConfigurationError(f"{schema}.market_data.timestamp is {kinds['timestamp']}, no point in time", hint=_there(kinds))
    is_naive = kinds["timestamp"] in NAIVE
    return Source(schema, is_naive, _parts(connection, schema, kinds), tuple(each for each in SYMBOL_COLUMNS if each in symbols))


def symbols(connection: Connection, source: Source) -> list[Theirs]:
    """Their symbols; those without a code are left out, and their rows are unknown ones."""
    names = ("id", "symbol", *source.symbol_columns)
    chosen = sql.SQL(", ").join(sql.SQL("coalesce({}::text, '')").format(sql.Identifier(each)) for each in names)
    rows = connection.execute(sql.SQL("SELECT {} FROM {}").format(chosen, sql.Identifier(source.schema, "symbols")))
    return [Theirs(**dict(zip(names, row, strict=True))) for row in rows if row[0] and row[1].strip()]


def sizes(connection: Connection, source: Source, zone: str, only: Sequence[str] | None) -> list[Size]:
    """Every spelling of a bar size."""
    values = {"zone": zone, "only": None if only is None else list(only)}
    return [Size(*row) for row in connection.execute(query("legacy_sizes", **source.parts), values)]


@contextmanager
def rows(connection: Connection, source: Source, mapping: Mapping) -> Iterator[Iterator[tuple[int, str, Row]]]:
    """The rows that can become bars, with our symbol's id and the bar size: series by series, by start. The server sorts them
    once and keeps them, beyond any transaction; some thousand at a time are in memory here."""
    with connection.cursor("legacy_rows", withhold=True) as cursor:
        cursor.itersize = FETCHED
        cursor.execute(_over(source, "legacy_rows"), mapping.values)
        yield ((our_id, timeframe, Row(*rest)) for our_id, timeframe, *rest in cursor)


def refuse(connection: Connection, source: Source, mapping: Mapping, run_id: int | None, now: datetime) -> None:
    """Keeps what can be no bar, under the name of the reason; what is kept already is not kept again."""
    values = {**mapping.values, "source": source.told, "run_id": run_id, "now": now}
    with connection.transaction():
        connection.execute(_over(source, "legacy_refuse"), values)


def proof(connection: Connection, source: Source, mapping: Mapping, origin: int) -> list[Proved]:
    """What became of every row, by bar size. Looks for each in bars, quarantine and legacy_refused."""
    values = {**mapping.values, "source": source.told, "origin": origin}
    return [Proved(*row) for row in connection.execute(_over(source, "legacy_proof"), values)]


def accepted(connection: Connection, symbol_id: int, timeframe: str, origin: int, rule: str) -> set[tuple[datetime, str]]:
    """Start and raw of the refused rows of a series that a person has accepted instead of its bar."""
    values = {"symbol_id": symbol_id, "timeframe": timeframe, "origin": origin, "rule": rule}
    return {(start, raw) for start, raw in connection.execute(query("legacy_accepted"), values)}


def rules(connection: Connection, source: Source, origin: int, our_ids: Sequence[int] | None) -> list[tuple[str, str, int]]:
    """Rule, bar size and number of what was refused."""
    values = {"origin": origin, "source": source.told, "our_ids": None if our_ids is None else list(our_ids)}
    return [(rule, timeframe, count) for rule, timeframe, count in connection.execute(query("legacy_rules"), values)]


def has_zone(connection: Connection, zone: str) -> bool:
    """Whether the server knows a time zone of this name."""
    return connection.execute("SELECT 1 FROM pg_timezone_names WHERE lower(name) = lower(%s)", [zone]).fetchone() is not None


def span(found: Sequence[Size]) -> tuple[date, date] | None:
    """First and last date of the rows that have one."""
    firsts, lasts = [each.first for each in found if each.first], [each.last for each in found if each.last]
    return (min(firsts).date(), max(lasts).date()) if firsts and lasts else None


def _over(source: Source, name: str) -> bytes:
    return query(name, mapped=query("legacy_mapped", **source.parts).decode())


def _parts(connection: Connection, schema: str, kinds: dict[str, str]) -> dict[str, str]:
    instant = '(m."timestamp"::timestamp AT TIME ZONE %(zone)s)'
    naive = 'm."timestamp"::timestamp'
    if kinds["timestamp"] in ZONED:
        instant, naive = 'm."timestamp"', '(m."timestamp" AT TIME ZONE %(zone)s)'
    seen = [f"coalesce(extract(epoch FROM m.{name}), 0)" for name in ("updated_at", "created_at") if kinds.get(name) in NAIVE | ZONED]
    seen += ["coalesce(m.id, 0)"] if kinds.get("id") in EXACT else []
    if not seen and not _is_view(connection, schema):  # where they lie is the order in which they were written, as long as nothing was deleted
        seen = ["m.ctid"]
    return {
        "table": sql.Identifier(schema, "market_data").as_string(connection),
        "instant": instant,
        "midnight": f"CASE WHEN {naive}::time = '00:00' THEN {naive}::date END",
        "seen": f"ROW({', '.join(seen)})" if seen else "ROW(0)",
        **{name: f"trim_scale(m.{name}{'::text' if kinds[name] in FLOATS else ''}::numeric)" for name in NUMBERS},
    }


def _is_view(connection: Connection, schema: str) -> bool:
    """Whether market_data there is a view or another server's table, whose rows have no place."""
    return connection.execute(
        "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = 'market_data' "
        "AND c.relkind NOT IN ('r', 'p', 'm')", [schema],
    ).fetchone() is not None  # fmt: skip


def _need(table: str, kinds: dict[str, str], needed: frozenset[str]) -> None:
    absent = sorted(needed - kinds.keys())
    if absent:
        raise ConfigurationError(f"{table} has no column {', '.join(absent)}", hint=_there(kinds))


def _there(kinds: dict[str, str]) -> str:
    return "it has " + ", ".join(f"{name} ({kind})" for name, kind in kinds.items()) if kinds else "there is no such table"


def _may_read(connection: Connection, schema: str, table: str) -> None:
    row = connection.execute(
        "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'), current_user FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s", [schema, table],
    ).fetchone()  # fmt: skip
    assert row is not None
    if not row[0]:
        name = sql.Identifier(schema).as_string(connection)
        raise RefusedError(
            f"{row[1]} may not read {schema}.{table}",
            hint=f"as its owner: GRANT USAGE ON SCHEMA {name} TO {row[1]}; GRANT SELECT ON {name}.market_data, {name}.symbols TO {row[1]}",
        )
