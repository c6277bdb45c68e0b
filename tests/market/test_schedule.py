"""A vendor's sessions against ours: conventions are none, departures are, and what he does not span is not his word."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scizor.market.calendar import sessions
from scizor.market.schedule import Change, Given, both, compare, from_hours
from scizor.market.types import Session

OURS = sessions("XASX", date(2024, 9, 1), date(2025, 8, 31))  # both edges of daylight saving, two half days, the change of June
MINUTE = timedelta(minutes=1)


def theirs(minutes: int = 0, *, of_last: bool = False, start: int = 0, ours: list[Session] = OURS) -> list[Given]:
    return [
        Given(each.session_date, each.open + start * MINUTE, (each.last if of_last else each.close) + minutes * MINUTE) for each in ours
    ]


@pytest.mark.parametrize(
    ("given", "convention"),
    [
        (theirs(), ""),
        (theirs(10), "ends 10 min after our close"),
        (theirs(0, of_last=True), "ends with our last price"),
        (theirs(0, start=-960), "begins 960 min before our open"),
        (theirs(-5, start=1), "begins 1 min after our open and ends 5 min before our close"),
    ],
)
def test_what_is_the_same_for_all_sessions_is_a_convention(given: list[Given], convention: str) -> None:
    found = compare("XASX", OURS, given)
    assert (found.problem, found.differences, found.convention) == ("", (), convention)


def test_a_session_that_only_one_has_and_one_at_other_hours_are_differences() -> None:
    given = theirs(10)
    gone, short = OURS[50], OURS[60]
    holiday = date(2025, 1, 27)
    assert holiday not in {each.session_date for each in OURS}
    opens = datetime(2025, 1, 26, 23, 0, tzinfo=UTC)
    given = [each for each in given if each.session_date != gone.session_date]
    given = [each._replace(end=short.open + 250 * MINUTE) if each.session_date == short.session_date else each for each in given]
    given.append(Given(holiday, opens, opens + 370 * MINUTE))
    found = compare("XASX", OURS, given)
    said = {each.session_date: (each.change, each.hours) for each in found.differences}
    assert said == {
        gone.session_date: (Change.CLOSED, None),
        short.session_date: (Change.HOURS, (short.open, short.open + 240 * MINUTE, short.open + 240 * MINUTE + (short.last - short.close))),
        holiday: (Change.EXTRA, (opens, opens + 360 * MINUTE, opens + 372 * MINUTE)),
    }
    assert next(each.told for each in found.differences if each.session_date == holiday) == "a session 10:00-16:00; ours none"


def test_before_and_after_his_answer_he_has_said_nothing() -> None:
    found = compare("XASX", OURS, theirs(10)[40:-30])
    assert (found.first, found.last, found.differences) == (OURS[40].session_date, OURS[-31].session_date, ())


def test_a_session_that_stands_twice_is_one_and_one_that_is_told_in_two_ways_is_none() -> None:
    assert compare("XASX", OURS, theirs(10) * 2).differences == ()
    lunch = [Given(each.session_date, each.open, each.open + 120 * MINUTE) for each in OURS]
    lunch += [Given(each.session_date, each.open + 180 * MINUTE, each.close) for each in OURS]
    assert compare("XASX", OURS, lunch).differences == (), "two parts of a day are a day"
    doubt = OURS[70]
    found = compare("XASX", OURS, [*theirs(10), Given(doubt.session_date, doubt.open, doubt.open + 200 * MINUTE)])
    assert (found.unclear, found.differences) == ((doubt.session_date,), ())


def test_an_answer_about_another_place_proposes_nothing() -> None:
    york = sessions("XNYS", date(2024, 9, 1), date(2025, 8, 31))
    assert compare("XASX", OURS, theirs(ours=york)).problem
    assert compare("XASX", OURS, []).problem == "no session in the answer"
    assert compare("XASX", OURS, theirs(10)[:2]).problem, "two sessions make no rule"
    holes = [each for number, each in enumerate(theirs(10)) if number % 5]
    found = compare("XASX", OURS, holes)
    assert "days differ" in found.problem and found.differences == ()


def test_a_clock_that_misses_the_change_of_daylight_saving_is_seen() -> None:
    fixed = timedelta(hours=10)  # Sydney without its summer
    given = [
        Given(each.session_date, (each.open.astimezone(ZoneInfo("Australia/Sydney")).replace(tzinfo=UTC)) - fixed,
              (each.close.astimezone(ZoneInfo("Australia/Sydney")).replace(tzinfo=UTC)) - fixed)
        for each in OURS
    ]  # fmt: skip
    assert compare("XASX", OURS, given).problem


def test_the_second_instrument_must_show_the_same() -> None:
    given = theirs(10)
    one = compare("XASX", OURS, [*given[:50], *given[51:70], *given[71:]])
    assert len(one.differences) == 2
    agreed, alone = both(one, compare("XASX", OURS, [*given[:50], *given[51:]]))
    assert [[each.session_date for each in group] for group in (agreed, alone)] == [[OURS[50].session_date], [OURS[70].session_date]]
    agreed, alone = both(one, compare("XASX", OURS, given[60:]))
    assert [each.session_date for each in agreed] == [OURS[50].session_date], "it does not span that day"
    assert both(one, compare("XASX", OURS, []))[0] == list(one.differences)


@pytest.mark.parametrize("text", ["20260406:1000-20260406:1610;20260407:CLOSED", "20260406:1000-1610;20260407:CLOSED"])
def test_hours_of_the_coming_days_are_read_in_both_forms(text: str) -> None:
    found, closed = from_hours(text, "Australia/NSW")
    assert found == [Given(date(2026, 4, 6), datetime(2026, 4, 6, 0, 0, tzinfo=UTC), datetime(2026, 4, 6, 6, 10, tzinfo=UTC))]
    assert closed == [date(2026, 4, 7)]


def test_a_session_over_midnight_belongs_to_the_day_on_which_it_ends() -> None:
    found, closed = from_hours("20260405:1800-20260406:1700;20260406:CLOSED", "US/Eastern")
    assert [each.session_date for each in found] == [date(2026, 4, 6)] and closed == []


@pytest.mark.parametrize(("text", "zone"), [("20260406:1000-20260406:1610", "Mars/Olympus"), ("2026:x", "UTC"), ("20260406:10-11", "UTC"), ("20260406", "UTC")])
def test_hours_that_cannot_be_read_are_refused(text: str, zone: str) -> None:
    with pytest.raises(ValueError):
        from_hours(text, zone)


def test_a_closed_day_ahead_is_told_by_hours_alone() -> None:
    days = OURS[20:26]
    zone = ZoneInfo("Australia/Sydney")
    text = ";".join(f"{each.open.astimezone(zone):%Y%m%d:%H%M}-{each.close.astimezone(zone):%Y%m%d:%H%M}" for each in days[:-1])
    given, closed = from_hours(f"{text};{days[-1].session_date:%Y%m%d}:CLOSED", "Australia/NSW")
    found = compare("XASX", OURS, given, closed)
    assert [(each.session_date, each.change) for each in found.differences] == [(days[-1].session_date, Change.CLOSED)]


def test_half_days_follow_the_same_rule() -> None:
    half = next(each for each in OURS if each.is_half_day)
    other = [replace(each, close=each.close + 10 * MINUTE) if each is half else each for each in OURS]
    assert [each.session_date for each in compare("XASX", OURS, theirs(ours=other)).differences] == [half.session_date]


def test_a_schedule_that_was_recorded_agrees_with_ours(recordings: Path) -> None:
    """IB's own answer for AAPL; any transcript of the kind that lies there."""
    files = sorted((recordings / "ib_wire" / "ibkr_go_live_transcripts").glob("historical_schedule_*.txt"))
    if not files:
        pytest.skip("recordings absent: no transcript of a schedule in ib_wire")
    for file in files:
        found = re.search(r"^server historical_schedule (\{.*\})$", file.read_text(), re.MULTILINE)
        assert found, file.name
        said = json.loads(found[1])
        zone = ZoneInfo(said["time_zone"])

        def instant(text: str, zone: ZoneInfo = zone) -> datetime:
            return datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=zone).astimezone(UTC)

        given = [
            Given(date.fromisoformat(each["ref_date"]), instant(each["start_date_time"]), instant(each["end_date_time"])) for each in said["sessions"]
        ]
        ours = sessions("XNYS", given[0].session_date - timedelta(days=5), given[-1].session_date + timedelta(days=5))
        compared = compare("XNYS", ours, given)
        assert (compared.problem, compared.convention, compared.differences) == ("", "", ())
        assert len(compare("XNYS", ours, given[:5] + given[6:]).differences) == 1
