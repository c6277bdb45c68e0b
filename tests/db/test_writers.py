"""Windows stored side by side over a few connections."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import CancelledError

import psycopg
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import DatabaseConfig
from scizor.base.errors import RefusedError
from scizor.db import windows
from scizor.db.connect import connect
from scizor.db.retry import Link
from scizor.db.writers import Writers
from tests.db.conftest import NOW, Connection, Market, ok


def opened(collector: Connection, count: int = 3) -> Writers:
    info = collector.info
    config = DatabaseConfig(host=info.host, port=info.port, name=info.dbname)
    return Writers(lambda: Link(lambda: connect(config, application="test", user=info.user), StoppedClock(NOW)), count)


def test_each_is_stored_by_itself_and_a_symbol_waits_for_its_own(collector: Connection, market: Market) -> None:
    with opened(collector) as writers:
        done = [
            writers.submit(lambda connection, symbol=symbol: windows.store(  # type: ignore[misc]
                connection, None, None, market.window(50, symbol=symbol), ok(market.bars(50)), NOW, sessions=market.sessions))
            for symbol in ("CBA", "BHP") * 6
        ]  # fmt: skip
        found = [each.result() for each in done]
    assert sorted(each.stored for each in found) == [0] * 10 + [50, 50]
    assert len({each.request for each in found}) == 12
    assert collector.execute("SELECT count(*) FROM bars").fetchone() == (100,)


def test_as_many_are_under_way_as_there_are_writers_each_over_its_own_connection(collector: Connection) -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meet(connection: Connection) -> int:
        meeting.wait()
        return connection.info.backend_pid

    before = sys.getswitchinterval()
    with opened(collector) as writers:
        done = [writers.submit(meet) for _ in range(3)]
        assert len({each.result() for each in done}) == 3
        assert sys.getswitchinterval() < before
    assert sys.getswitchinterval() == before
    assert all(each.connection.closed is False for each in writers.links)  # asked again, a link opens again
    for each in writers.links:
        each.close()


def test_a_failure_is_that_of_its_window_and_what_had_not_begun_is_dropped_when_the_body_fails(collector: Connection) -> None:
    begun, hold = threading.Event(), threading.Event()

    def wait(connection: Connection) -> bool:
        begun.set()
        return hold.wait(10)

    def refused(connection: Connection) -> None:
        connection.execute("ALTER TABLE bars ADD COLUMN x int")

    with pytest.raises(KeyError), opened(collector, 1) as writers:
        with pytest.raises(RefusedError, match="refuses"):
            writers.submit(refused).result()
        slow = writers.submit(wait)
        assert begun.wait(10)
        never = writers.submit(lambda connection: 1)
        threading.Timer(0.05, hold.set).start()
        raise KeyError
    assert slow.result() is True
    with pytest.raises(CancelledError):
        never.result()
    with pytest.raises(psycopg.Error):
        collector.execute("ALTER TABLE bars ADD COLUMN x int")
