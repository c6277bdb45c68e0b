"""bin/check-calendar against a gateway whose sessions are the library's, while ours are made to differ."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from scizor.base.clock import RunningClock
from scizor.base.config import Config, PathsConfig
from scizor.base.exit import Exit
from scizor.db import calendar as stored
from scizor.db import coverage
from scizor.db.connect import connect
from scizor.db.embedded import Embedded
from scizor.db.runs import Place, start
from scizor.jobs import check_calendar
from scizor.market.types import Timeframe
from tests.conftest import fresh_database
from tests.ib.gateway import Session as Pencil
from tests.ib.gateway import pencil
from tests.jobs.scripts import context_of
from tests.jobs.stage import CLOSE, Stage, stage

SATURDAY = date(2024, 11, 9)  # we are made to think that there was a session
MONDAY = date(2024, 12, 9)  # …that there was none
FRIDAY = date(2024, 12, 13)  # …that it ended at two
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def there(server: Embedded, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("calendar")
    with fresh_database(server, template) as where, connect(where, application="tests", owner=True) as owner:
        paths = PathsConfig(state=str(folder / "state"), logs=str(folder / "logs"))
        config = replace(
            Config(), mode="replay", database=where, paths=paths,
            gateway=replace(Config().gateway, connect_timeout_seconds=150.0, request_timeout_seconds=90.0),
        )  # fmt: skip
        with stage(config, owner, folder, speed=30.0) as found:
            found.list_symbols("CBA", priority=1)
            found.list_symbols("BHP", priority=2)
            assert found.run("symbols", "qualify") is Exit.DONE
            yield found


@pytest.fixture(autouse=True)
def _as_it_was(there: Stage) -> Iterator[None]:
    yield
    there.forget()
    there.database.execute("TRUNCATE session_candidates, coverage_gaps, coverage, quarantine, bars CASCADE")
    there.database.execute("DELETE FROM session_overrides")
    there.database.execute("TRUNCATE pacing_requests")


def check(there: Stage, capfd: pytest.CaptureFixture[str], *words: str) -> tuple[Exit, str]:
    there.database.execute("TRUNCATE pacing_requests")
    capfd.readouterr()
    status = there.run("check-calendar", *words)
    out, err = capfd.readouterr()
    return status, out + err


def differ(there: Stage) -> None:
    """Ours differ from the gateway's in three days."""
    opens = datetime(2024, 11, 8, 23, 0, tzinfo=UTC)
    hours = (opens, opens + timedelta(hours=6), opens + timedelta(hours=6, minutes=12))
    stored.override(there.database, "XASX", SATURDAY, "a test", CLOSE, hours)
    stored.override(there.database, "XASX", MONDAY, "a test", CLOSE)
    opens = datetime(2024, 12, 12, 23, 0, tzinfo=UTC)
    stored.override(there.database, "XASX", FRIDAY, "a test", CLOSE, (opens, opens + timedelta(hours=4), opens + timedelta(hours=4, minutes=12)))


def waiting(there: Stage) -> dict[str, tuple[int, str, str]]:
    rows = there.rows("SELECT session_date::text, id, change, state FROM session_candidates ORDER BY 1")
    return {day: (number, change, state) for day, number, change, state in rows}


def test_where_they_agree_it_ends_silently_and_asks_one_instrument(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    before = len(there.requests())
    assert check(there, capfd) == (Exit.DONE, "")
    [asked] = there.requests()[before:]
    assert (asked.fields["what"], asked.fields["con_id"]) == ("SCHEDULE", there.con_id("CBA"))
    assert "a convention, no difference" in check(there, capfd, "-v")[1], "the gateway's day ends with the auction"
    assert not there.gateway.violations


def test_each_day_that_differs_is_a_candidate_once_and_ends_with_4(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    check(there, capfd)
    differ(there)
    status, text = check(there, capfd)
    assert status is Exit.FINDING
    found = waiting(there)
    assert {day: found[day][1:] for day in found} == {
        str(SATURDAY): ("closed", "waiting"), str(MONDAY): ("extra", "waiting"), str(FRIDAY): ("hours", "waiting"),
    }  # fmt: skip
    assert "2024-12-13 (Fri): IB has 10:00-16:00; ours 10:00-14:00 [SCHEDULE of CBA and BHP]" in text and "3 days differ (3 new)" in text
    assert there.rows("SELECT count(*) FROM session_candidates c JOIN collection_logs l ON l.id = c.request_id") == [(3,)]
    status, text = check(there, capfd)
    assert status is Exit.FINDING and waiting(there) == found and "3 days differ," not in text
    assert there.rows("SELECT count(*) FROM session_overrides") == [(3,)], "nothing is applied by itself"
    there.database.execute("DELETE FROM session_overrides WHERE session_date = %s", [FRIDAY])
    assert check(there, capfd)[0] is Exit.FINDING
    assert waiting(there)[str(FRIDAY)][2] == "withdrawn"
    assert there.run("check-calendar", "--reject", str(found[str(MONDAY)][0]), "--reason", "IB errs") is Exit.DONE
    assert there.run("check-calendar", "--reject", str(found[str(SATURDAY)][0])) is Exit.DONE
    status, text = check(there, capfd)
    assert status is Exit.DONE, "what was rejected is not suggested again"
    assert "no day waits" in check(there, capfd, "--list")[1]
    assert '"rejected"' in check(there, capfd, "--list", "--all", "--json")[1]


def candidate(there: Stage, day: date, change: str, hours: tuple[datetime, datetime, datetime] | None = None) -> int:
    row = there.database.execute(
        "INSERT INTO session_candidates (calendar, session_date, change, open, close, last, told, evidence, found_at, seen_at) "
        "VALUES ('XASX', %s, %s, %s, %s, %s, 'as told', 'SCHEDULE of CBA', %s, %s) RETURNING id",
        [day, change, *(hours or (None, None, None)), CLOSE, CLOSE],
    ).fetchone()  # fmt: skip
    assert row is not None
    return int(row[0])


def test_an_accepted_day_is_closed_and_what_stood_for_it_has_the_override_as_evidence(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    check(there, capfd)
    day = date(2025, 1, 8)
    there.inject("missing-bar", times=1)  # of seven sessions from the 3rd, the middle one is the 8th
    assert there.run("backfill", "--symbol", "CBA", "--timeframe", "1day", "--from", "2025-01-03", "--to", "2025-01-13") is Exit.DONE
    assert there.rows("SELECT session_date FROM missing_sessions") == [(day,)]
    number = candidate(there, day, "closed")
    assert "would be accepted" in check(there, capfd, "--accept", str(number), "--dry-run")[1]
    status, text = check(there, capfd, "--accept", str(number), "--reason", "day of mourning", "--by", "anna")
    assert status is Exit.DONE and "1 series follow" in text
    [(reason, closed)] = there.rows("SELECT reason, is_closed FROM session_overrides")
    assert closed and reason.startswith("day of mourning (anna); candidate") and "SCHEDULE of CBA" in reason
    assert there.rows("SELECT why, closed_on FROM coverage_gaps") == [("closed", day)]
    assert there.rows("SELECT count(*) FROM missing_sessions WHERE NOT is_explained") == [(0,)]
    assert there.run("coverage", "--to", "2025-01-13") is Exit.DONE
    assert "nothing changes" in check(there, capfd, "--accept", str(number))[1]
    assert check(there, capfd, "--reject", str(number))[0] is Exit.USAGE
    assert check(there, capfd, "--accept", "999999")[0] is Exit.USAGE


def test_a_day_on_which_something_traded_cannot_be_closed(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    check(there, capfd)
    assert there.run("backfill", "--symbol", "CBA", "--timeframe", "1day", "--from", "2025-01-06", "--to", "2025-01-10") is Exit.DONE
    status, text = check(there, capfd, "--accept", str(candidate(there, date(2025, 1, 8), "closed")))
    assert status is Exit.USAGE and "CBA traded on 2025-01-08" in text
    assert there.rows("SELECT count(*) FROM session_overrides") == [(0,)]
    assert waiting(there)["2025-01-08"][2] == "waiting"


def test_a_session_that_is_new_or_has_other_hours_is_asked_for_again(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    check(there, capfd)
    [session] = stored.load(there.database, "XASX", date(2025, 1, 8), date(2025, 1, 8))
    stored.override(there.database, "XASX", session.session_date, "a test", CLOSE)
    assert there.run("backfill", "--symbol", "CBA", "--timeframe", "1day", "--from", "2025-01-03", "--to", "2025-01-13") is Exit.DONE
    there.database.execute("DELETE FROM bars WHERE session_date = '2025-01-08'")
    there.database.execute("DELETE FROM session_overrides")
    there.database.execute("DELETE FROM sessions WHERE session_date = '2025-01-08'")
    number = candidate(there, session.session_date, "extra", (session.open, session.close, session.last))
    status, text = check(there, capfd, "--accept", str(number))
    stored.store(there.database, [session], "a test", CLOSE)
    assert status is Exit.DONE and "bin/fill-gaps asks" in text
    [(timeframe, origin, kind)] = coverage.kinds(there.database)
    [known] = coverage.load(there.database, timeframe, origin, kind).values()
    assert known.spans[0].last < session.session_date < known.spans[1].first and timeframe is Timeframe.DAY1
    assert there.run("fill-gaps") is Exit.DONE
    assert there.rows("SELECT count(*) FROM bars WHERE session_date = '2025-01-08'") == [(1,)]
    assert there.run("coverage", "--to", "2025-01-13") is Exit.DONE


@pytest.mark.parametrize(
    ("fault", "argument", "words"),
    [
        ("error", "162:Historical Market Data Service error message:No such thing", "No such thing"),
        ("no-permission", "", "No market data permissions"),
        ("truncated", "", "cannot be read"),
    ],
)
def test_what_cannot_be_compared_ends_with_3_and_withdraws_nothing(
    there: Stage, capfd: pytest.CaptureFixture[str], fault: str, argument: str, words: str
) -> None:
    check(there, capfd)
    number = candidate(there, MONDAY, "closed")
    there.inject(fault, argument, what="SCHEDULE")
    status, text = check(there, capfd)
    assert status is Exit.PARTIAL and words in text and "XASX: CBA" in text and "XASX: BHP" in text
    assert waiting(there)[str(MONDAY)] == (number, "closed", "waiting")


def test_the_second_instrument_is_asked_where_the_first_cannot_be(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    check(there, capfd)
    there.inject("no-permission", what="SCHEDULE", con_id=there.con_id("CBA"))
    assert check(there, capfd)[0] is Exit.DONE


def test_a_dry_run_and_a_wrong_calendar_ask_nobody(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    before = len(there.requests())
    assert check(there, capfd, "--dry-run") == (Exit.DONE, "XASX: SCHEDULE and hours of CBA; of BHP too, should it disagree\n")
    status, text = check(there, capfd, "--calendar", "XNYS")
    assert status is Exit.USAGE and "XASX" in text
    assert check(there, capfd, "--days", "400")[0] is Exit.USAGE
    assert len(there.requests()) == before


def test_an_unknown_zone_sessions_told_twice_and_such_over_midnight(there: Stage) -> None:
    """A gateway that no honest one is: what it says of a zone that nobody knows is no comparison."""
    days = stored.load(there.database, "XASX", date(2024, 10, 1), date(2025, 1, 10))

    def rows(evening: bool) -> list[tuple[str, str, str]]:
        found = []
        for each in days:
            opens = each.open - timedelta(hours=17) if evening else each.open
            found += [(f"{opens:%Y%m%d-%H:%M:%S}", f"{each.close:%Y%m%d-%H:%M:%S}", f"{each.session_date:%Y%m%d}")] * 2
        return found

    def answer(zone: str, evening: bool) -> Any:
        async def speak(session: Pencil, name: str, fields: dict[str, Any]) -> None:
            if name == "reqHistoricalData":
                session.send(
                    "historicalSchedule", req_id=fields["req_id"], start="", end="", time_zone=zone, sessions=rows(evening)
                )
            elif name == "reqContractDetails":
                session.error(fields["req_id"], 321, "not today")

        return speak

    async def scene(zone: str, evening: bool) -> check_calendar.Tally:
        clock = RunningClock(CLOSE, RunningClock().now(), 20.0)
        async with pencil(answer(zone, evening), connect_timeout_seconds=60.0, request_timeout_seconds=20.0) as gateway:
            config = replace(there.config, gateway=gateway.config)
            with connect(config.database, application="tests") as connection:
                context = context_of(config, connection, clock, "check-calendar")
                context.server = config.database
                context.row = start(connection, job="check-calendar", scope="", place=Place("here", 1, "b", "c", "l", []), now=clock.now())
                return await check_calendar.check(context, check_calendar.choose(context))

    good = asyncio.run(scene("UTC", evening=False))
    assert (good.agreed, good.waiting, good.strange) == (1, [], [])
    there.database.execute("TRUNCATE pacing_requests")
    overnight = asyncio.run(scene("UTC", evening=True))
    assert (overnight.agreed, overnight.waiting) == (1, []) and any("begins 1020 min before our open" in each for each in overnight.notes)
    there.database.execute("TRUNCATE pacing_requests")
    unknown = asyncio.run(scene("Mars/Olympus", evening=False))
    assert unknown.agreed == 0 and any("a schedule that cannot be read" in each for each in unknown.problems)
