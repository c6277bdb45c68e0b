"""Recorded files, whatever stands in them."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
import zstandard

from scizor.replay.sources import lines as module
from scizor.replay.sources.lines import Problems, blocks, fields, files, first_lines, lines, number


def read(path: Path) -> tuple[list[tuple[str, int, bytes]], Problems]:
    problems = Problems()
    found = [(name, at, line) for name, stream in files(path, problems) for at, line in lines(stream, name, problems)]
    return found, problems


def archive(path: Path, members: dict[str, bytes]) -> Path:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    path.write_bytes(zstandard.compress(raw.getvalue()))
    return path


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_row_85_a_byte_order_mark_and_crlf_do_no_harm_packed_or_not(tmp_path: Path, suffix: str) -> None:
    data = b"\xef\xbb\xbfa,b\r\n\r\n1,2\r\nlast"
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[suffix]
    path = tmp_path / f"x.csv{suffix}"
    path.write_bytes(pack(data))
    found, problems = read(path)
    assert [(at, line) for _, at, line in found] == [(1, b"a,b"), (3, b"1,2"), (4, b"last")]
    assert problems.count == 0
    assert first_lines(path, 2) == [b"a,b", b"1,2"]


def test_an_archive_gives_its_text_files_by_name(tmp_path: Path) -> None:
    path = archive(tmp_path / "2020.tar.zst", {"2020/a.csv": b"1\n", "2020/b.bin": b"2\n", "2020/c.txt": b"3"})
    found, problems = read(path)
    assert found == [("2020.tar.zst/2020/a.csv", 1, b"1"), ("2020.tar.zst/2020/c.txt", 1, b"3")]
    assert problems.count == 0


def test_an_archive_of_a_million_files_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMBERS_MAX", 3)
    found, problems = read(archive(tmp_path / "x.tar.zst", {f"{each}.csv": b"1\n" for each in range(10)}))
    assert len(found) == 3 and problems.count == 1


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.zst", ".tar.zst"])
def test_a_file_that_is_cut_short_is_a_problem_and_what_was_read_of_it_stands(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    data = b"".join(b"%d,%d\n" % (each, each * each) for each in range(400_000))
    if suffix == ".tar.zst":
        archive(path, {"a.csv": data})
    else:
        path.write_bytes(gzip.compress(data) if suffix == ".csv.gz" else zstandard.compress(data))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    found, problems = read(path)
    assert 0 < len(found) < 400_000
    assert problems.count >= 1 and problems.kept[0].file.startswith("x")


def test_a_packed_file_of_several_frames_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "x.csv.zst").write_bytes(zstandard.compress(b"1,2\n3") + zstandard.compress(b",4\n"))
    found, problems = read(tmp_path / "x.csv.zst")
    assert [line for _, _, line in found] == [b"1,2", b"3,4"] and problems.count == 0


def test_what_is_no_packed_file_at_all_is_a_problem(tmp_path: Path) -> None:
    for name in ("x.csv.gz", "x.csv.zst", "x.tar.zst", "x.csv.tar.gz"):
        (tmp_path / name).write_bytes(b"this is not packed\n")
        found, problems = read(tmp_path / name)
        assert not found and problems.count == 1, name
    assert read(tmp_path / "absent.csv")[1].count == 1
    assert first_lines(tmp_path / "absent.csv", 3) == []


def test_row_85_an_absurdly_long_line_is_refused_and_the_next_one_is_read() -> None:
    class Endless(io.RawIOBase):
        """Sixty-four megabytes without a newline, made on the spot."""

        left = 64

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return b"x" * (1 << 20) if self.left > 0 else b"\n1,2\n" if self.left == 0 else b""

    problems = Problems()
    stream = Endless()
    assert list(lines(stream, "x.csv", problems)) == [(2, b"1,2")]  # type: ignore[arg-type]
    assert [(each.line, each.text) for each in problems.kept] == [(1, module.TOO_LONG)]


def test_a_file_without_end_is_left_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILE_BYTES_MAX", 3 << 20)
    problems = Problems()
    assert len(list(blocks(io.BytesIO(b"1,2\n" * (1 << 20)), "x.csv", problems))) == 3
    assert "the rest is not read" in problems.kept[0].text


def test_lines_are_the_same_however_the_stream_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"".join(b"%d,%s\n" % (each, b"y" * (each % 7)) for each in range(100))
    whole = list(lines(io.BytesIO(data), "x", Problems()))
    for size in (1, 2, 3, 17):
        monkeypatch.setattr(module, "_BLOCK_BYTES", size)
        assert list(lines(io.BytesIO(data), "x", Problems())) == whole


def test_problems_are_counted_beyond_those_that_are_kept() -> None:
    problems = Problems()
    for each in range(5000):
        problems.add("x", each, "", "")
    assert problems.count == 5000 and len(problems.kept) == 1000


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "1_000", " 1", "1,000", "", "0x10", "1.2.3", "\u0661", "1-2"])
def test_row_85_what_a_person_would_not_call_a_number_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        number(text)


def test_quotes_are_understood_and_unbalanced_ones_named() -> None:
    assert fields(b'"BHP",1,"2"') == ["BHP", "1", "2"]
    assert [number(each) for each in (".205", "84", "1.", "-1", "2e3")] == [0.205, 84, 1, -1, 2000]
    for bad in (b'"BHP,1', b"\xff,1"):
        with pytest.raises(ValueError, match=r"quotes|UTF-8"):
            fields(bad)
