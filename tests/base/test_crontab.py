"""A crontab as text: what its fields mean, how it moves, and how a block comes into another table and out again."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from cronsim import CronSim

from scizor.base import crontab
from scizor.base.crontab import Entry
from scizor.base.errors import ConfigurationError
from scizor.base.paths import ROOT

TABLE = crontab.entries((ROOT / "cron" / "scizor.crontab").read_text())
START = datetime(2025, 1, 15, tzinfo=UTC)


def entry(when: str) -> Entry:
    return crontab.entries(f"{when}  umask 077; true\n")[0]


def fired(each: Entry, count: int = 16) -> list[datetime]:
    schedule = CronSim(" ".join(each.fields), START)
    return [next(schedule) for _ in range(count)]


def test_a_table_that_moves_keeps_every_distance_and_never_starts_at_a_busy_minute() -> None:
    """Our own table, at each offset that a host can get, as a cron library reads it: the same instants, minutes later."""
    possible = crontab.offsets(TABLE)
    assert possible[0] == 0 and len(possible) > 3
    for minutes in possible:
        for each in TABLE:
            to = crontab.moved(each, minutes)
            assert to is not None
            if each.fields[0] == "*":
                continue
            later = {when + timedelta(minutes=minutes) for when in fired(each)}
            assert set(fired(to, 20)) >= {when for when in later if when > START + timedelta(hours=1)}
            assert minutes == 0 or not {when.minute for when in fired(to)} & crontab.BUSY_MINUTES


@pytest.mark.parametrize("seed", range(8))
def test_any_table_can_move_by_what_is_offered(seed: int) -> None:
    rng = random.Random(seed)
    table = [entry(f"{rng.choice([1, 7, 11, 28, 43, 52, 59])} {rng.choice(['*', '3', '22', '23'])} * * {rng.choice(['*', '1-5', '0'])}") for _ in range(4)]
    for minutes in crontab.offsets(table):
        for each in table:
            to = crontab.moved(each, minutes)
            assert to is not None and {when + timedelta(minutes=minutes) for when in fired(each)} <= set(fired(to, 26)) | {when for when in fired(each) if when < START}


def test_beyond_midnight_of_a_named_day_an_entry_does_not_move() -> None:
    assert crontab.moved(entry("50 23 * * 1-5"), 20) is None
    assert crontab.moved(entry("50,10 3 * * *"), 20) is None, "one half into the next hour: no single line says that"
    assert str(crontab.moved(entry("50 22 * * 1-5"), 20)).startswith("10 23 * * 1-5 ")
    assert str(crontab.moved(entry("50 * * * *"), 20)).startswith("10 * * * * ")


def test_a_host_keeps_its_offset_and_hosts_differ() -> None:
    assert crontab.offset(TABLE, "host one") == crontab.offset(TABLE, "host one")
    assert len({crontab.offset(TABLE, f"host {number}") for number in range(200)}) == len(crontab.offsets(TABLE))


@pytest.mark.parametrize("field", ["7", "7,9", "7-9", "*/15", "7-59/15", "3/20", "*"])
def test_a_field_means_what_cron_takes_it_for(field: str) -> None:
    assert set(crontab.values(field, 0, 59)) == {when.minute for when in fired(entry(f"{field} * * * *"), 130)}


@pytest.mark.parametrize("line", ["7 * * * echo", "mon * * * * x", "@daily x y z a b c", "*/0 * * * * x", "70 * * * * x", "9-7 * * * * x", "7 * * * * date +%H"])
def test_what_is_no_entry_of_ours_is_refused_with_what_to_do(line: str) -> None:
    with pytest.raises(ConfigurationError):
        for each in crontab.entries(line + "\n"):
            crontab.values(each.fields[0], 0, 59)


HIS_OWN = ["", "MAILTO=me\n# mine\n5 4 * * * backup --all\n", "no line end", "\n\n*/5 * * * * x\n\n"]


@pytest.mark.parametrize("his", HIS_OWN)
def test_a_block_goes_in_is_replaced_and_comes_out_and_the_rest_stays_byte_by_byte(his: str) -> None:
    first = crontab.with_block(his, "/opt/a", crontab.block("/opt/a", ["1 * * * * one"]))
    second = crontab.with_block(first, "/opt/b", crontab.block("/opt/b", ["2 * * * * two"]))
    again = crontab.with_block(second, "/opt/a", crontab.block("/opt/a", ["3 * * * * three"]))
    assert "one" not in again and "two" in again and again.endswith(crontab.END.format("/opt/a") + "\n")
    assert crontab.with_block(again, "/opt/a", crontab.block("/opt/a", ["3 * * * * three"])) == again
    out = crontab.without(crontab.without(again, "/opt/a"), "/opt/b")
    assert out == (his if not his or his.endswith("\n") else his + "\n")
    assert all(earlier <= later for earlier, later in pairwise([again.index(his.strip() or "#"), again.index("three")]))


def test_half_a_block_is_refused_and_nothing_is_guessed() -> None:
    half = crontab.block("/opt/a", ["1 * * * * one"]).replace(crontab.END.format("/opt/a") + "\n", "")
    with pytest.raises(ConfigurationError, match="half a block"):
        crontab.with_block("5 4 * * * mine\n" + half, "/opt/a", "new\n")
