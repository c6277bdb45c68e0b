"""What we use of ib_insync stands where we think, and what a broken peer sends does not get past the guard."""

from __future__ import annotations

import ast
import asyncio
import inspect
import random
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import ib_insync
import pytest
from ib_insync.decoder import Decoder
from ib_insync.wrapper import Wrapper

from scizor.base.clock import RunningClock
from scizor.base.paths import ROOT
from scizor.ib import library, wire
from scizor.ib.answers import Answers, read_history
from scizor.ib.connection import Connection, ConnectionEvent, connect
from scizor.ib.history import current_time, fetch
from scizor.market.types import Instrument, Outcome, OutcomeKind, Timeframe, Window
from tests.ib.gateway import VERSION, Session, pencil

BHP = Instrument(1, "BHP", "ASX", "XASX", "AUD", 4036812, 1, primary_exchange="ASX")
WINDOW = Window(BHP, Timeframe.DAY1, date(2025, 1, 13), date(2025, 1, 14))
ROWS = [
    ("20250113", 40.5, 40.9, 40.2, 40.66, 8123456.22, 40.55, 9120),
    ("20250114", 40.7, 41.1, 40.6, 41.02, 7654321.5, 40.91, 8801),
]


def bars_frame(req_id: int, rows: list[tuple[Any, ...]] = ROWS) -> bytes:
    return wire.frame(wire.encode("historicalData", {"req_id": req_id, "bars": rows}, VERSION))


def text_frame(*fields: object) -> bytes:
    return wire.frame("".join(f"{each}\0" for each in fields).encode())


# ---- the library itself ----------------------------------------------------------------------------------------------


def test_the_private_parts_of_ib_insync_that_we_use_have_not_moved() -> None:
    assert ib_insync.__version__ == "0.9.86"
    assert list(inspect.signature(ib_insync.Client._onSocketHasData).parameters) == ["self", "data"]
    assert list(inspect.signature(ib_insync.Client._onSocketDisconnected).parameters) == ["self", "msg"]
    made = inspect.getsource(ib_insync.Client.__init__)
    assert "self.conn.hasData += self._onSocketHasData" in made
    assert "self.conn.disconnected += self._onSocketDisconnected" in made
    assert inspect.getsource(Decoder).count("self.logger.exception(") == 2
    assert wire.named("historicalData").id in Decoder(object(), 176).handlers
    assert (library.VERSION_MIN, library.VERSION_MAX) == (157, 176)


def test_the_receiver_answers_to_every_name_that_the_decoder_calls_for_what_we_hear() -> None:
    for name in ("error", "contractDetails", "contractDetailsEnd", "headTimestamp", "historicalSchedule", "currentTime"):
        ours = list(inspect.signature(getattr(Answers, name)).parameters)
        assert ours == list(inspect.signature(getattr(Wrapper, name)).parameters)


def test_ib_insync_is_imported_in_one_file() -> None:
    importing = set()
    for file in (ROOT / "lib" / "scizor").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            if any(each.split(".")[0] in ("ib_insync", "eventkit") for each in names):
                importing.add(file.relative_to(ROOT).as_posix())
    assert importing == {"lib/scizor/ib/library.py"}


def python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_room_is_cheap_until_somebody_connects() -> None:
    done = python(
        "import sys; import scizor.ib, scizor.ib.wire, scizor.ib.history, scizor.ib.contracts, scizor.ib.codes\n"
        "print([each for each in ('ib_insync', 'eventkit', 'pandas', 'exchange_calendars') if each in sys.modules])"
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize("inside", [False, True])
def test_import_is_silent_without_and_within_a_running_loop(inside: bool) -> None:
    body = "import asyncio\nasync def scene():\n    from scizor.ib import library\n    print(library.Wire.__name__)\n"
    code = body + "asyncio.run(scene())" if inside else "import asyncio; from scizor.ib import library; print(library.Wire.__name__)"
    done = python(code, "-W", "error", "-X", "dev" if not inside else "utf8")
    assert (done.stdout.strip(), done.stderr) == ("Wire", "")


def test_the_library_prints_nothing_on_stderr() -> None:
    code = (
        "import asyncio\nfrom scizor.base.clock import RunningClock\nfrom scizor.base.config import GatewayConfig\n"
        "from scizor.ib.connection import connect\nfrom scizor.base.errors import UnreachableError\n"
        "async def scene():\n"
        "    try:\n"
        "        async with connect(GatewayConfig(port=1, connect_timeout_seconds=0.2), 'replay', RunningClock()): pass\n"
        "    except UnreachableError: print('said')\n"
        "asyncio.run(scene())"
    )
    done = python(code)
    assert (done.stdout.strip(), done.stderr) == ("said", "")


# ---- frames ----------------------------------------------------------------------------------------------------------


async def told(send: Any, *, timeout_seconds: float = 3.0) -> tuple[Outcome, Connection, list[ConnectionEvent]]:
    """Fetches once from a Gateway that answers with send(session, req_id)."""
    events: list[ConnectionEvent] = []

    async def answer(session: Session, name: str, fields: dict[str, Any]) -> None:
        if name == "reqHistoricalData":
            await send(session, fields["req_id"])
        elif name == "reqCurrentTime":
            session.send("currentTime", time=1736920800)

    async with (
        pencil(answer) as gateway,
        connect(gateway.config, "replay", RunningClock(), on_event=events.append) as connection,
    ):
        outcome = await fetch(connection, WINDOW, timeout_seconds=timeout_seconds)
        if not connection.lost:  # the stream goes on
            assert not isinstance(await current_time(connection, timeout_seconds=3), Outcome)
        return outcome, connection, events


@pytest.mark.parametrize("length", [4 * 1024 * 1024 + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_row_49_a_frame_beyond_the_limit_closes_the_connection_and_fails_what_was_open(length: int) -> None:
    async def send(session: Session, req_id: int) -> None:
        session.raw(length.to_bytes(4, "big") + b"17\x00" + b"x" * 1000)

    outcome, connection, events = asyncio.run(told(send))
    assert outcome.kind is OutcomeKind.ERROR
    assert f"{length:,} bytes" in outcome.text and f"{length:,} bytes" in connection.lost
    assert events[-1].event == "lost" and f"{length:,}" in events[-1].text


def test_row_49_a_frame_at_the_limit_is_read() -> None:
    async def send(session: Session, req_id: int) -> None:
        session.raw((4 * 1024 * 1024).to_bytes(4, "big") + b"99999\x00" + b"x" * (4 * 1024 * 1024 - 7) + b"\x00")
        session.raw(bars_frame(req_id))

    outcome, connection, _ = asyncio.run(told(send))
    assert outcome.is_ok and connection.counts["unknown-message"] == 1


def test_row_50_bytes_may_come_in_any_pieces() -> None:
    """One slice at every byte, one byte at a time, and everything glued together: the same outcome."""
    whole = text_frame("4", "2", "-1", "2104", "Market data farm connection is OK:usfarm", "")
    ends: set[tuple[Any, ...]] = set()

    async def scene() -> None:
        for cut in [*range(0, 180, 7), -1, -2]:

            async def send(session: Session, req_id: int, cut: int = cut) -> None:
                data = whole + bars_frame(req_id) + whole
                if cut == -1:
                    for at in range(len(data)):
                        session.raw(data[at : at + 1])
                        if at % 8 == 0:
                            await asyncio.sleep(0)
                elif cut == -2:
                    session.raw(data)
                else:
                    session.raw(data[:cut])
                    await session.writer.drain()
                    await asyncio.sleep(0.002)
                    session.raw(data[cut:])

            outcome, connection, _ = await told(send)
            ends.add((outcome.kind, outcome.bars, outcome.sha256, connection.counts["malformed"]))

    asyncio.run(scene())
    assert len(ends) == 1
    kind, bars, _, malformed = ends.pop()
    assert (kind, len(bars), malformed) == (OutcomeKind.OK, 2, 0)


@pytest.mark.parametrize(
    ("frames", "counted"),
    [
        ([text_frame("31337", "1", "2")], "unknown-message"),
        ([text_frame("x")], "unknown-message"),
        ([b"\x00\x00\x00\x00"], "unknown-message"),
        ([text_frame("61", "3", "U1234567", "1")], "unheard"),
        ([text_frame("5", "1")], "unheard"),
        ([text_frame("4", "2")], "malformed"),
        ([text_frame("4", "2", "x", "y", "z", "")], "malformed"),
        ([b"\x00\x00\x00\x04\x34\x002\xff"], "malformed"),
        ([text_frame("49", "1", "noon")], "malformed"),
        ([text_frame("88", "9999")], "malformed"),
        ([text_frame("52", "1", "x")], "malformed"),
        ([text_frame("10", "9999", "x")], "malformed"),
    ],
)  # fmt: skip
def test_row_51_what_cannot_be_read_is_counted_and_the_stream_goes_on(frames: list[bytes], counted: str) -> None:
    async def send(session: Session, req_id: int) -> None:
        for each in frames:
            session.raw(each)
        session.raw(bars_frame(req_id))

    outcome, connection, events = asyncio.run(told(send))
    assert outcome.is_ok and len(outcome.bars) == 2
    assert connection.counts[counted] == 1, connection.counts
    assert not any("1234567" in each.text for each in events)
    if counted != "unheard":
        assert any(each.event == "malformed" for each in events)


@pytest.mark.parametrize(
    "answer",
    [
        lambda req_id: text_frame("17", req_id, "", "", "3", *ROWS[0], *ROWS[1]),  # fewer than announced
        lambda req_id: text_frame("17", req_id, "", "", "1", *ROWS[0], *ROWS[1]),  # more
        lambda req_id: text_frame("17", req_id, "", "", "0", *ROWS[0]),
        lambda req_id: text_frame("17", req_id, "", "", "-1"),
        lambda req_id: text_frame("17", req_id, "", "", "two", *ROWS[0], *ROWS[1]),
        lambda req_id: text_frame("17", req_id, "", ""),
        lambda req_id: text_frame("17", req_id, "", "", "1", *ROWS[0][:-1], "many"),
        lambda req_id: text_frame("17", req_id, "", "", "1", "20250113", "4_0.5", *ROWS[0][2:]),
        lambda req_id: text_frame("17", req_id, "", "", "1", "20250113", "٤٠", *ROWS[0][2:]),
        lambda req_id: text_frame("17", req_id, "", "", "1", "20251313", *ROWS[0][1:]),
        lambda req_id: text_frame("17", req_id, "", "", "1", "99999999999999999999", *ROWS[0][1:]),
        lambda req_id: text_frame("17", req_id, "", "", "1", "", *ROWS[0][1:]),
        lambda req_id: bars_frame(req_id)[:4] + bars_frame(req_id)[4:-1] + b"\xff",
        lambda req_id: text_frame("106", req_id, "", "", "Australia/NSW", "0"),  # another kind than was asked for
        lambda req_id: text_frame("88", req_id, "1736920800"),
        lambda req_id: text_frame("52", "1", req_id),
    ],
)  # fmt: skip
def test_rows_26_51_an_answer_that_cannot_be_read_whole_is_an_error_at_once(answer: Any) -> None:
    async def send(session: Session, req_id: int) -> None:
        session.raw(answer(req_id))

    outcome, connection, _ = asyncio.run(told(send, timeout_seconds=20))
    assert (outcome.kind, outcome.bars, outcome.is_permanent) == (OutcomeKind.ERROR, (), False)
    assert "cannot be read" in outcome.text
    assert connection.counts["malformed"] == 1 and connection.open_requests == 0


def test_row_51_mutated_frames_never_pass_for_another_answer() -> None:
    """Flipped, cut and inserted bytes in an answer: the bars as they were, a typed failure, or bars whose sha256 tells."""
    seed = 20250115
    dice = random.Random(seed)
    good = bars_frame(1)[4:]
    honest = read_history(good.decode().split("\0")[:-1])
    read = refused = 0
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(3, len(data))
            kind = dice.randrange(3)
            if kind == 0:
                data[at] = dice.randrange(256)
            elif kind == 1:
                del data[at]
            else:
                data.insert(at, dice.randrange(256))
        fields = bytes(data).decode(errors="backslashreplace").split("\0")[:-1]
        try:
            found = read_history(fields)
        except (ValueError, LookupError):
            refused += 1
            continue
        read += 1
        same = all(repr(a) == repr(b) for a, b in zip(found.bars, honest.bars, strict=False)) and len(found.bars) == len(honest.bars)
        assert same or found.sha256 != honest.sha256, f"seed {seed}"
    assert refused > 500 and read > 50


def test_private_data_that_nobody_asked_for_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)

    async def send(session: Session, req_id: int) -> None:
        session.raw(text_frame("6", "2", "NetLiquidation", "99887766.5", "AUD", "U7770007"))
        session.raw(text_frame("61", "3", "U7770007", *range(15)))
        session.raw(bars_frame(req_id))

    outcome, connection, _ = asyncio.run(told(send))
    assert outcome.is_ok and connection.counts["unheard"] == 2
    assert "7770007" not in caplog.text and "99887766.5" not in caplog.text


def test_the_head_of_the_file_names_every_private_that_it_touches() -> None:
    """Every private of another object that library.py touches is named at its head."""
    source = Path(library.__file__).read_text(encoding="utf-8")
    named = set(ast.get_docstring(ast.parse(source)).split())  # type: ignore[union-attr]
    own = {"_client", "_receiver", "_buffer", "_refused", "_complain", "_refuse", "_take", "_check_welcome", "_request_of"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__") and node.attr not in own:
            assert any(node.attr in each for each in named), node.attr
