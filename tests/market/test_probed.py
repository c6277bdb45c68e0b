"""What answers establish, and what they do not: an absence that another cause could have is no finding."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from scizor.market import probed
from scizor.market.calendar import sessions
from scizor.market.probed import Rung
from scizor.market.types import Bar, Outcome, OutcomeKind, Timeframe

DAYS = sessions("XASX", date(2025, 1, 1), date(2025, 1, 31))
DAY = next(each for each in DAYS if each.session_date == date(2025, 1, 15))
NOW = datetime(2025, 1, 15, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def bar(start: datetime | date, volume: float = 10.0) -> Bar:
    return Bar(start, 1.0, 1.0, 1.0, 1.0, volume, 1.0, int(volume > 0))


def ok(*starts: datetime | date, at: datetime = NOW, seconds: float = 1.0) -> Outcome:
    return Outcome(OutcomeKind.OK, tuple(map(bar, starts)), asked_at=at, answered_at=at + timedelta(seconds=seconds))


def failed(kind: OutcomeKind = OutcomeKind.TIMEOUT) -> Outcome:
    return Outcome(kind, text="no answer", asked_at=NOW, answered_at=NOW)


CONTINUOUS = [DAY.open + each * MINUTE for each in range(360)]
PRINT = DAY.close + 10 * MINUTE


def test_the_auction_is_in_regular_hours_out_of_them_or_was_not_seen() -> None:
    assert probed.auction(DAY, ok(*CONTINUOUS, PRINT), ok(*CONTINUOUS, PRINT)).answer == {"is_regular": True}
    assert probed.auction(DAY, ok(*CONTINUOUS), ok(*CONTINUOUS, PRINT)).answer == {"is_regular": False}
    assert probed.auction(DAY, ok(*CONTINUOUS), ok(*CONTINUOUS, DAY.close)).answer is None, "a print after four is no auction"
    assert "timeout" in probed.auction(DAY, ok(*CONTINUOUS), failed()).reason
    york = sessions("XNYS", date(2025, 1, 15), date(2025, 1, 15))[0]
    assert probed.auction(york, ok(york.open), ok(york.close)).answer is None


def test_an_empty_minute_has_a_bar_or_none_or_there_was_no_empty_minute() -> None:
    holes = [each for each in CONTINUOUS if each.minute != 7]
    assert probed.empty_minutes(DAY, ok(*holes)).answer == {"have_bars": False}
    silent = Outcome(OutcomeKind.OK, tuple(bar(each, 0.0 if each.minute == 7 else 5.0) for each in CONTINUOUS))
    assert probed.empty_minutes(DAY, silent).answer == {"have_bars": True, "trades": 0}
    assert "--thin" in probed.empty_minutes(DAY, ok(*CONTINUOUS)).reason
    assert probed.empty_minutes(DAY, ok(PRINT)).answer is None


def test_N_D_counts_sessions_or_days() -> None:
    dates = [each.session_date for each in DAYS if each.session_date <= date(2025, 1, 29)]
    assert probed.days_count(8, dates, ok(*dates[-8:])).answer == {"counts": "sessions"}
    assert probed.days_count(8, dates, ok(*[each for each in dates if each > date(2025, 1, 21)])).answer == {"counts": "calendar days"}
    assert probed.days_count(8, dates, ok(*dates[-7:])).answer is None


def test_the_end_is_inclusive_only_when_the_bar_that_could_have_come_exists() -> None:
    end = CONTINUOUS[60]
    assert probed.end_inclusive(end, ok(*CONTINUOUS[:60]), ok(*CONTINUOUS)).answer == {"is_inclusive": False}
    assert probed.end_inclusive(end, ok(*CONTINUOUS[:61]), ok(*CONTINUOUS)).answer == {"is_inclusive": True}
    assert probed.end_inclusive(end, ok(*CONTINUOUS[:60]), ok(*CONTINUOUS[:60], *CONTINUOUS[61:])).answer is None
    assert probed.end_inclusive(end, ok(*CONTINUOUS), ok(*CONTINUOUS)).answer is None


def test_a_stamp_is_the_start_or_the_end() -> None:
    assert probed.bar_stamp(DAY, ok(*CONTINUOUS)).answer == {"is": "start"}
    assert probed.bar_stamp(DAY, ok(*[each + MINUTE for each in CONTINUOUS])).answer == {"is": "end"}
    assert probed.bar_stamp(DAY, ok(*CONTINUOUS[3:])).answer is None


def test_the_bar_that_is_being_made() -> None:
    now = CONTINUOUS[100] + timedelta(seconds=20)
    assert probed.unfinished(ok(*CONTINUOUS[:101], at=now), Timeframe.MIN1, 0.0).answer == {"is_delivered": True}
    assert probed.unfinished(ok(*CONTINUOUS[:100], at=now), Timeframe.MIN1, 0.0).answer == {"is_delivered": False}
    assert probed.unfinished(ok(*CONTINUOUS[:80], at=now), Timeframe.MIN1, 0.0).answer is None, "delayed data say nothing"
    slow = now - timedelta(minutes=18)  # our clock: the Gateway's is ahead
    assert probed.unfinished(ok(*CONTINUOUS[:100], at=slow), Timeframe.MIN1, 18 * 60.0).answer == {"is_delivered": False}
    assert probed.unfinished(ok(*CONTINUOUS[:101], at=now), Timeframe.MIN1, None).answer is None


@pytest.mark.parametrize(
    ("text", "course"),
    [
        ("20260406:1000-20260406:1610;20260407:CLOSED;20260408:1000-20260408:1610", "1000-1610"),
        ("20090507:0700-1830,1830-2330;20090508:0700-1830,1830-2330;20090509:CLOSED", "0700-1830,1830-2330"),
        ("20260405:1800-20260406:1700;20260406:1800-20260407:1700", "1800-1700"),
        ("", ""), ("CLOSED", ""), ("20260406:what", ""),
    ],
)  # fmt: skip
def test_hours_are_read_in_both_of_IB_s_forms(text: str, course: str) -> None:
    found = probed.hours("Australia/NSW", text, text)
    assert found.answer == ({"zone": "Australia/NSW", "all": course, "regular": course} if course else None)


def test_permission_is_refused_granted_or_unknown() -> None:
    assert probed.entitlement(ok(DAY.open)).answer == {"is_allowed": True}
    refused = Outcome(OutcomeKind.NO_PERMISSION, code=354, text="Requested market data is not subscribed.")
    assert probed.entitlement(refused).answer == {"is_allowed": False, "code": 354}
    assert probed.entitlement(failed(OutcomeKind.EMPTY_UNCONFIRMED)).answer is None


def rung(width: int, seconds: float) -> Rung:
    """So many that start together; of one at a time two, one after the other."""
    if width == 1:
        return Rung(1, tuple(ok(DAY.open, at=NOW + timedelta(seconds=each * seconds), seconds=seconds) for each in range(2)))
    return Rung(width, tuple(ok(DAY.open, seconds=seconds) for _ in range(width)))


def test_the_ladder_ends_below_the_first_rung_that_is_slower() -> None:
    assert probed.slow_down([rung(1, 1), rung(2, 1.1), rung(4, 1.2), rung(8, 9)]).measured["kept"] == 4
    assert probed.slow_down([rung(1, 1), rung(2, 5)]).measured["kept"] == 1
    assert probed.slow_down([rung(1, 1), rung(2, 1), rung(4, 2), rung(8, 4)]).measured["kept"] == 2, "more at once only wait"
    assert "too short" in probed.slow_down([rung(1, 0.01), rung(2, 0.01)]).reason
    refused = Rung(4, (failed(OutcomeKind.PACING), *rung(3, 1).outcomes))
    assert probed.slow_down([rung(1, 1), rung(2, 1), refused]).measured["kept"] == 2
    whole = probed.slow_down([rung(1, 1), rung(2, 1), rung(4, 1), rung(8, 1)]).measured
    assert (whole["kept"], whole["slows_at"]) == (8, None)


def test_a_rung_that_was_not_reached_establishes_nothing() -> None:
    apart = Rung(2, (ok(DAY.open), ok(DAY.open, at=NOW + timedelta(seconds=5))))
    assert "never reached" in probed.slow_down([rung(1, 1), apart]).reason
    assert probed.slow_down([Rung(1, (failed(),))]).answer is None
