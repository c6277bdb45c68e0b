"""Sessions: the exchange's own published calendars and twenty-seven years of trading are the oracles."""

from __future__ import annotations

import os
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.market import asx_recorded

from scizor.base.errors import ConfigurationError, UsageError
from scizor.market import exchanges
from scizor.market.calendar import Phase, calendar_of, closed, ends, phases, sessions, warning
from scizor.market.exchanges import Change, Override, PhaseName
from scizor.market.types import Session

SYDNEY = ZoneInfo("Australia/Sydney")
ZONES = ("UTC", "Australia/Sydney", "America/New_York", "Asia/Kolkata")

HOLES = (
    "19970120 19970121 19970122 19970319 19970320 19970321 19970407 19980518 19980519 19980520 19980521 19990129 20000327 "
    "20000410 20000609 20011121 20011204 20011205 20011206 20011211 20011212 20011213 20020703 20021112 20040311 20080319 "
    "20161031 20161101 20161102 20161103 20161104 20200529"
)


def session(calendar: str, day: str) -> Session:
    found = sessions(calendar, date.fromisoformat(day), date.fromisoformat(day))
    assert len(found) == 1
    return found[0]


def local(moment: datetime) -> str:
    return moment.astimezone(SYDNEY).strftime("%H:%M:%S")


@pytest.mark.parametrize("year", range(2000, 2021))
def test_every_closure_and_early_close_that_the_asx_published_is_in_the_calendar(recordings: Path, year: int) -> None:
    shut, early = asx_recorded.published(recordings, year)
    found = {each.session_date: each for each in sessions("XASX", date(year, 1, 1), date(year, 12, 31))}
    weekdays = {day for number in range(366) if (day := date(year, 1, 1) + timedelta(number)).year == year and day.weekday() < 5}
    assert len(shut) >= 7
    assert weekdays - set(found) == {each for each in shut if each.weekday() < 5}
    assert not set(found) - weekdays
    halves = {each for each, found_session in found.items() if found_session.is_half_day}
    if year == 2017:  # this year's file lists closures alone; the library knows the two half days
        assert not early
        early = {date(2017, 12, 22), date(2017, 12, 29)}
    assert halves == early


def test_the_published_calendars_name_43_early_closes(recordings: Path) -> None:
    assert sum(len(asx_recorded.published(recordings, year)[1]) for year in range(2000, 2021)) == 43


def test_without_our_overrides_the_library_misses_23_published_half_days() -> None:
    from scizor.market.calendar import _library

    known = {each.session_date for each in _library("XASX", date(1990, 1, 1), exchanges.KNOWN_TO) if each.is_half_day}
    added = {each.session_date for each in exchanges.OVERRIDES if each.change is Change.HALF_DAY}
    assert len(added) == 23
    assert not added & known


def test_sessions_on_which_no_recorded_stock_traded_are_holes_in_the_recording_by_name(recordings: Path) -> None:
    """The second oracle: 224 codes, 27 years. A calendar fault would show as a date that is missing here."""
    traded = Counter(
        bar.start for source in (asx_recorded.eighteen, asx_recorded.others) for bars in source(recordings).values() for bar in bars
    )
    days = {each.session_date for each in sessions("XASX", min(traded), max(traded))}
    silent = sorted(days - set(traded))
    assert " ".join(f"{each:%Y%m%d}" for each in silent) == HOLES
    second_source = {path.stem for path in (recordings / "asx_daily/second_source_gapfill").glob("*.txt")}
    assert {f"{each:%Y%m%d}" for each in silent if each.year == 2016} <= second_source  # another collector has them: real sessions
    strange = {each: traded[each] for each in sorted(set(traded) - days)}
    assert sum(strange.values()) == 727, "copied holidays, and one Saturday print of 2018"
    assert min(strange) == date(1999, 12, 27)


def test_the_day_of_mourning_of_2022_was_no_session_and_the_half_days_were_not_held_that_year() -> None:
    year = {each.session_date: each for each in sessions("XASX", date(2022, 1, 1), date(2022, 12, 31))}
    assert date(2022, 9, 22) not in year
    assert not year[date(2022, 12, 23)].is_half_day
    assert not year[date(2022, 12, 30)].is_half_day


def test_close_ends_continuous_trading_and_last_the_closing_auction_on_normal_and_on_half_days() -> None:
    for day, close, last in (
        ("2025-01-15", "16:00:00", "16:12:00"), ("2025-06-20", "16:00:00", "16:12:00"), ("2025-06-23", "16:00:00", "16:11:00"),
        ("2024-12-24", "14:00:00", "14:12:00"), ("2025-12-24", "14:00:00", "14:11:00"), ("2006-12-22", "14:00:00", "14:17:00"),
        ("2000-04-20", "13:00:00", "13:07:00"),
    ):  # fmt: skip
        found = session("XASX", day)
        assert (local(found.open), local(found.close), local(found.last)) == ("10:00:00", close, last), day


def test_shares_opened_in_five_groups_until_june_2025_and_all_at_once_since() -> None:
    def opening(day: str, code: str) -> str:
        return next(local(each.start) for each in phases(session("XASX", day), code) if each.name is PhaseName.CONTINUOUS)

    before = [opening("2025-06-20", code) for code in ("14D", "BHP", "CBA", "MQG", "NAB", "TLS")]
    assert before == ["10:00:15", "10:00:15", "10:02:30", "10:04:45", "10:07:00", "10:09:15"]
    assert {opening("2025-06-23", code) for code in ("14D", "BHP", "CBA", "MQG", "NAB", "TLS")} == {"10:00:00"}


def test_phases_follow_each_other_without_a_gap_on_every_session_of_three_decades() -> None:
    for calendar in ("XASX", "XNYS"):
        for each in sessions(calendar, date(1997, 1, 1), date(2027, 12, 31)):
            course = phases(each, "TLS")
            assert all(one.end == two.start for one, two in pairwise(course))
            assert all(one.start < one.end for one in course)
            names = [one.name for one in course]
            assert names == [name for name in PhaseName if name in names]
            assert each.last in {one.end for one in course}


def test_the_post_close_session_exists_since_june_2025() -> None:
    assert phases(session("XASX", "2026-07-24"))[-1] == Phase(
        PhaseName.POST_CLOSE, datetime(2026, 7, 24, 6, 11, tzinfo=UTC), datetime(2026, 7, 24, 6, 21, 30, tzinfo=UTC)
    )
    assert phases(session("XASX", "2025-06-20"))[-1].name is PhaseName.CLOSING_AUCTION


def test_new_york_closes_at_13_00_on_its_half_days() -> None:
    half = session("XNYS", "2025-11-28")
    assert half.is_half_day
    assert half.close.astimezone(ZoneInfo("America/New_York")).hour == 13
    assert session("XNAS", "2025-07-03").close == session("XNYS", "2025-07-03").close
    assert not sessions("XNYS", date(2025, 1, 9), date(2025, 1, 9))  # a day of mourning


@pytest.mark.parametrize("zone", ZONES)
def test_I8_sessions_do_not_depend_on_the_zone_of_the_host(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every XASX session 2006 to 2027: 44 changes of daylight saving, all half days, recounted from local time alone."""
    from scizor.market.calendar import _library

    _library.cache_clear()
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        found = sessions("XASX", date(2006, 1, 1), date(2027, 12, 31))
        offsets = [each.open.astimezone(SYDNEY).utcoffset() for each in found]
        assert sum(one != two for one, two in pairwise(offsets)) == 44
        for each in found:
            assert local(each.open) == "10:00:00"
            assert each.open.astimezone(SYDNEY).date() == each.session_date
            assert local(each.close) == ("14:00:00" if each.is_half_day else "16:00:00")
        assert len(found) == 5569
        assert sum(each.is_half_day for each in found) == 45
    finally:
        os.environ.pop("TZ")
        time.tzset()


def test_row_08_both_half_days_of_2025_are_half_days() -> None:
    found = {each.session_date for each in sessions("XASX", date(2025, 1, 1), date(2025, 12, 31)) if each.is_half_day}
    assert found == {date(2025, 12, 24), date(2025, 12, 31)}


def test_row_11_a_year_that_the_calendar_lacks_is_a_configuration_error_and_is_announced_180_days_before() -> None:
    assert ends("XASX") == date(2027, 12, 31)
    assert ends("XSES") == date(2026, 12, 31)
    with pytest.raises(ConfigurationError, match="the calendar XASX ends 2027-12-31") as caught:
        sessions("XASX", date(2028, 1, 1), date(2028, 1, 31))
    assert caught.value.exit == 78
    assert "exchange_calendars" in caught.value.hint
    assert warning("XASX", date(2027, 7, 3)) is None
    told = warning("XASX", date(2027, 7, 4))
    assert told is not None
    assert "ends 2027-12-31, in 180 days" in told
    assert "ago" in (warning("XASX", date(2028, 2, 1)) or "")


def test_the_date_to_which_the_library_is_believed_moves_with_its_pin() -> None:
    assert metadata.version("exchange_calendars") == exchanges.LIBRARY_RELEASE, "read exchanges.KNOWN_TO again, and move both"


def test_an_override_closes_a_day_shortens_one_and_opens_one() -> None:
    days = (date(2026, 11, 16), date(2026, 11, 20))
    asked = [
        Override("XASX", date(2026, 11, 17), Change.CLOSED, "notice"),
        Override("XASX", date(2026, 11, 18), Change.HALF_DAY, "notice"),
        Override("XNYS", date(2026, 11, 19), Change.CLOSED, "another exchange"),
    ]
    found = sessions("XASX", *days, overrides=asked)
    assert [each.session_date.day for each in found] == [16, 18, 19, 20]
    assert [each.is_half_day for each in found] == [False, True, False, False]
    opened = [Override("XASX", date(2026, 11, 21), Change.NORMAL, "a Saturday session")]
    assert len(sessions("XASX", days[0], date(2026, 11, 22), overrides=opened)) == 6
    with pytest.raises(ConfigurationError, match="hours are not known"):
        sessions("XLON", *days, overrides=[Override("XLON", date(2026, 11, 18), Change.HALF_DAY, "?")])


def test_exchanges_have_calendars_and_smart_asks_for_the_primary_exchange() -> None:
    assert {calendar_of(each) for each in ("NYSE", "ARCA", "AMEX", "BATS")} == {"XNYS"}
    assert calendar_of("NASDAQ") == "XNAS"
    assert calendar_of("asx") == "XASX"
    assert calendar_of("SMART", "USD", "NASDAQ") == "XNAS"
    assert calendar_of("SMART", "USD") == "XNYS"
    assert calendar_of("SMART", "AUD") == "XASX"
    for unknown in ("MOON", "", "XASX; drop table"):
        with pytest.raises(UsageError, match="no trading calendar is known"):
            calendar_of(unknown)
    with pytest.raises(UsageError, match="no trading calendar is called XXXX"):
        sessions("XXXX", date(2025, 1, 1), date(2025, 1, 2))


def test_every_calendar_that_an_exchange_maps_to_exists_and_its_bounds_are_the_librarys() -> None:
    from scizor.market.calendar import FIRST, _build

    for calendar in sorted({*exchanges.CALENDARS.values(), *exchanges.CALENDAR_OF_CURRENCY.values()}):
        library = _build(calendar, date(2024, 1, 1), date(2024, 12, 31))
        begins, stops = library.bound_min(), library.bound_max()
        assert exchanges.LIBRARY_BEGINS.get(calendar, FIRST) == max(FIRST, begins.date() if begins is not None else FIRST)
        assert ends(calendar) == min(exchanges.KNOWN_TO, stops.date() if stops is not None else exchanges.KNOWN_TO)


@pytest.mark.parametrize("calendar", ["XHKG", "XLON"])
def test_a_calendar_without_our_hours_is_taken_from_the_library_as_it_is(calendar: str) -> None:
    found = sessions(calendar, date(2025, 3, 3), date(2025, 3, 31))
    assert len(found) == 21
    assert all(each.open < each.close == each.last for each in found)
    assert [each.name for each in phases(found[0])] == [PhaseName.CONTINUOUS]


def test_row_07_a_closed_day_is_told_by_its_calendar() -> None:
    known = sessions("XASX", date(2025, 1, 1), date(2025, 12, 31))
    assert closed("XASX", date(2025, 12, 25), known) == "XASX closed on 2025-12-25"
    assert closed("XASX", date(2025, 1, 18), known) == "XASX closed on 2025-01-18 (Saturday)"
    assert closed("XASX", date(2025, 1, 15), known) is None


def test_every_override_and_every_set_of_hours_carries_its_evidence() -> None:
    assert all(each.evidence for each in exchanges.OVERRIDES)
    assert {each.calendar for each in exchanges.OVERRIDES} <= set(exchanges.HOURS)
    for eras in exchanges.HOURS.values():
        assert eras[0].since == date.min
        assert [each.since for each in eras] == sorted(each.since for each in eras)
