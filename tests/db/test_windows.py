"""One transaction a window: what may change bars and coverage, and what never may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scizor.db.windows import store
from scizor.market.types import OutcomeKind
from tests.db.conftest import NOW, Connection, Market, failed, ok

Rows = Callable[..., list[tuple[Any, ...]]]

VAIN = [
    OutcomeKind.PACING, OutcomeKind.TIMEOUT, OutcomeKind.ERROR, OutcomeKind.CANCELLED, OutcomeKind.NO_PERMISSION,
    OutcomeKind.EMPTY_UNCONFIRMED,
]  # fmt: skip


@pytest.mark.parametrize("kind", VAIN)
def test_a_request_in_vain_never_covers_a_session_and_is_stored_as_what_it_is(
    kind: OutcomeKind, collector: Connection, market: Market, rows: Rows
) -> None:
    done = store(collector, None, None, market.window(), failed(kind, code=162, text="said the wire"), NOW, sessions=market.sessions)
    assert done.kind is kind
    assert rows("SELECT outcome, status, ib_code, error_message, records_collected FROM collection_logs") == [
        (kind.value, "failed", 162, "said the wire", 0)
    ]
    assert rows("SELECT complete::text FROM coverage") == [("{}",)]
    assert rows("SELECT count(*) FROM coverage_gaps WHERE is_explained AND resolved_at IS NULL") == [(0,)]
    assert rows("SELECT min(session_date), max(session_date) FROM missing_sessions") == [(market.dates()[0], market.dates()[-1])]
    assert not done.coverage.spans
    # the same statements do see a session that is covered
    done = store(collector, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions)
    assert rows("SELECT complete::text FROM coverage") != [("{}",)]
    assert done.coverage.spans


@pytest.mark.parametrize("kind", VAIN)
def test_a_request_in_vain_takes_nothing_from_what_is_complete(kind: OutcomeKind, collector: Connection, market: Market) -> None:
    before = store(collector, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions).coverage
    after = store(collector, None, None, market.window(), failed(kind), NOW, sessions=market.sessions).coverage
    assert (after.spans, after.incomplete) == (before.spans, before.incomplete)


def test_an_empty_list_is_not_an_answer(collector: Connection, market: Market) -> None:
    assert store(collector, None, None, market.window(), ok([]), NOW).kind is OutcomeKind.EMPTY_UNCONFIRMED
