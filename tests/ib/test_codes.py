"""The table of IB's codes, against what real Gateways said."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import zstandard

from scizor.ib import codes
from scizor.ib.codes import Action, ends_request, explain, is_known, outcome_of, read
from scizor.market.types import OutcomeKind

HMDS = "Historical Market Data Service error message:"
SPANISH = "Mensaje de error de los servicios de datos de mercado históricos:"


def test_each_code_has_a_text_a_meaning_and_an_action() -> None:
    assert len(codes.TABLE) == len(codes._ALL), "a code stands twice"
    for row in codes.TABLE.values():
        assert row.seen and row.meaning and isinstance(row.action, Action), row
        assert row.kind is None or row.kind is not OutcomeKind.OK, row
        assert row.kind not in (OutcomeKind.EMPTY_CONFIRMED, OutcomeKind.EMPTY_UNCONFIRMED), "a code alone never means no data"
    for tail in codes.TAILS:
        assert tail.text == tail.text.lower() and tail.meaning


def test_whoever_must_act_is_told_how() -> None:
    for row in (*codes.TABLE.values(), *codes.TAILS):
        if row.action in (Action.ALERT, Action.NEW_ID):
            assert row.hint, row


@pytest.mark.parametrize(
    ("text", "kind", "is_permanent"),
    [
        (HMDS + "Historical data request pacing violation", OutcomeKind.PACING, False),
        (HMDS + "HMDS query returned no data: EUR.USD@IDEALPRO Ask", OutcomeKind.EMPTY_UNCONFIRMED, False),
        (HMDS + "API historical data query cancelled: 28", OutcomeKind.CANCELLED, False),
        (HMDS + "Trading TWS session is connected from a different IP address", OutcomeKind.ERROR, False),
        (HMDS + "No market data permissions for ISLAND STK", OutcomeKind.NO_PERMISSION, True),
        (HMDS + "invalid step: 1", OutcomeKind.ERROR, True),
        (SPANISH + "invalid step: 1", OutcomeKind.ERROR, True),
        (SPANISH + "infracción del ritmo de solicitudes de datos históricos", OutcomeKind.ERROR, False),
        (SPANISH + "la consulta no devolvió datos", OutcomeKind.ERROR, False),
        ("历史市场数据服务错误消息:HMDS查询未返回任何数据", OutcomeKind.ERROR, False),
        (HMDS, OutcomeKind.ERROR, False),
        ("", OutcomeKind.ERROR, False),
        (HMDS + "no data", OutcomeKind.ERROR, False),
    ],
)  # fmt: skip
def test_rows_19_20_21_a_162_is_read_by_its_tail_and_what_is_not_understood_is_an_error(
    text: str, kind: OutcomeKind, is_permanent: bool
) -> None:
    assert outcome_of(162, text) == (kind, is_permanent)
    assert ends_request(162, text)


def test_a_text_that_names_two_causes_is_never_no_data() -> None:
    for other in ("pacing violation", "No market data permissions for X", "query cancelled", "invalid step: 1"):
        for text in (f"query returned no data; {other}", f"{other}; query returned no data"):
            assert outcome_of(162, text)[0] is not OutcomeKind.EMPTY_UNCONFIRMED


@pytest.mark.parametrize(
    ("code", "text", "kind", "is_permanent"),
    [
        (200, "No security definition has been found for the request", OutcomeKind.ERROR, True),
        (354, "Requested market data is not subscribed.Delayed market data is not available.", OutcomeKind.NO_PERMISSION, True),
        (10089, "Requested market data requires additional subscription for API.", OutcomeKind.NO_PERMISSION, True),
        (10167, "Requested market data is not subscribed. Displaying delayed market data.", OutcomeKind.NO_PERMISSION, True),
        (366, "No historical data query found for ticker id:2223", OutcomeKind.ERROR, False),
        (321, "Error validating request.-'bN' : cause - Please enter exchange", OutcomeKind.ERROR, True),
        (322, "Error processing request.-'wd' : cause - Only 50 simultaneous API historical data requests allowed.", OutcomeKind.PACING, False),
        (322, "Error processing request.-'wd' : cause - Duplicate ticker ID for API historical data query", OutcomeKind.ERROR, True),
        (420, "Invalid Real-time Query:Historical data request pacing violation", OutcomeKind.PACING, False),
        (420, "Invalid Real-time Query:No market data permissions for ISLAND STK.", OutcomeKind.NO_PERMISSION, True),
        (10197, "No market data during competing live session", OutcomeKind.ERROR, False),
        (100, "Max rate of messages per second has been exceeded:max=50 rec=51 (1)", OutcomeKind.PACING, False),
    ],
)  # fmt: skip
def test_rows_22_23_24_other_codes_are_typed(code: int, text: str, kind: OutcomeKind, is_permanent: bool) -> None:
    assert outcome_of(code, text) == (kind, is_permanent)
    assert ends_request(code, text)


def test_row_24_a_competing_session_says_what_happened() -> None:
    assert "another login took the market data" in explain(10197, "No market data during competing live session")


def test_an_unknown_code_is_called_unknown_and_ends_its_request_as_an_error() -> None:
    assert not is_known(31337)
    assert "unknown code" in explain(31337, "Something new")
    assert outcome_of(31337, "HMDS query returned no data") == (OutcomeKind.ERROR, False)
    assert ends_request(31337, "") and not ends_request(2199, "a notice")


def test_remarks_do_not_end_a_request() -> None:
    for code in (165, 2104, 2107, 2174, 2176, 300):
        assert not ends_request(code, "")


def test_every_code_in_the_recorded_sessions_is_in_the_table(recordings: Path) -> None:
    file = recordings / "ib_wire" / "ibkr_session_notices_20260313_20260316.tsv.zst"
    if not file.exists():
        pytest.skip("recordings absent: ib_wire session notices")
    with zstandard.open(file, "rt", encoding="utf-8") as stream:
        lines = stream.read().splitlines()
    met: Counter[int] = Counter()
    for line in lines:
        found = re.search(r"(?:Error|Warning) (\d+), reqId -?\d+: (.*)$", line)
        if found:
            met[int(found[1])] += 1
    assert sum(met.values()) > 300 and len(met) >= 8
    assert {code for code in met if not is_known(code)} == set()


def test_recorded_texts_are_read_as_the_table_says(recordings: Path) -> None:
    """Every error in the captured frames, fixtures and transcripts."""
    folder = recordings / "ib_wire"
    met: list[tuple[int, str]] = []
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            fields = json.loads(line).get("fields") or []
            if fields and str(fields[0]) == "4":
                at = 3 if str(fields[1]) == "2" else 2  # the version that stands there below server 194
                met.append((int(fields[at]), str(fields[at + 1])))
    for file in sorted((folder / "ibkr_go_live_transcripts").glob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("server api_error "):
                row = json.loads(line.removeprefix("server api_error "))
                met.append((row["code"], row["message"]))
    if not met:
        pytest.skip("recordings absent: ib_wire frames and transcripts")
    assert len(met) > 20
    assert {code for code, _ in met if not is_known(code)} == set()
    for code, text in met:
        row = read(code, text)
        assert row is not None
        if code in (2104, 2106, 2107, 2158):
            assert text.split(":")[0].split(".")[0][:20] == codes.TABLE[code].seen[:20]
        if code == 162:
            assert outcome_of(code, text) == (OutcomeKind.NO_PERMISSION, True), text
