"""Who waits for what: ib_insync's decoder calls this object for every message, in the place of the library's Wrapper.

A request is in the register from before it is sent until its future is settled, once, and then forgotten: a late frame
finds nobody, is counted, and cannot change what was answered nor fall to another request, since ids are never used twice
on a connection. Current time (49) carries no id: answers are taken in the order of the questions.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from scizor.base.clock import Clock
from scizor.ib import codes
from scizor.ib.messages import Direction, find
from scizor.market.types import Bar, Outcome, OutcomeKind

_log = logging.getLogger("scizor.ib")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COMPLAINTS_MAX = 20  # told, of one connection and kind; further ones are only counted


class Answer(NamedTuple):
    """What a request got: parsed messages in order. Instants on our clock, UTC."""

    items: tuple[Any, ...]
    asked_at: datetime
    answered_at: datetime


class History(NamedTuple):
    """Message 17 as it stood: its bars, and the sha256 of their text on the wire."""

    bars: tuple[Bar, ...]
    sha256: bytes


class Pending:
    """One open request. kind: history, schedule, details or head. future: an Answer, or the Outcome that failed it.
    heard_at: when the first frame that names it was read."""

    __slots__ = ("asked_at", "future", "heard_at", "id", "items", "kind")

    def __init__(self, number: int, kind: str, asked_at: datetime) -> None:
        self.id, self.kind, self.asked_at = number, kind, asked_at
        self.items: list[Any] = []
        self.heard_at: datetime | None = None
        self.future: asyncio.Future[Answer | Outcome] = asyncio.get_running_loop().create_future()


class Answers:
    """The register. on_notice(code, text): what names no request. on_lost(reason): the socket is gone."""

    def __init__(
        self,
        clock: Clock,
        on_notice: Callable[[int, str], None],
        on_malformed: Callable[[str], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._clock, self._on_notice, self._on_malformed, self._on_lost = clock, on_notice, on_malformed, on_lost
        self._pending: dict[int, Pending] = {}
        self._times: deque[asyncio.Future[datetime]] = deque(maxlen=1000)
        self.counts: Counter[str] = Counter()  # malformed, unheard, unknown-message, late, unknown-code

    # ---- for whoever asks --------------------------------------------------------------------------------------------

    def begin(self, number: int, kind: str) -> Pending:
        pending = self._pending[number] = Pending(number, kind, self._clock.now())
        return pending

    def forget(self, pending: Pending) -> None:
        self._pending.pop(pending.id, None)

    def begin_time(self) -> asyncio.Future[datetime]:
        future: asyncio.Future[datetime] = asyncio.get_running_loop().create_future()
        self._times.append(future)
        return future

    @property
    def open_requests(self) -> int:
        return len(self._pending)

    # ---- for the guarded socket --------------------------------------------------------------------------------------

    def historical(self, req_id: int, fields: list[str]) -> None:
        pending = self._waiting(req_id, "history")
        if pending is not None:
            pending.items.append(read_history(fields))
            self._answer(pending)

    def malformed(self, payload: bytes, req_id: int | None, problem: str) -> None:
        """A frame that could not be read. The request that it names has failed: nothing else will come."""
        number = payload.split(b"\0", 1)[0][:8]
        text = f"message {number.decode('ascii', 'replace')}, {len(payload)} bytes: {problem}"[:300]
        self._complain("malformed", text)
        if number == b"49" and self._times:
            self._times.popleft().cancel()
        pending = self._pending.get(req_id) if req_id is not None else None
        if pending is not None:
            self._first_frame(pending)
            self.fail(pending, OutcomeKind.ERROR, None, f"an answer that cannot be read: {text}")

    def unheard(self, payload: bytes) -> None:
        """A message that nobody here asked for. Not decoded, not logged: it might be an account's."""
        number = payload.split(b"\0", 1)[0][:8]
        if number.isdigit() and find(Direction.FROM_GATEWAY, int(number)) is not None:
            self.counts["unheard"] += 1
            return
        self._complain("unknown-message", f"unknown message {number.decode('ascii', 'replace')!r}, {len(payload)} bytes")

    def lost(self, reason: str) -> None:
        for pending in list(self._pending.values()):
            self.fail(pending, OutcomeKind.ERROR, None, f"the connection was lost before the answer was complete: {reason}")
        for future in self._times:
            if not future.done():
                future.cancel()
        self._on_lost(reason)

    # ---- for ib_insync's decoder and client, which call by these names -------------------------------------------------

    def error(self, reqId: int, errorCode: int, errorString: str, advancedOrderRejectJson: str = "") -> None:
        if not codes.is_known(errorCode):
            self.counts["unknown-code"] += 1
            _log.warning("%s", codes.explain(errorCode, errorString))
        pending = self._pending.get(reqId)
        if pending is None:
            if reqId > 0:
                self.counts["late"] += 1
                _log.debug("late, for request %s: %s", reqId, codes.explain(errorCode, errorString))
            else:
                self._on_notice(errorCode, errorString)
            return
        self._first_frame(pending)
        if codes.ends_request(errorCode, errorString):
            kind, is_permanent = codes.outcome_of(errorCode, errorString)
            self.fail(pending, kind, errorCode, errorString, is_permanent=is_permanent)
        else:
            _log.info("request %s goes on: %s", reqId, codes.explain(errorCode, errorString))

    def contractDetails(self, reqId: int, contractDetails: Any) -> None:
        pending = self._waiting(reqId, "details")
        if pending is not None:
            pending.items.append(contractDetails)

    def contractDetailsEnd(self, reqId: int) -> None:
        pending = self._waiting(reqId, "details")
        if pending is not None:
            self._answer(pending)

    def headTimestamp(self, reqId: int, headTimestamp: str) -> None:
        pending = self._waiting(reqId, "head")
        if pending is not None:
            pending.items.append(read_instant(headTimestamp))
            self._answer(pending)

    def historicalSchedule(self, reqId: int, startDateTime: str, endDateTime: str, timeZone: str, sessions: list[Any]) -> None:
        pending = self._waiting(reqId, "schedule")
        if pending is not None:
            pending.items.append((timeZone, tuple((each.startDateTime, each.endDateTime, each.refDate) for each in sessions)))
            self._answer(pending)

    def currentTime(self, time: int) -> None:
        if self._times:
            future = self._times.popleft()
            if not future.done():
                future.set_result(_EPOCH + timedelta(seconds=time))

    def connectAck(self) -> None: ...
    def setEventsDone(self) -> None: ...
    def connectionClosed(self) -> None: ...

    # ---- settling ----------------------------------------------------------------------------------------------------

    def fail(self, pending: Pending, kind: OutcomeKind, code: int | None, text: str, *, is_permanent: bool = False) -> None:
        """Ends the request. What had arrived of its answer is discarded: half an answer is none."""
        self.forget(pending)
        if not pending.future.done():
            pending.future.set_result(
                Outcome(kind, (), code, text[:1000], is_permanent, pending.asked_at, self._clock.now())
            )

    def _answer(self, pending: Pending) -> None:
        self.forget(pending)
        if not pending.future.done():
            pending.future.set_result(Answer(tuple(pending.items), pending.asked_at, self._clock.now()))

    def _waiting(self, req_id: int, kind: str) -> Pending | None:
        """Whose message this is, if anybody's. One of another kind than was asked for is a fault of that request."""
        pending = self._pending.get(req_id)
        if pending is None:
            self.counts["late"] += 1
            return None
        self._first_frame(pending)
        if pending.kind != kind:
            raise ValueError(f"request {req_id} asked for {pending.kind} and got {kind}")
        return pending

    def _complain(self, what: str, text: str) -> None:
        self.counts[what] += 1
        if self.counts[what] <= _COMPLAINTS_MAX:
            self._on_malformed(text)

    def _first_frame(self, pending: Pending) -> None:
        if pending.heard_at is None:
            pending.heard_at = self._clock.now()


def read_history(fields: list[str]) -> History:
    """Message 17: id, request, start, end, count, then eight texts a bar. ValueError when it is not exactly that.

    A price or volume that is no number becomes NaN, so that validation refuses that bar and keeps the others. What the
    vendor writes as -1 for "none" (volume, wap, trades) becomes None. A time without a zone is refused.
    """
    texts = fields[5:]
    count = int(fields[4])
    if len(texts) != count * 8 or count < 0:
        raise ValueError(f"{fields[4]} bars announced, {len(texts)} fields sent")
    whole = "\0".join(texts)
    if "_" in whole or not whole.isascii():
        raise ValueError("letters that belong to no number")
    columns = [texts[at::8] for at in range(8)]
    prices = [_numbers(column) for column in columns[1:5]]
    volumes, waps = ([None if each == -1 else each for each in _numbers(column)] for column in columns[5:7])
    trades = [None if (each := int(text)) == -1 else each for text in columns[7]]
    starts = map(read_instant, columns[0])
    bars = tuple(map(Bar, starts, *prices, volumes, waps, trades))
    return History(bars, hashlib.sha256(whole.encode("ascii")).digest())


def _numbers(column: list[str]) -> list[float]:
    try:
        return list(map(float, column))
    except ValueError:
        return [_number(each) for each in column]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def read_instant(text: str) -> date | datetime:
    """yyyymmdd is a session date, digits alone are epoch seconds; anything else is a time that has no zone, or one that
    means two instants a year: refused."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"timestamp without zone, {text[:40]!r}: set formatDate=2")
    if len(text) == 8:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    if len(text) > 11:
        raise ValueError(f"a timestamp beyond the calendar, {text[:40]!r}")
    return _EPOCH + timedelta(seconds=int(text))
