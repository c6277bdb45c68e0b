"""Databases of a previous product, as they may be: zones or none, numerics or floats, keys or none, spellings of bar sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import psycopg


class Variant(NamedTuple):
    """columns: of market_data beside symbol_id and timeframe. keyed: a primary key and a unique constraint. extra: columns more."""

    timestamp: str
    price: str
    volume: str
    keyed: bool
    extra: str = ""
    symbol_extra: str = ""


NAIVE = Variant("timestamp", "double precision", "bigint", True)
ZONED = Variant("timestamptz", "numeric", "numeric", False, ", created_at timestamptz, source text DEFAULT 'ib', notes jsonb", ", currency text, sec_type text, name text")
BARE = Variant("timestamp without time zone", "numeric(12,4)", "integer", False, ", created_at timestamp DEFAULT now()")
VARIANTS = {"naive": NAIVE, "zoned": ZONED, "bare": BARE}


def build(connection: psycopg.Connection[Any], schema: str, variant: Variant) -> None:
    """The five tables, a view that reads them, and three symbols: CBA and TLS on the ASX, AAPL on NASDAQ."""
    key = "bigserial PRIMARY KEY" if variant.keyed else "bigserial"
    unique = ", UNIQUE (symbol_id, timeframe, timestamp)" if variant.keyed else ""
    connection.execute(f"""
        CREATE SCHEMA IF NOT EXISTS {schema};
        CREATE TABLE {schema}.symbols (id serial PRIMARY KEY, symbol varchar(20), exchange varchar(20), active boolean DEFAULT true {variant.symbol_extra});
        CREATE TABLE {schema}.market_data (id {key}, symbol_id integer, timestamp {variant.timestamp}, timeframe varchar(10),
            open {variant.price}, high {variant.price}, low {variant.price}, close {variant.price}, volume {variant.volume} {variant.extra}{unique});
        CREATE INDEX md_index ON {schema}.market_data (symbol_id, timestamp);
        CREATE TABLE {schema}.collection_logs (id serial, symbol_id integer, collection_type text, status text,
            started_at timestamp, completed_at timestamp, error_message text);
        CREATE TABLE {schema}.watchlist (id serial, symbol_id integer, name text, priority integer, collect_5min boolean, collect_1min boolean, notes text);
        CREATE VIEW {schema}.latest AS SELECT symbol_id, max(timestamp) AS at FROM {schema}.market_data GROUP BY symbol_id;
        INSERT INTO {schema}.symbols (symbol, exchange) VALUES ('CBA', 'ASX'), ('TLS', 'ASX'), ('AAPL', 'NASDAQ');
        INSERT INTO {schema}.collection_logs (symbol_id, collection_type, status, started_at) VALUES (1, 'historical', 'completed', '2024-07-01');
    """.encode())


def put(connection: psycopg.Connection[Any], schema: str, rows: Iterable[Sequence[Any]]) -> None:
    """rows: symbol_id, timestamp, timeframe, open, high, low, close, volume."""
    with connection.cursor() as cursor:
        names = "symbol_id, timestamp, timeframe, open, high, low, close, volume"
        cursor.executemany(f"INSERT INTO {schema}.market_data ({names}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)".encode(), rows)
