"""bin/features as a person calls it: on a recording written here and on the real ones, in every form, and on what is not there."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.base.errors import ConfigurationError, UsageError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.features import OUTPUT, apply, evaluate, make_output, make_state
from scizor.jobs import features, features_input, features_sweep
from scizor.market.events import ASK, BID, INSERT, LAST, TRADE, UPDATE
from scizor.market.feeds import event_file
from scizor.market.feeds.positions import Raw, records
from scizor.run.context import Result
from tests.jobs.scripts import Call, caller

Capture = pytest.CaptureFixture[str]
SECOND = 1_000_000_000
OPEN = 1_736_937_000 * SECOND  # 2025-01-15 10:30 UTC
MINUTES = 6


def session(symbol: int, seed: int, drift: float, seconds: int = MINUTES * 60) -> list[Raw]:
    """Some minutes of a book of three rows and its prints, five events a second; `drift` is the share of buyers."""
    source = np.random.default_rng(seed)
    raw: list[Raw] = []
    for side, sign in ((ASK, 1), (BID, -1)):
        for row in range(3):
            raw.append((OPEN + symbol, 1000 + sign * (row + 1), 50, symbol, INSERT, side, row, LAST))
    for tick in range(seconds * 5):
        ts = OPEN + symbol + (tick + 1) * SECOND // 5
        if source.random() < 0.3:
            is_buyer = source.random() < drift
            raw.append((ts, 1001 if is_buyer else 999, int(source.integers(1, 9)), symbol, TRADE, BID if is_buyer else ASK, 0, LAST))
        else:
            side, row = int(source.integers(0, 2)), int(source.integers(0, 3))
            price = 1000 + (row + 1) * (1 if side == ASK else -1)
            raw.append((ts, price, int(source.integers(10, 90)), symbol, UPDATE, side, row, LAST))
    return raw


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three symbols in one of scizor's own files: bought, sold, and neither."""
    folder = tmp_path_factory.mktemp("recordings")
    raw = sorted(session(0, 1, 0.9) + session(1, 2, 0.1) + session(2, 3, 0.5), key=lambda each: each[0])
    header = event_file.Header(("BUY", "SELL", "CALM"), ("0.01", "0.01", "0.01"), 3)
    (folder / "day.l2ev").write_bytes(event_file.encode(header) + records(raw).tobytes())
    return folder


@pytest.fixture
def call(config_without_database: Config, clock: StoppedClock) -> Call:
    return caller(config_without_database, None, clock)  # type: ignore[arg-type]


@pytest.fixture
def config_without_database() -> Config:
    return Config()


def lines(capture: Capture) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(capture.readouterr().out)))


def test_every_line_is_what_the_kernel_says_at_that_instant(call: Call, recording: Path, capsys: Capture) -> None:
    result: Result = call("features", "--recordings", recording, "--symbol", "buy", "--from", "2025-01-15", "--csv")
    shown = lines(capsys)
    assert result.status is Exit.DONE and len(shown) == MINUTES + 1
    events = features_input.load(features_input.find(recording)[0]).events
    mine = events[events["symbol"] == 0]
    state = make_state(1, 3)
    out = make_output(state)
    assert apply(state, mine) == 0
    evaluate(state, int(mine["ts"][-1]), out)
    last = shown[-1]
    assert (float(last["bid"]), float(last["ask"])) == (9.99, 10.01)
    for column, name in features.NAMES.items():
        assert float(last[column]) == round(float(out[name][0]), 4), column
    assert float(last["score"]) == round(float(out["score"][0]), 2) and last["valid"] == "12345"
    assert shown[0]["time"] == "2025-01-15 10:30:00" or shown[0]["time"].startswith("2025-01-15 10:31")


def test_a_signal_that_may_not_be_used_yet_is_empty(call: Call, recording: Path, capsys: Capture) -> None:
    call("features", "--recordings", recording, "--symbol", "BUY", "--from", "2025-01-15", "--every", 1, "--csv")
    first = lines(capsys)[0]
    assert first["s3_trade"] == "" and first["score"] == "" and "3" not in first["valid"]


def test_the_top_has_the_highest_score_first(call: Call, recording: Path, capsys: Capture) -> None:
    call("features", "--recordings", recording, "--from", "2025-01-15", "--top", 2, "--json")
    ranked = json.loads(capsys.readouterr().out)
    assert len(ranked) == 2 and ranked[0]["symbol"] == "BUY" and ranked[0]["score"] > max(0, ranked[1]["score"])
    call("features", "--recordings", recording, "--from", "2025-01-15", "--top", 20, "--csv")
    assert [row["symbol"] for row in lines(capsys)] == ["BUY", "CALM", "SELL"]


def test_an_instant_bounds_what_is_shown_and_not_what_is_known(call: Call, recording: Path, capsys: Capture) -> None:
    call("features", "--recordings", recording, "--symbol", "BUY", "--from", "2025-01-15", "--every", 30, "--csv")
    whole = {row["time"]: row for row in lines(capsys)}
    span = ("--from", "2025-01-15T10:33", "--to", "2025-01-15T10:35")
    call("features", "--recordings", recording, "--symbol", "BUY", *span, "--every", 30, "--csv")
    part = lines(capsys)
    assert [row["time"][11:] for row in part[:4]] == ["10:33:00", "10:33:30", "10:34:00", "10:34:30"]
    assert all(row == whole[row["time"]] for row in part[:4])


def test_a_picture_is_drawn(call: Call, recording: Path, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "buy.png"
    call("features", "--recordings", recording, "--symbol", "BUY", "--from", "2025-01-15", "--every", 10, "--plot", file)
    assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and file.stat().st_size > 10_000
    with pytest.raises(UsageError, match="one symbol"):
        call("features", "--recordings", recording, "--from", "2025-01-15", "--plot", file)
    with pytest.raises(UsageError, match="no PNG"):
        call("features", "--recordings", recording, "--symbol", "BUY", "--from", "2025-01-15", "--plot", tmp_path / "buy.jpg")


def test_a_sweep_tries_every_combination(call: Call, recording: Path, capsys: Capture) -> None:
    call(
        "features", "sweep", "--recordings", recording, "--symbol", "BUY", "--from", "2025-01-15", "--half-lives", "34,137",
        "--halving-rows", "2,4", "--refill-ms", "100,300", "--csv",
    )  # fmt: skip
    rows = lines(capsys)
    assert len({(row["half_life"], row["halving_rows"], row["refill_ms"]) for row in rows}) == len(rows) == 8
    assert {row["half_life"] for row in rows} == {"34.4", "137.4"}
    assert all(int(row["seconds"]) == MINUTES * 60 + 1 for row in rows)


def test_a_combination_of_the_sweep_is_a_stream_of_the_kernel(recording: Path) -> None:
    events = features_input.load(features_input.find(recording)[0]).events
    mine = events[events["symbol"] == 0]
    grid = np.arange(OPEN + SECOND, int(mine["ts"][-1]), SECOND)
    found = features_sweep.outputs(mine, 3, features_sweep.Combination(0, 2, 4.0, 300.0), grid)
    state = make_state(1, 3)
    out = make_output(state)
    at = int(np.searchsorted(mine["ts"], grid[100], side="right"))
    apply(state, mine[:at])
    evaluate(state, 0, out)
    assert found.dtype == OUTPUT and found[100].tobytes() == out[0].tobytes()
    other = features_sweep.outputs(mine, 3, features_sweep.Combination(2, 2, 4.0, 300.0), grid)
    assert (other["s1"] != found["s1"]).any() and (other["s3"] == found["s3"]).all()


def test_the_gpu_tells_the_same_lines(tmp_path: Path) -> None:
    """In numba's simulator, which is right and slow: a short session, and a process of its own, because numba asks once."""
    header = event_file.Header(("BUY",), ("0.01",), 3)
    (tmp_path / "day.l2ev").write_bytes(event_file.encode(header) + records(session(0, 1, 0.9, seconds=45)).tobytes())
    asked = ["--recordings", str(tmp_path), "--symbol", "BUY", "--from", "2025-01-15", "--csv"]
    said = {}
    for device, simulated in (("cpu", "0"), ("cuda", "1")):
        for words in (["sweep", "--half-lives", "34,69"], ["--every", "20"]):
            done = subprocess.run(
                [str(ROOT / "bin" / "features"), *words, *asked, "--device", device], env={**os.environ, "NUMBA_ENABLE_CUDASIM": simulated},
                capture_output=True, text=True, check=True, timeout=120,
            )  # fmt: skip
            assert "CPU computes" not in done.stderr
            said[device, words[0]] = done.stdout
    assert said["cuda", "sweep"] == said["cpu", "sweep"] and len(said["cpu", "sweep"].splitlines()) == 3
    assert said["cuda", "--every"] == said["cpu", "--every"] and len(said["cpu", "--every"].splitlines()) >= 3


def test_without_a_gpu_it_says_so_and_uses_the_CPU(call: Call, recording: Path, capsys: Capture) -> None:
    from scizor.features import cuda

    if not cuda.why_not():
        pytest.skip(f"there is a GPU here: {cuda.device_name()}")
    call("features", "--recordings", recording, "--symbol", "BUY", "--from", "2025-01-15", "--device", "cuda", "--csv")
    told = capsys.readouterr()
    assert "the CPU computes the same numbers" in told.err
    call("features", "--recordings", recording, "--symbol", "BUY", "--from", "2025-01-15", "--csv")
    assert capsys.readouterr().out == told.out


def test_raw_flow_of_ten_seconds_is_what_came_in_them() -> None:
    grid = OPEN + np.arange(60, dtype=np.int64) * SECOND
    found = np.zeros(60, OUTPUT)
    found["ts"] = grid
    found["raw_flow"] = 100.0 * 2.0 ** (-((grid >> 24) - (grid[20] >> 24)) / 2048) * (grid >= grid[20])  # once, then fading
    flow = features_sweep.recent_flow(found, grid, 0, 10)
    assert np.isnan(flow[:10]).all() and (flow[10:20] == 0).all() and flow[20] == 100
    np.testing.assert_allclose(flow[30:], 0, atol=1e-9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--symbol", "BUY"), "--from is missing"), (("--symbol", "BUY", "--from", "15/01/2025"), "no day or instant"),
        (("--symbol", "BUY", "--from", "2025-01-15T11:00", "--to", "2025-01-15T10:00"), "not after"),
        (("--symbol", "BUYS", "--from", "2025-01-15"), "BUYS is not recorded.*did you mean BUY"),
        (("--symbol", "BUY", "--from", "2024-01-15"), "BUY is not recorded"),
        (("--symbol", "BUY", "--from", "2025-01-15", "--every", "0"), "above zero"),
        (("sweep", "--symbol", "BUY", "--from", "2025-01-15", "--refill-ms", "x"), "no list of numbers"),
        (("sweep", "--symbol", "BUY", "--from", "2025-01-15", "--refill-ms", "-1"), "above zero"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_a_reason(call: Call, recording: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call("features", "--recordings", recording, *words)


def test_a_folder_without_recordings_is_a_configuration(call: Call, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing in"):
        call("features", "--recordings", tmp_path, "--list")


def test_nothing_in_that_time_is_a_finding(call: Call, recording: Path) -> None:
    result = call("features", "--recordings", recording, "--symbol", "BUY", "--from", "2025-01-15T23:00")
    assert result.status is Exit.FINDING


def test_broken_files_are_left_alone_or_named(call: Call, recording: Path, tmp_path: Path, capsys: Capture) -> None:
    for name in ("x.zip", "x.dbn", "x.dbn.zst", "x.l2ev", "x.csv.gz", "AMZN_2012-06-21_34200000_57600000_message_5.csv"):
        (tmp_path / name).write_bytes(b"not what it says")
    (tmp_path / "day.l2ev").write_bytes((recording / "day.l2ev").read_bytes())
    call("features", "--recordings", tmp_path, "--list", "--csv")
    assert [row["file"] for row in lines(capsys)] == ["day.l2ev"]
    (tmp_path / "AMZN_2012-06-21_34200000_57600000_orderbook_5.csv").write_text("1,2\n")
    with pytest.raises(UsageError, match="cannot be read as LOBSTER"):
        call("features", "--recordings", tmp_path, "--symbol", "AMZN", "--from", "2012-06-21")


def test_every_recorded_piece_can_be_read_and_nothing_of_it_is_refused(recordings: Path) -> None:
    pieces = features_input.find(recordings / "l2") + features_input.find(recordings / "ticks")
    if not pieces:
        pytest.skip("no depth among the recordings")
    tried = 0
    for piece in pieces:
        if piece.path.stat().st_size > 1_200_000:
            continue  # the long ones have tests of their own
        found = features_input.load(piece)
        if len(found.events):
            state = make_state(len(found.symbols), found.levels)
            assert apply(state, found.events) == 0, piece.path.name
            assert (np.diff(found.events["ts"]) >= 0).all()
            tried += 1
    assert tried > 2
