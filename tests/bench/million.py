"""One million recorded bars, one window a symbol: what daily_d6 and daily_d7 load, and the COPY that they are measured by.

ASX daily bars of 220 codes from 1997 and five-minute bars of US shares, as answers of the vendor. The rival is a text COPY of
the nine plain columns into a logged table without an index, on the same server in the same minute: the machine's floor.
"""

from __future__ import annotations

import contextlib
import csv
import gc
import gzip
import io
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from scizor.base import service
from scizor.base.clock import StoppedClock
from scizor.base.config import DatabaseConfig
from scizor.base.paths import ROOT, recordings_directory
from scizor.db import calendar, migrate, symbols, windows
from scizor.db.connect import connect
from scizor.db.embedded import PORT, SUPERUSER, embedded
from scizor.db.retry import Link
from scizor.db.writers import Writers
from scizor.market import calendar as exchange
from scizor.market.bars import copy_text
from scizor.market.types import Bar, Instrument, Outcome, OutcomeKind, Session, Timeframe, Window
from scizor.market.universe import Listed

Connection = psycopg.Connection[tuple[Any, ...]]

BARS = 1_000_000
NOW = datetime(2026, 3, 20, 8, 0, tzinfo=UTC)
EASTERN = ZoneInfo("America/New_York")
EXCHANGES = {"XASX": ("ASX", "AUD"), "XNYS": ("SMART", "USD")}


@dataclass(frozen=True)
class Answer:
    """One symbol's window with its bars."""

    symbol: str
    calendar: str
    timeframe: Timeframe
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Load:
    """What is loaded into a fresh database: a window and its COPY text for each answer, and the calendars."""

    windows: list[tuple[Window, Outcome]]
    texts: list[str]
    sessions: dict[str, list[Session]]
    plain: bytes  # the rival's text

    @property
    def count(self) -> int:
        return sum(len(outcome.bars) for _, outcome in self.windows)


def answers(count: int = BARS) -> list[Answer]:
    """`count` recorded bars. FileNotFoundError where there are no recordings."""
    folder = recordings_directory()
    if folder is None:
        raise FileNotFoundError("recordings absent: no ../shared/data and no SCIZOR_RECORDINGS")
    found: list[Answer] = []
    room = count
    for each in _all(folder):
        kept = replace(each, bars=each.bars[:room])
        found.append(kept)
        room -= len(kept.bars)
        if room == 0:
            return found
    raise ValueError(f"the recordings hold {count - room} bars, not {count}")


def prepare(connection: Connection, found: list[Answer]) -> Load:
    """Symbols and calendars into the fresh database; windows and texts for the load."""
    sessions = {
        name: exchange.sessions(name, min(_day(each.bars[0]) for each in found if each.calendar == name), NOW.date())
        for name in sorted({each.calendar for each in found})
    }
    for days in sessions.values():
        calendar.store(connection, days, "exchange_calendars", NOW)
    symbols.store_listed(connection, [_listed(each) for each in found], NOW)
    instruments = {each.symbol: each for each in symbols.load_instruments(connection, NOW)}
    pairs, texts = [], []
    for each in found:
        window = _window(instruments[each.symbol], each)
        pairs.append((window, Outcome(OutcomeKind.OK, each.bars, asked_at=NOW, answered_at=NOW)))
        texts.append(windows.text_of(each.timeframe, each.bars, sessions[each.calendar]))
    load = Load(pairs, texts, sessions, _plain(pairs, texts))
    gc.collect()
    gc.freeze()  # a million bars in memory are the input: going through them again and again is nobody's work
    return load


@contextlib.contextmanager
def fresh_database() -> Iterator[Connection]:
    """A migrated, empty database on the product's own server, as the collector; fsync and synchronous_commit are on."""
    server = embedded(ROOT / "var" / "bench")
    with service.use(server.service):
        config = replace(DatabaseConfig(), host=str(server.socket_directory), port=PORT, name=f"bench_{os.getpid()}")
        with connect(config, application="bench", user=SUPERUSER, name="postgres") as superuser:
            drop = f"DROP DATABASE IF EXISTS {config.name} WITH (FORCE)".encode()
            superuser.execute(drop)
            migrate.prepare(superuser, config)
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                row = superuser.execute(f"SHOW {setting}".encode()).fetchone()
                assert row == ("on",), f"{setting} is not on"
        with connect(config, application="bench", owner=True) as owner:
            migrate.apply(owner, NOW)
        with connect(config, application="bench", user=SUPERUSER) as superuser:
            superuser.execute("CHECKPOINT")  # else one of an earlier load falls into this one
        with connect(config, application="bench") as connection:
            yield connection
        with connect(config, application="bench", user=SUPERUSER, name="postgres") as superuser:
            superuser.execute(drop)


@contextlib.contextmanager
def writers(connection: Connection) -> Iterator[Writers]:
    """As many connections as a job stores over, to the same database."""
    info, clock = connection.info, StoppedClock(NOW)
    config = replace(DatabaseConfig(), host=info.host, port=info.port, name=info.dbname)
    with Writers(lambda: Link(lambda: connect(config, application="bench"), clock)) as found:
        yield found


def store(few: Writers, load: Load, now: datetime) -> list[windows.Stored]:
    """Each window as a job stores it, from its COPY text."""
    done = [
        few.submit(lambda writer, each=each, text=text: windows.store_text(  # type: ignore[misc]
            writer, None, None, *each, text, now, load.sessions[each[0].instrument.calendar]))
        for each, text in zip(load.windows, load.texts, strict=True)
    ]  # fmt: skip
    return [each.result() for each in done]


def as_superuser(connection: Connection) -> Connection:
    return psycopg.connect(
        host=connection.info.host, port=connection.info.port, dbname=connection.info.dbname, user=SUPERUSER, autocommit=True
    )


def copy_seconds(connection: Connection, plain: bytes, times: int = 3) -> float:
    """The rival: best of three."""
    best = float("inf")
    with as_superuser(connection) as owner:
        for _ in range(times):
            owner.execute("DROP TABLE IF EXISTS public.rival")
            owner.execute(
                "CREATE TABLE public.rival (symbol text, timeframe text, origin smallint, ts timestamptz, open numeric, "
                "high numeric, low numeric, close numeric, volume numeric)"
            )
            start = time.perf_counter()
            with owner.transaction(), owner.cursor() as cursor, cursor.copy("COPY public.rival FROM STDIN") as copy:
                copy.write(plain)
            best = min(best, time.perf_counter() - start)
        owner.execute("DROP TABLE public.rival")
    return best


def _all(folder: Path) -> Iterator[Answer]:
    """Five-minute bars first, so that any count has both kinds."""
    for path in sorted((folder / "intraday" / "ib_5min_us").glob("*_5min.csv.gz")):
        with gzip.open(path, "rt") as file:
            rows = [
                Bar(datetime.fromisoformat(row[0]).replace(tzinfo=EASTERN).astimezone(UTC), *_numbers(row[1:6]))
                for row in csv.reader(file) if row[0] != "datetime"
            ]  # fmt: skip
        yield Answer(path.name.split("_")[0] + ".US", "XNYS", Timeframe.MIN5, tuple(rows[:4100]))
    by_symbol: dict[str, list[Bar]] = {}
    for text in _daily_files(folder / "asx_daily"):
        for row in csv.reader(io.StringIO(text)):
            if row[0] != "symbol":
                day = date(int(row[1][:4]), int(row[1][4:6]), int(row[1][6:]))
                by_symbol.setdefault(row[0], []).append(Bar(day, *_numbers(row[2:7])))
    for symbol, bars in sorted(by_symbol.items()):
        yield Answer(symbol, "XASX", Timeframe.DAY1, tuple(bars))


def _numbers(fields: list[str]) -> tuple[float, float, float, float, float]:
    opened, high, low, close, volume = map(float, fields)
    return opened, high, low, close, volume


def _daily_files(folder: Path) -> Iterator[str]:
    for path in sorted((folder / "by_symbol_18_to_2021").glob("*.csv")):
        yield path.read_text()
    import zstandard

    with open(folder / "asx200_others_A.csv.zst", "rb") as file:
        yield zstandard.ZstdDecompressor().stream_reader(file).read().decode()


def _listed(each: Answer) -> Listed:
    place, currency = EXCHANGES[each.calendar]
    return Listed(each.symbol, "", place, "", currency, "STK", "", each.calendar, None, None, None, None)


def _window(instrument: Instrument, each: Answer) -> Window:
    first, last = _day(each.bars[0]), _day(each.bars[-1])
    return Window(instrument, each.timeframe, first, last)


def _day(bar: Bar) -> date:
    return bar.start.date() if isinstance(bar.start, datetime) else bar.start


def _plain(pairs: list[tuple[Window, Outcome]], texts: list[str]) -> bytes:
    """symbol, timeframe, origin, timestamp, open, high, low, close, volume of the same bars."""
    lines = []
    for (window, _), text in zip(pairs, texts, strict=True):
        head = f"{window.instrument.symbol}\t{window.timeframe}\t1\t"
        for line in text.splitlines():
            fields = line.split("\t")
            lines.append(head + "\t".join((fields[0], *fields[2:7])) + "\n")
    return "".join(lines).encode()


__all__ = ["BARS", "Answer", "Load", "answers", "copy_seconds", "copy_text", "fresh_database", "prepare"]
