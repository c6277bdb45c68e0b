"""Files of bars: exact, whole or not there, and a flipped bit is never another price."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scizor.archive import files, manifest, table
from scizor.base.errors import FindingError, NoSpaceError, RefusedError
from scizor.market.pieces import Counted, Piece, pieces, year_of
from scizor.market.types import Kind, Origin, Timeframe

PIECE = Piece("CBA", Timeframe.MIN1, Origin(), 2024, *year_of(2024))
ROW = "2024-01-03 14:30:00+00,2024-01-03,324.6417,325,324.00000001,324.5,948837.22,,12,0,0,7,2024-01-04 01:02:03.123456+00\n"


def lines(count: int = 3000, seed: int = 5) -> bytes:
    draw, price, text = random.Random(seed), 10000, []
    start = datetime(2024, 1, 3, 14, 30, tzinfo=UTC)
    for n in range(count):
        price += draw.randint(-3, 3)
        at = start + timedelta(minutes=n)
        volume = "" if n % 97 == 0 else f"{draw.randint(0, 10**6) / 100}"
        text.append(f"{at:%Y-%m-%d %H:%M:%S}+00,{at:%Y-%m-%d},{price / 100},{(price + 4) / 100},{(price - 4) / 100},{price / 100},{volume},,{n},0,0,7,2024-09-04 01:02:03+00\n")
    return "".join(text).encode()


@pytest.mark.parametrize("form", files.FORMATS)
def test_I10_a_file_holds_every_number_as_it_was_written(tmp_path: Path, form: str) -> None:
    extremes = "2024-01-03 14:31:00+00,2024-01-03,999999999.99999999,999999999.99999999,0.00000001,1,999999999999999.99999999,0.00000001,2147483647,32767,32767,9223372036854775807,2199-12-31 23:59:59.999999+00\n"
    bars = table.parse([ROW.encode(), extremes.encode()], PIECE)
    files.write(bars, tmp_path / f"x.{form}")
    back = files.read(tmp_path / f"x.{form}", PIECE)
    assert back.equals(bars) and table.digest(back) == table.digest(bars)
    assert str(back["open"][0].as_py()) == "324.64170000" and back["wap"][0].as_py() is None
    again = table.text(back).decode().splitlines()
    assert again[1].startswith("2024-01-03 14:31:00.000000+00,2024-01-03,999999999.99999999,999999999.99999999,0.00000001,1,999999999999999.99999999,")
    weighed = 32767 * (int(datetime(2024, 1, 3, 14, 31, tzinfo=UTC).timestamp()) % 1_000_003)
    assert table.counted(back) == Counted(2, datetime(2199, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), 32767, weighed)


@pytest.mark.parametrize("value", ["1.000000001", "1e400", "NaN", "12345678901", "x"])
def test_what_would_not_survive_is_refused_and_never_rounded(value: str) -> None:
    with pytest.raises(FindingError, match="cannot hold exactly"):
        table.parse([ROW.replace("324.6417", value).encode()], PIECE)


def test_numbers_go_out_in_their_shortest_form_and_without_an_exponent() -> None:
    for value, shown in (("0", "0"), ("0.00000012", "0.00000012"), ("100", "100"), ("1200.50", "1200.5"), ("0.1", "0.1"), ("10.01000000", "10.01")):
        row = table.text(table.parse([ROW.replace("948837.22", value).encode()], PIECE)).decode()
        assert row.split(",")[6] == shown


def test_the_digest_is_of_values_and_sees_each_of_them() -> None:
    whole = table.digest(table.parse([ROW.encode()], PIECE))
    assert whole == table.digest(table.parse([ROW.replace("325,", "325.000,").encode()], PIECE))
    fields = ROW.strip().split(",")
    others = {
        0: "2024-01-03 14:31:00+00", 1: "2024-01-04", 2: "324.6418", 3: "326", 4: "323", 5: "324.6", 6: "", 7: "324.5", 8: "13", 9: "1", 10: "1",
        11: "8", 12: "2024-01-04 01:02:03.123457+00",
    }  # fmt: skip
    seen = {table.digest(table.parse([",".join([*fields[:place], value, *fields[place + 1 :]]).encode() + b"\n"], PIECE)) for place, value in others.items()}
    for piece in (PIECE._replace(symbol="BHP"), PIECE._replace(origin=Origin(Kind.BID)), PIECE._replace(origin=Origin(regular_hours=False))):
        seen.add(table.digest(table.parse([ROW.encode()], piece)))
    zero = table.digest(table.parse([ROW.replace("948837.22", "0").encode()], PIECE))  # no volume is not a volume of none
    assert len({whole, zero} | seen) == 2 + len(others) + 3


def test_a_flipped_bit_in_a_page_is_found_by_the_page_s_own_checksum(tmp_path: Path) -> None:
    from pyarrow import parquet

    file = tmp_path / "x.parquet"
    files.write(table.parse([lines()], PIECE), file)
    good, draw = file.read_bytes(), random.Random(3)
    group = parquet.ParquetFile(file).metadata.row_group(0)
    places = []
    for name in ("open", "close", "volume", "trades"):
        column = group.column(table.COLUMNS.index(name))
        begin = column.dictionary_page_offset or column.data_page_offset
        places += [draw.randrange(begin + column.total_compressed_size // 2, begin + column.total_compressed_size) for _ in range(10)]
    for place in places:
        bad = bytearray(good)
        bad[place] ^= 1 << draw.randrange(8)
        file.write_bytes(bad)
        with pytest.raises(FindingError, match="is damaged"):
            files.read(file, PIECE)
    file.write_bytes(good[: len(good) // 2])
    with pytest.raises(FindingError, match="is damaged"):
        files.read(file, PIECE)


def test_I28_a_write_that_fails_leaves_the_former_file_and_no_half_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "1day" / "x.parquet"
    files.write(table.parse([lines(10)], PIECE), file)
    good = file.read_bytes()
    for number, kind in ((28, NoSpaceError), (13, RefusedError)):
        def fail(handle: int, number: int = number) -> None:
            raise OSError(number, "planted")

        monkeypatch.setattr(files.os, "fsync", fail)
        with pytest.raises(kind):
            files.write(table.parse([lines(20)], PIECE), file)
        assert file.read_bytes() == good and [each.name for each in file.parent.iterdir()] == ["x.parquet"]


def test_files_are_private_and_forced_to_disk_before_they_take_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real_sync, real_replace = files.os.fsync, Path.replace

    def sync(handle: int) -> None:
        order.append("folder" if Path(f"/proc/self/fd/{handle}").resolve().is_dir() else "file")
        real_sync(handle)

    def replace(self: Path, target: Path) -> Path:
        order.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(files.os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    files.write(table.parse([lines(10)], PIECE), tmp_path / "a" / "x.parquet")
    assert order == ["file", "rename", "folder"]
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


def test_row_46_the_manifest_comes_back_as_it_was_and_a_path_that_leads_out_is_refused(tmp_path: Path) -> None:
    bars = table.parse([lines(10)], PIECE)
    entry = manifest.Entry(
        PIECE.path + ".parquet", PIECE, table.counted(bars), *table.ends(bars), 10, "ab" * 32, "cd" * 32, datetime(2025, 1, 1, tzinfo=UTC), 77,
        ({"id": 7, "outcome": "ok"},),
    )  # fmt: skip
    found = manifest.Manifest(tmp_path, "paper", {entry.path: entry})
    found.save()
    (tmp_path / "left.partial").touch()
    assert manifest.load(tmp_path) == found
    assert list(manifest.strangers(found)) == [tmp_path / "left.partial"]
    text = (tmp_path / manifest.NAME).read_text()
    for bad in (text.replace("1min/CBA", "../../CBA"), text[: len(text) // 2], text.replace('"version": 2', '"version": 9')):
        (tmp_path / manifest.NAME).write_text(bad)
        with pytest.raises(FindingError):
            manifest.load(tmp_path)
    with pytest.raises(FindingError, match="holds no archive"):
        manifest.load(tmp_path / "elsewhere")


def test_rows_46_47_a_symbol_names_one_place_below_the_root_whatever_it_holds() -> None:
    odd = ["CON", "PRN", "NUL", "BF/A", "BF.A", "../../etc/passwd", "BRK B", "BRK/B", "A..B", "TLS.NASDAQ", "A/../B", "A%2FB"]
    paths = [PIECE._replace(symbol=symbol).path for symbol in odd]
    assert len(set(paths)) == len(odd)
    assert all(len(Path(path).parts) == 4 and ".." not in Path(path).parts for path in paths)


def test_a_stretch_is_cut_at_the_turn_of_each_UTC_year() -> None:
    found = pieces("CBA", Timeframe.DAY1, Origin(), datetime(2022, 6, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    assert [(each.year, each.is_whole) for each in found] == [(2022, False), (2023, True)]
    assert found[0].path == "1day/CBA/TRADES-ib-regular/2022.20220601T0000-20230101T0000"


def test_what_lies_in_both_is_the_newer_one_s() -> None:
    old = table.parse([lines(100)], PIECE)
    new = table.parse([lines(40, seed=6)], PIECE)
    found = table.merged([old.slice(50), old.slice(0, 50)], new)
    assert found.num_rows == 100 and table.digest(found.slice(0, 40)) == table.digest(new)
    assert table.digest(found.slice(40)) == table.digest(old.slice(40))
