"""The rules: one alert a fingerprint, told once through the channels of its severity, repeated, inhibited, resolved."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scizor.alert import parcels, rules
from scizor.alert.parcels import Failure
from scizor.alert.rules import ROUTES, SETTLE, Book, Channel, Occasion, Silence
from scizor.base.protocols import Finding, Severity

NOW = datetime(2025, 1, 15, 6, 30, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ALL = frozenset(Channel)
CRITICAL, HIGH, MEDIUM, LOW = Severity


def found(rule: str, severity: Severity = HIGH, scope: str = "", **labels: str) -> Finding:
    return Finding(rule, scope, severity, f"{rule} is ill", "since a minute", "bin/check", labels)


class Desk:
    """Judges and delivers at a stopped time; what went out, by channel."""

    def __init__(self, most: int = 3, channels: frozenset[Channel] = ALL) -> None:
        self.book, self.now, self.most, self.channels = Book(), NOW, most, channels
        self.out: list[tuple[datetime, Channel, str]] = []
        self.down: dict[Channel, Failure] = {}

    def look(self, *findings: Finding, after: timedelta = MINUTE) -> list[tuple[Channel, str]]:
        self.now += after
        self.book = rules.judge(self.book, "health", findings, self.now, channels=self.channels)
        before = len(self.out)
        for parcel in parcels.due(self.book, self.now, self.most):
            if parcel.channel in self.down:
                self.book = parcels.failed(self.book, parcel, self.down[parcel.channel], self.now, 3, self.channels)
            else:
                self.out.append((self.now, parcel.channel, parcels.compose(self.book, parcel, "host").subject))
                self.book = parcels.sent(self.book, parcel, self.now)
        return [(channel, subject) for _, channel, subject in self.out[before:]]

    def channels_of(self, said: list[tuple[Channel, str]]) -> set[Channel]:
        return {channel for channel, _ in said}


@pytest.mark.parametrize("severity", list(Severity))
def test_each_severity_goes_through_its_own_channels_and_low_through_none(severity: Severity) -> None:
    desk = Desk()
    assert desk.channels_of(desk.look(found("disk", severity))) == set(ROUTES[severity])
    assert len(desk.book.open) == 1, "the row is there whatever is told"


def test_what_must_be_heard_goes_through_any_channel_that_there_is_and_what_need_not_does_not() -> None:
    desk = Desk(channels=frozenset({Channel.SMS}))
    assert desk.channels_of(desk.look(found("disk", HIGH))) == {Channel.SMS}
    assert desk.look(found("disk", HIGH), found("cpu", MEDIUM)) == []


def test_I31_the_same_finding_is_one_alert_however_often_and_whatever_its_text() -> None:
    desk = Desk()
    for minute in range(14):
        desk.look(replace(found("disk", CRITICAL), subject=f"disk {minute} %"))
    assert Counter(channel for _, channel, _ in desk.out) == dict.fromkeys(ROUTES[CRITICAL], 1)
    assert [(each.times, each.subject) for each in desk.book.alerts.values()] == [(14, "disk 13 %")]


@pytest.mark.parametrize(("severity", "hours", "mails"), [(CRITICAL, 2, 8), (HIGH, 12, 3), (MEDIUM, 48, 0)])
def test_an_open_alert_is_repeated_at_its_pace(severity: Severity, hours: int, mails: int) -> None:
    desk = Desk()
    for _ in range(hours * 60 - 1):
        desk.look(found("disk", severity))
    assert sum(channel is Channel.MAIL for _, channel, _ in desk.out) == mails


def test_a_medium_one_is_repeated_in_the_digest_of_the_day() -> None:
    desk = Desk()
    for _ in range(49 * 60):
        desk.look(found("cpu", MEDIUM), found("doubts", MEDIUM))
    told = [at for at, channel, _ in desk.out if channel is Channel.SLACK_PERFORMANCE]
    assert told[0] == NOW + MINUTE and [(at.hour, at.minute) for at in told[1:]] == [(6, 0), (6, 0)]


def test_one_loss_of_the_gateway_is_one_alert_and_not_eighteen() -> None:
    desk = Desk()
    followers = sorted(rules.FOLLOWERS["gateway"])
    said = desk.look(found("gateway", CRITICAL), *(found(each) for each in followers))
    assert {subject for _, subject in said} == {"scizor: CRITICAL: gateway is ill"}
    assert len(desk.book.open) == 1 + len(followers) and desk.book.open["health/connection"].muted == "gateway"
    assert desk.look() == [] and len(desk.look(after=SETTLE)) == len(ROUTES[CRITICAL]), "and one recovery"


def test_what_is_still_ill_when_the_gateway_is_back_is_told_then() -> None:
    desk = Desk()
    desk.look(found("gateway", CRITICAL), found("connection"))
    assert (Channel.MAIL, "scizor: HIGH: connection is ill") in desk.look(found("connection"))


def test_a_label_names_what_a_finding_follows_from() -> None:
    desk = Desk()
    assert len({subject for _, subject in desk.look(found("disk", CRITICAL), found("odd", HIGH, inhibited_by="memory, disk"))}) == 1
    assert desk.book.open["health/odd"].muted == "disk"


def test_a_silenced_rule_is_a_row_and_is_told_when_the_silence_ends() -> None:
    desk = Desk()
    desk.book = replace(desk.book, silences=(Silence("disk", "/data", NOW + HOUR),))
    assert desk.look(found("disk", HIGH, "/data")) == []
    assert desk.channels_of(desk.look(found("disk", HIGH, "/data"), found("disk", HIGH, "/"))) == set(ROUTES[HIGH]), "another scope is not silenced"
    assert any("2 high" in subject or "disk" in subject for _, subject in desk.look(found("disk", HIGH, "/data"), found("disk", HIGH, "/"), after=HOUR))


def test_a_recovery_goes_where_the_alert_went_once_it_has_lasted() -> None:
    desk = Desk()
    desk.look(found("disk", HIGH))
    assert desk.look() == []
    assert {subject for _, subject in desk.look(after=SETTLE)} == {"scizor: disk recovered: disk is ill"}
    assert desk.look(after=HOUR) == [] and not desk.book.open


def test_what_comes_back_before_its_recovery_was_told_never_ended() -> None:
    desk = Desk()
    for minute in range(60):
        desk.look(*([found("disk", HIGH)] if minute % 2 else []))
    assert [subject for _, channel, subject in desk.out if channel is Channel.MAIL] == ["scizor: HIGH: disk is ill"]


def test_slow_flapping_is_at_most_three_messages_an_hour() -> None:
    desk = Desk()
    for minute in range(240):
        desk.look(*([found("disk", CRITICAL)] if minute // 5 % 2 else []))
    for start in range(180):
        began = NOW + start * MINUTE
        mails = [1 for at, channel, _ in desk.out if channel is Channel.MAIL and began < at <= began + HOUR - MINUTE]
        assert len(mails) <= 3 + 3, "three of news, and repetitions no oftener than a quarter of an hour"


def test_an_escalation_is_told_to_those_who_have_not_heard() -> None:
    desk = Desk()
    desk.look(found("disk", HIGH))
    assert desk.channels_of(desk.look(found("disk", CRITICAL))) == {Channel.SMS}


def test_an_acknowledged_alert_is_not_repeated_and_its_recovery_is_told() -> None:
    desk = Desk()
    desk.look(found("disk", CRITICAL))
    desk.book = desk.book.having([replace(each, acked_at=desk.now) for each in desk.book.alerts.values()])
    assert desk.look(found("disk", CRITICAL), after=HOUR) == []
    desk.look()
    assert desk.channels_of(desk.look(after=SETTLE)) == set(ROUTES[CRITICAL])


def test_a_source_ends_only_its_own_alerts() -> None:
    desk = Desk()
    desk.look(found("disk", HIGH))
    desk.book = rules.judge(desk.book, "daemon", [], desk.now, channels=ALL)
    assert list(desk.book.open) == ["health/disk"]


def test_a_storm_is_three_messages_an_hour_the_last_of_which_is_kept_for_what_is_critical() -> None:
    desk = Desk()
    ill: list[Finding] = []
    for minute in range(8):
        ill += [found("disk", HIGH, f"{minute}/{number}") for number in range(250)]
        desk.look(*ill)
    assert len(ill) == 2000 == len(desk.book.open)
    assert Counter(channel for _, channel, _ in desk.out) == dict.fromkeys(ROUTES[HIGH], 2)
    ill.append(found("disk", CRITICAL, "all"))
    assert Channel.SMS in desk.channels_of(desk.look(*ill)), "and it takes along what waited"
    ill.append(found("disk", CRITICAL, "more"))
    assert desk.channels_of(desk.look(*ill)) == {Channel.SMS}, "the others have had their three"
    assert desk.channels_of(desk.look(*ill, after=HOUR)) >= set(ROUTES[HIGH]), "then one summary of what had waited"
    assert max(Counter(channel for _, channel, _ in desk.out).values()) == 4
    assert not any(each.is_waiting and each.occasion is Occasion.RAISED for each in desk.book.tellings.values())


def test_a_channel_that_fails_is_tried_later_and_then_another_one_says_so() -> None:
    desk = Desk(channels=frozenset({Channel.MAIL, Channel.SLACK_PERFORMANCE}))
    desk.down = {Channel.SLACK_PERFORMANCE: Failure("slack: error=500")}
    assert desk.look(found("cpu", MEDIUM)) == []
    desk.look(found("cpu", MEDIUM))
    desk.look(found("cpu", MEDIUM))
    assert desk.look(found("cpu", MEDIUM)) == [(Channel.MAIL, "scizor: MEDIUM: cpu is ill")]
    assert [each.instead_of for each in desk.book.tellings.values() if each.channel is Channel.MAIL] == ["slack-performance"]


def test_a_refusal_for_good_is_not_tried_again() -> None:
    desk = Desk(channels=frozenset({Channel.MAIL, Channel.SMS}))
    desk.down = {Channel.SMS: Failure("sms: error=401", is_final=True)}
    desk.look(found("disk", CRITICAL))
    sms = [each for each in desk.book.tellings.values() if each.channel is Channel.SMS]
    assert [(each.attempts, each.is_waiting) for each in sms] == [(1, False)]


def test_the_pause_doubles_to_a_quarter_of_an_hour() -> None:
    assert [parcels.pause(each).total_seconds() for each in (1, 2, 3, 5, 6, 40)] == [30, 60, 120, 480, 900, 900]


def test_a_fingerprint_that_is_cut_is_nobody_else_s() -> None:
    one, two = (rules.fingerprint("health", "disk", "x" * 300 + end) for end in "ab")
    assert one != two and len(one) == len(two) == 200


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_nothing_is_lost_told_twice_or_left_open(seed: int) -> None:
    """Any findings in any order, channels that come and go: one open alert a fingerprint, the limit of the hour kept, and after recovery
    nothing open and nothing that waits."""
    draw = random.Random(seed)
    desk = Desk()
    names = ["database", "gateway", "connection", "disk", "cpu", "schema"]
    for _ in range(300):
        desk.down = {each: Failure("down", is_final=draw.random() < 0.2) for each in Channel if draw.random() < 0.2}
        ill = [found(each, draw.choice(list(Severity)), draw.choice(["", "a"])) for each in names if draw.random() < 0.3]
        desk.look(*ill, after=timedelta(seconds=draw.choice([20, 60, 300])))
        open_now = [each.fingerprint for each in desk.book.alerts.values() if each.resolved_at is None]
        assert len(open_now) == len(set(open_now))
        assert set(open_now) == {rules.fingerprint("health", each.rule, each.scope) for each in ill}
    for channel in Channel:
        news = sorted({each.sent_at for each in desk.book.tellings.values() if each.channel is channel and each.sent_at and each.occasion is not Occasion.REPEATED})
        assert all(later - earlier >= HOUR for earlier, later in zip(news, news[3:], strict=False)), "three in any hour"
    raised = Counter((each.alert, each.channel) for each in desk.book.tellings.values() if each.occasion is Occasion.RAISED and each.sent_at)
    assert max(raised.values()) == 1
    desk.down = {}
    for _ in range(8):
        desk.look(after=HOUR)
    assert not desk.book.open and not any(each.is_waiting for each in desk.book.tellings.values())
