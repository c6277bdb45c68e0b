"""All of ib_insync 0.9.86 that scizor uses, its privates included: Client and its socket, guarded on both sides.

ib_insync takes the event loop at import (from Python 3.14 on it fails where there is none), so one is set first. Of its
IB class and its Wrapper nothing is used: they ask for the account summary by themselves (on every 1102), end a failed
request as an empty list, and keep that list open for late answers. scizor.ib.answers stands in the Wrapper's place.

What arrives passes a guard before the library sees it: frames are cut here (its own buffer waits for ever on a bogus
length, and copies the rest for every message), messages that nobody here asked for are dropped unread, and the bars of
message 17 are read here (it loses a whole answer for one empty price, and believes a wrong count).

Privates used: Client._onSocketHasData, Client._onSocketDisconnected. tests/ib/test_library.py fails when one moves.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from scizor.base.clock import Clock
from scizor.ib import outbound, wire

_import_loop: asyncio.AbstractEventLoop | None = None
try:
    asyncio.get_running_loop()
except RuntimeError:
    _import_loop = asyncio.new_event_loop()
    asyncio.set_event_loop(_import_loop)
try:
    from ib_insync.client import Client
    from ib_insync.connection import Connection
    from ib_insync.contract import Contract, ContractDetails
    from ib_insync.objects import HistoricalSession
finally:
    if _import_loop is not None:
        _import_loop.close()
        asyncio.set_event_loop(None)

__all__ = ["Contract", "ContractDetails", "HistoricalSession", "Receiver", "Wire"]

VERSION_MIN, VERSION_MAX = Client.MinClientVersion, Client.MaxClientVersion
MESSAGES_MAX = 45  # in MESSAGES_SECONDS: IB takes 50 a second; the tenth keeps a jittery network below it
MESSAGES_SECONDS = 1.1

#: What we listen to. Anything else is counted and dropped before it is decoded: positions and account values, which a
#: Gateway might push, never reach a log.
HEARD = (
    "error", "nextValidId", "managedAccts", "currentTime", "contractData", "contractDataEnd", "historicalData",
    "headTimestamp", "historicalSchedule",
)  # fmt: skip


#: Where a message carries its request's id, for one that could not be read further.
_ID_AT = {b"4": 2, b"10": 1, b"17": 1, b"52": 2, b"88": 1, b"106": 1}
_DETAILS_WITHOUT_VERSION = 164  # from here on


@cache
def _heard_ids() -> frozenset[bytes]:
    return frozenset(str(wire.named(each).id).encode() for each in HEARD)


class Receiver(Protocol):
    """Who is called for what arrives. Names in ib_insync's style are called by its decoder, by name."""

    def historical(self, req_id: int, fields: list[str]) -> None: ...
    def malformed(self, payload: bytes, req_id: int | None, problem: str) -> None: ...
    def unheard(self, payload: bytes) -> None: ...
    def lost(self, reason: str) -> None: ...


class GuardedConnection(Connection):
    """ib_insync's socket, with a guard for each direction."""

    def __init__(self, client: Wire, receiver: Receiver) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._client, self._receiver = client, receiver
        self._buffer = bytearray()
        self._refused = ""
        self.payload = b""  # the frame in hand

    def sendMsg(self, msg: bytes) -> None:
        outbound.check(msg)
        super().sendMsg(msg)  # type: ignore[no-untyped-call]

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._buffer += data
        try:
            for payload in wire.frames(self._buffer):
                self._take(payload)
                if self.transport is None or self.transport.is_closing():
                    return
        except wire.WireError as problem:
            self._refuse(problem.message)

    def _take(self, payload: bytes) -> None:
        self.payload = payload
        number = payload.split(b"\0", 1)[0]
        if not self._client.serverVersion():
            self._check_welcome(payload)
        elif number not in _heard_ids():
            self._receiver.unheard(payload)
            return
        elif payload[-1:] != b"\0":
            self._receiver.malformed(payload, self._request_of(payload), "a message that does not end in NUL")
            return
        self.hasData.emit(len(payload).to_bytes(4, "big") + payload)

    def complain(self, problem: str) -> None:
        """The frame in hand could not be read by the decoder."""
        self._receiver.malformed(self.payload, self._request_of(self.payload), problem)

    def _request_of(self, payload: bytes) -> int | None:
        """The request that a frame names, if it got that far."""
        texts = payload[:200].split(b"\0")
        at = _ID_AT.get(texts[0])
        if texts[0] == b"10" and self._client.serverVersion() < _DETAILS_WITHOUT_VERSION:
            at = 2
        return int(texts[at]) if at is not None and at < len(texts) and texts[at].isdigit() else None

    def _check_welcome(self, payload: bytes) -> None:
        version, _time = wire.read_welcome(payload)
        if not VERSION_MIN <= version <= VERSION_MAX:
            raise wire.WireError("handshake", f"a Gateway of version {version}; we speak {VERSION_MIN} to {VERSION_MAX}")

    def _refuse(self, reason: str) -> None:
        """The stream has no boundary after this: hang up, and say why."""
        self._refused = reason
        self._buffer.clear()
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)  # type: ignore[no-untyped-call]
        self._receiver.lost(self._refused or (str(exc) if exc else "the Gateway hung up"))


class Wire(Client):
    """ib_insync's client on a guarded socket, without its own timeouts and with its throttle on our clock."""

    def __init__(self, receiver: Receiver, clock: Clock) -> None:
        super().__init__(receiver)  # type: ignore[no-untyped-call]
        self.conn: GuardedConnection = GuardedConnection(self, receiver)
        self.conn.hasData += self._onSocketHasData
        self.conn.disconnected += self._onSocketDisconnected
        self.decoder.handlers[wire.named("historicalData").id] = lambda fields: receiver.historical(int(fields[1]), fields)
        self.decoder.logger = _Complaints(self.conn.complain)  # type: ignore[assignment]
        interval = clock.wall_seconds(MESSAGES_SECONDS)
        self.RequestsInterval = interval  # type: ignore[assignment]
        self.MaxRequests = MESSAGES_MAX if interval > 0 else 0

    def sendMsg(self, msg: str) -> None:
        """Refuses at the caller what the socket would refuse later, when the throttle lets it out."""
        if msg:
            raw = msg.encode()
            outbound.check(len(raw).to_bytes(4, "big") + raw)
        super().sendMsg(msg)


class _Complaints:
    """In the place of the decoder's logger: it catches whatever goes wrong with a message, and logs it. We count it."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        self._complain = complain

    def exception(self, text: str, *_args: Any) -> None:
        problem = sys.exc_info()[1]
        self._complain(f"{type(problem).__name__}: {problem}" if problem else text)


class _Relay(logging.Handler):
    """ib_insync's own opinions go to our log, as debug: what matters we say ourselves, with a hint."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger("scizor.ib.library").debug("%s: %s", record.name, record.getMessage())


def relay_logs() -> None:
    """Without it their warnings would reach stderr past our masks. Calling it twice is calling it once."""
    for name in ("ib_insync", "eventkit"):
        logger = logging.getLogger(name)
        if not any(isinstance(each, _Relay) for each in logger.handlers):
            logger.addHandler(_Relay())
            logger.propagate = False
