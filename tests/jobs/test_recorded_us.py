"""Minutes recorded through IB as daily bars through the whole path: half days, holidays, and sessions that were cut short."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from scizor.base.clock import RunningClock, StoppedClock
from scizor.base.config import Config
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.replay.sources.folder import open_folder
from tests.jobs.scripts import caller
from tests.jobs.stage import stage

SYMBOLS = 6

Days = dict[str, list[tuple[str, Decimal, Decimal, Decimal, Decimal, Decimal]]]


def _days(path: Path) -> Days:
    """The rows of a file by New York date."""
    found: Days = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for at, *values in csv.reader(file):
            if at[:1].isdigit():
                found.setdefault(at[:10], []).append((at[11:16], *map(Decimal, values)))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("minutes_each", [5, 1])
def test_recorded_minutes_become_the_daily_bars_of_every_session_half_days_too(
    recordings: Path, config: Config, database: psycopg.Connection, tmp_path: Path, minutes_each: int
) -> None:
    folder = recordings / "intraday" / f"ib_{minutes_each}min_us"
    files = sorted(folder.glob(f"*_{minutes_each}min.csv.gz"))
    if not files:
        pytest.skip(f"recordings absent: intraday/{folder.name}")
    files = files[:: max(len(files) // SYMBOLS, 1)][:SYMBOLS]
    recorded = {path.name.split("_")[0]: _days(path) for path in files}
    source = open_folder(folder, RunningClock())
    last = source.last_session("XNYS", list(recorded))
    at = datetime(last.year, last.month, last.day, 23, tzinfo=UTC)
    config = replace(config, collect=replace(config.collect, daily_years=1))
    with stage(config, database, tmp_path, source=lambda _: source, at=at) as there:
        caller(config, database, StoppedClock(at))("symbols", "import", *sorted((ROOT / "etc/universe").glob("*.csv")))
        known = dict(there.rows("SELECT symbol, currency::text FROM symbols"))
        recorded = {each: days for each, days in recorded.items() if known.get(each, "USD") == "USD"}  # CAT is an Australian's
        there.list_symbols(*(each for each in recorded if each not in known), exchange="NASDAQ")
        assert there.run("collect-daily", *(word for each in recorded for word in ("--symbol", each))) is Exit.DONE
        rows = there.rows("SELECT session_date, is_half_day FROM trading_sessions WHERE calendar = 'XNYS'")
        open_days = {str(day) for day, _ in rows}
        halves = {str(day) for day, is_half in rows if is_half}
        bars = there.rows("SELECT symbol, session_date, open, high, low, close, volume FROM bars JOIN symbols ON symbols.id = symbol_id")
        found: dict[str, dict[str, tuple[Decimal, ...]]] = {each: {} for each in recorded}
        for symbol, day, *values in bars:
            found[symbol][str(day)] = tuple(values)
        assert there.rows("SELECT count(*) FROM quarantine") == [(0,)]
        why = there.rows("SELECT symbol, session_date, why FROM missing_sessions")
        missing = {(symbol, str(day)): each for symbol, day, each in why}
    seen = set()
    for symbol, days in recorded.items():
        for day, minutes in days.items():
            if date.fromisoformat(day) > last:
                continue
            assert day in open_days, "the market was open on a day that the calendar calls closed"
            is_whole = minutes[-1][0] == f"{12 if day in halves else 15}:{60 - minutes_each}"
            if not is_whole:
                assert missing[symbol, day] == "unknown"
                continue
            opens, highs, lows, closes, volumes = list(zip(*minutes, strict=True))[1:]
            assert found[symbol][day] == (opens[0], max(highs), min(lows), closes[-1], sum(volumes))
            seen.add(day)
        begun = min(days)
        assert set(found[symbol]) <= set(days)
        reasons = {day for each, day in missing if each == symbol and day >= begun}
        assert reasons | set(found[symbol]) == {day for day in open_days if begun <= day <= str(last)}
    assert halves & set(_weekdays(min(seen), max(seen))) <= seen
    assert set(_weekdays(min(seen), max(seen))) - set(open_days), "holidays lie within"


def _weekdays(first: str, last: str) -> list[str]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    return [str(begin + timedelta(days=each)) for each in range((end - begin).days + 1) if (begin + timedelta(days=each)).weekday() < 5]
