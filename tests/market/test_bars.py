"""The text of a bar: exact, one spelling a number."""

from __future__ import annotations

import math
import random
import struct
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import psycopg
import pytest

from scizor.base.errors import FindingError
from scizor.market.bars import COLUMNS, answer_sha256, copy_text, number_text, raw_text, start_text, tidy
from scizor.market.types import Bar

DAY = date(2025, 1, 15)


def some_floats(seed: int, number: int) -> list[float]:
    """Any finite floats, and prices and volumes as vendors send them."""
    chance = random.Random(seed)
    wild = [struct.unpack("<d", chance.randbytes(8))[0] for _ in range(number)]
    tame = [round(chance.uniform(0, 10 ** chance.randrange(1, 10)), chance.randrange(0, 8)) for _ in range(number)]
    return [each for each in (*wild, *tame) if math.isfinite(each)]


def test_I10_a_number_is_written_with_the_fewest_digits_that_mean_the_same_float() -> None:
    for value in some_floats(7, 20_000):
        text = number_text(value)
        assert float(text) == value
        assert "e" not in text
        assert not text.endswith(".0")
        assert Decimal(text) == Decimal(repr(value))


def test_numbers_are_spelled_as_people_write_them() -> None:
    for value, text in (
        (1e-05, "0.00001"), (948837.22, "948837.22"), (2.5e9, "2500000000"), (1e16, "10000000000000000"), (0.1 + 0.2, "0.30000000000000004"),
        (27.0, "27"), (27.15, "27.15"), (0.0, "0"), (-7.0, "-7"), (100, "100"), (1.5e-7, "0.00000015"), (1e22, "10000000000000000000000"),
        (float("inf"), "Infinity"), (float("-inf"), "-Infinity"), (float("nan"), "NaN"),
    ):  # fmt: skip
        assert number_text(value) == text


def test_row_31_a_volume_of_minus_one_is_none_and_minus_seven_stays_to_be_refused() -> None:
    bars = [Bar(DAY, 1.0, 1.0, 1.0, 1.0, volume, -1.0, -1) for volume in (-1.0, -7.0, 2.5e9, 0.0)]
    volumes = [line.split("\t")[6:] for line in copy_text(bars).splitlines()]
    assert volumes == [["\\N", "\\N", "\\N"], ["-7", "\\N", "\\N"], ["2500000000", "\\N", "\\N"], ["0", "\\N", "\\N"]]
    assert copy_text([Bar(DAY, -1.0, 1.0, 1.0, 1.0, 5.0)]).split("\t")[2] == "-1", "a price of -1 is no \"none\""


def test_row_36_a_naive_start_is_refused_with_the_setting_that_mends_it() -> None:
    naive = Bar(datetime(2025, 1, 15, 10, 0), 1.0, 1.0, 1.0, 1.0)  # noqa: DTZ001
    for reads in (lambda: tidy([naive]), lambda: copy_text([naive], [DAY]), lambda: start_text(naive.start), lambda: copy_text([naive])):
        with pytest.raises(FindingError, match="timestamp without zone") as caught:
            reads()
        assert "formatDate=2" in caught.value.hint


def test_a_start_is_written_in_utc_and_a_daily_bar_at_midnight_of_its_session_date() -> None:
    assert start_text(DAY) == "2025-01-15 00:00:00+00"
    assert start_text(datetime(2025, 1, 15, 10, 0, tzinfo=ZoneInfo("Australia/Sydney"))) == "2025-01-14 23:00:00+00"
    moment = Bar(datetime(2025, 1, 14, 23, 0, tzinfo=UTC), 1.5, 2.0, 1.0, 1.25, 10.0, 1.3, 4)
    assert copy_text([moment], [DAY]) == "2025-01-14 23:00:00+00\t2025-01-15\t1.5\t2\t1\t1.25\t10\t1.3\t4\n"


def test_row_27_bars_out_of_order_are_sorted_and_equal_ones_collapsed_and_different_ones_kept() -> None:
    one, two = Bar(DAY, 1.0, 1.0, 1.0, 1.0, 5.0), Bar(date(2025, 1, 16), 2.0, 2.0, 2.0, 2.0, 5.0)
    assert tidy([two, one, two, one]) == [one, two]
    other = one._replace(close=1.5)
    assert tidy([two, one, other, one]) == [one, other, two]
    with pytest.raises(FindingError, match="among bars that start at an instant"):
        tidy([one, Bar(datetime(2025, 1, 15, tzinfo=UTC), 1.0, 1.0, 1.0, 1.0)])


def test_the_fingerprint_of_an_answer_moves_with_any_value_and_with_its_order() -> None:
    one, two = Bar(DAY, 1.0, 1.0, 1.0, 1.0, 5.0), Bar(date(2025, 1, 16), 2.0, 2.0, 2.0, 2.0, 5.0)
    prints = {answer_sha256(each) for each in ([one, two], [two, one], [one], [], [one, two._replace(trades=0)], [one, two._replace(wap=2.0)])}
    assert len(prints) == 6
    assert all(len(each) == 32 for each in prints)
    assert raw_text(one) == "1,1,1,1,5,,"


def test_I10_copy_stores_every_float_exactly(database: psycopg.Connection) -> None:
    values = some_floats(11, 4_000)
    bars = [Bar(DAY, *values[at : at + 4], volume=abs(values[at]) + 0.5, trades=3) for at in range(0, len(values) - 4, 4)]
    bars += [Bar(DAY, float("nan"), float("inf"), 1e-05, 27.0, 948837.22, 0.0, None)]
    columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(COLUMNS, ["timestamptz", "date", *["numeric"] * 6, "bigint"], strict=True))
    database.execute(f"CREATE TEMP TABLE copied (number bigint GENERATED ALWAYS AS IDENTITY, {columns})")
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    with database.cursor().copy(f"COPY copied ({names}) FROM STDIN") as copy:
        copy.write(copy_text(bars))
    rows = database.execute("SELECT open, high, low, close, volume, wap, trades FROM copied ORDER BY number").fetchall()
    assert len(rows) == len(bars)
    for bar, row in zip(bars, rows, strict=True):
        wap = bar.wap or None  # an average of 0 is none
        written = [*bar[1:6], wap, bar.trades]
        stored = [None if each is None else str(each) if isinstance(each, int) else _plain(each) for each in row]
        assert stored == [None if each is None else number_text(each) for each in written]


def _plain(value: Decimal) -> str:
    return str(value) if not value.is_finite() else format(value, "f")
