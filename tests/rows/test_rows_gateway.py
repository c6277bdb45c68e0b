"""What the Gateway may do to a whole run: refuse, fall silent, lose IB, cut the stream, say what nobody understands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from scizor.base.config import Config
from scizor.base.exit import Exit
from tests.jobs.stage import Stage, stage
from tests.rows.recount import disagreements
from tests.run.configured import write

DUE = "2025-01-15"
TEN = ("CBA", "BHP", "CSL", "WBC", "ANZ", "NAB", "WOW", "WES", "RIO", "MQG")


@pytest.fixture
def there(config: Config, database: psycopg.Connection, tmp_path: Path) -> Iterator[Stage]:
    patient = replace(
        config, gateway=replace(config.gateway, connect_timeout_seconds=120.0), collect=replace(config.collect, daily_years=1),
    )  # fmt: skip
    with stage(patient, database, tmp_path, speed=20.0) as found:
        yield found


def bars(there: Stage) -> int:
    return int(there.rows("SELECT count(*) FROM bars")[0][0])


def events(there: Stage) -> list[str]:
    return [row[0] for row in there.rows("SELECT event FROM connection_events ORDER BY id")]


def connects(there: Stage) -> int:
    return sum(each.kind == "connect" for each in list(there.gateway.log))


def change(there: Stage, **words: object) -> None:
    """Other settings under [gateway]."""
    write(replace(there.config, gateway=replace(there.config.gateway, **words)), there.file)  # type: ignore[arg-type]


def test_row_13_a_socket_without_a_handshake_ends_with_69_and_says_what_to_enable(
    there: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    there.list_symbols("CBA")
    change(there, connect_timeout_seconds=10.0)
    there.inject("mute")
    assert there.run("collect-daily", "--date", DUE) is Exit.UNREACHABLE
    said = capfd.readouterr().err
    assert "open, but no API handshake" in said and "enable API clients" in said and "trusted IPs" in said
    there.forget()
    there.inject("refuse")
    assert there.run("collect-daily", "--date", DUE) is Exit.UNREACHABLE
    assert "no API handshake" in capfd.readouterr().err
    assert bars(there) == 0
    there.forget()
    assert there.run("collect-daily", "--date", DUE) is Exit.DONE


def test_row_15_a_client_id_in_use_costs_one_attempt_and_a_full_range_ends_with_69(
    there: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    there.list_symbols("CBA")
    change(there, client_id_first=100, client_id_last=101)
    there.inject("326", client=100)
    assert there.run("collect-daily", "--date", DUE) is Exit.DONE
    assert there.rows("SELECT DISTINCT client_id FROM connection_events WHERE event = 'connected'") == [(101,)]
    there.inject("326", client=101)
    before = connects(there)
    assert there.run("collect-daily", "--date", "2025-01-14") is Exit.UNREACHABLE
    assert connects(there) - before == 2, "each id of the range once"
    said = capfd.readouterr().err
    assert "100 to 101" in said and "in use" in said


def test_rows_16_17_18_ib_is_lost_and_comes_back_and_nobody_reconnects(there: Stage) -> None:
    """1100 and 1102, 1101, a broken farm and its return, each at one of the requests: events, one connection, no hole."""
    there.list_symbols(*TEN)
    for nth, code in ((1, "2105"), (2, "1100"), (4, "1102"), (6, "1100"), (7, "1101"), (8, "2103"), (9, "2110"), (10, "2106")):
        there.inject(code, message="reqHistoricalData", nth=nth)
    assert there.run("collect-daily", "--date", DUE) is Exit.DONE
    assert connects(there) == 1
    told = events(there)
    assert told.count("connected") == 1 and "lost" not in told
    assert {"farm-broken", "upstream-lost", "upstream-restored", "upstream-restored-data-lost", "farm-ok"} <= set(told)
    assert {1100, 1101, 1102, 2103, 2105, 2110} <= {row[0] for row in there.rows("SELECT ib_code FROM connection_events WHERE ib_code IS NOT NULL")}
    assert bars(there) == len(TEN)
    assert disagreements(there.rows) == {}


def test_rows_49_50_51_a_broken_stream_costs_a_connection_at_most_and_no_bar(there: Stage) -> None:
    """A length that cannot be, frames cut to bytes and glued together, unknown and unreadable messages, an answer twice."""
    there.list_symbols(*TEN)
    assert there.run("symbols", "qualify") is Exit.DONE
    faults = {
        "CBA": "unknown-message", "BHP": "bad-utf8", "CSL": "dribble", "WBC": "coalesced", "ANZ": "empty-frame", "NAB": "twice",
        "WOW": "oversized", "WES": "drop",
    }  # fmt: skip
    for symbol, fault in faults.items():
        there.inject(fault, con_id=there.con_id(symbol), times=1)
    before = connects(there)
    assert there.run("collect-daily") is Exit.DONE
    assert 2 <= connects(there) - before <= 4, "only what breaks the stream costs a connection"
    counts = there.rows("SELECT s.symbol, count(*) FROM bars b JOIN symbols s ON s.id = b.symbol_id GROUP BY 1")
    assert {symbol for symbol, _ in counts} == set(TEN)
    assert len({count for _, count in counts}) == 1, counts
    assert disagreements(there.rows) == {}
    assert there.rows("SELECT count(*) FROM collection_logs WHERE outcome <> 'ok' AND status = 'completed'") == [(0,)]


def test_row_48_history_stays_with_its_instrument_when_its_code_changes(there: Stage) -> None:
    """The con_id is asked for, so a code that the Gateway has never heard of does not matter."""
    there.list_symbols("CBA")
    assert there.run("collect-daily", "--date", "2025-01-14") is Exit.DONE
    before = there.con_id("CBA")
    there.database.execute("UPDATE symbols SET code = 'CBX' WHERE symbol = 'CBA'")
    assert there.run("collect-daily", "--date", DUE) is Exit.DONE
    assert there.con_id("CBA") == before
    assert there.rows("SELECT s.symbol, count(*) FROM bars b JOIN symbols s ON s.id = b.symbol_id GROUP BY 1") == [("CBA", 2)]


def test_row_08_a_half_day_is_complete_and_nothing_is_missing(there: Stage) -> None:
    there.list_symbols("CBA")
    assert there.run("collect-daily", "--date", "2024-12-24") is Exit.DONE
    assert there.rows("SELECT session_date::text, is_half_day FROM trading_sessions WHERE session_date = '2024-12-24' AND calendar = 'XASX'") == [("2024-12-24", True)]
    assert bars(there) == 1
    assert there.rows("SELECT count(*) FROM missing_sessions") == [(0,)]


def test_row_34_a_session_that_is_under_way_is_not_asked_for_and_not_stored(
    config: Config, database: psycopg.Connection, tmp_path: Path
) -> None:
    """14:00 in Sydney: the day's bar would be half of one."""
    with stage(config, database, tmp_path, speed=20.0, at=datetime(2025, 1, 15, 3, 0, tzinfo=UTC)) as noon:
        noon.list_symbols("CBA")
        assert noon.run("collect-daily", "--date", DUE) is Exit.DONE
        assert noon.requests() == []
        assert noon.run("collect-daily", "--date", "2025-01-14") is Exit.DONE
        assert [str(row[0]) for row in noon.rows("SELECT session_date FROM bars")] == ["2025-01-14"]


def test_row_11_a_year_that_the_calendar_lacks_ends_with_78_and_the_last_half_year_is_announced(
    config: Config, database: psycopg.Connection, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with stage(config, database, tmp_path, at=datetime(2027, 12, 1, 8, 0, tzinfo=UTC), speed=20.0) as late:
        late.list_symbols("CBA")
        late.run("collect-daily", "--dry-run")
        capfd.readouterr()
        log = (late.config.make_paths().logs / "collect-daily.log").read_text()
        assert "the calendar XASX ends 2027-12-31" in log
    with stage(config, database, tmp_path, at=datetime(2028, 2, 1, 8, 0, tzinfo=UTC), speed=20.0) as later:
        assert later.run("collect-daily") is Exit.CONFIGURATION
        said = capfd.readouterr().err
        assert "the calendar XASX ends 2027-12-31" in said and "exchange_calendars" in said
        assert later.requests() == []
