"""One client's socket: the greeting, frames in, frames out. What the messages mean is the gateway's business.

A protocol and not a stream reader, because a request must be stamped when the socket was read, not when some task got
round to it.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from scizor.base.clock import Clock
from scizor.ib import wire
from scizor.replay.tws.limits import MessageRate

OUT_BYTES_MAX = 64 * 1024 * 1024  # a client that does not read is let go
OUT_FRAMES_MAX = 10_000


@dataclass(slots=True)
class Pending:
    """An open historical request. is_lost: it is never answered, but IB counts it until it is cancelled."""

    task: asyncio.Task[None] | None
    is_head: bool = False
    is_lost: bool = False
    ignores_cancel: bool = False


class Desk(Protocol):
    """Whom a connection tells what it read."""

    def opened(self, connection: Connection) -> bool: ...
    def said_hello(self, connection: Connection, low: int, high: int, at: datetime) -> None: ...
    def message(self, connection: Connection, payload: bytes, at: datetime) -> None: ...
    def unreadable(self, connection: Connection, problem: wire.WireError, payload: bytes, at: datetime) -> None: ...
    def closed(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """client_id is None until startApi; version is 0 until the greeting."""

    def __init__(self, desk: Desk, clock: Clock, number: int, messages_per_second: int) -> None:
        self.number = number
        self.version = 0
        self.client_id: int | None = None
        self.pending: dict[int, Pending] = {}
        self.rate = MessageRate(messages_per_second)
        self.backlog: deque[tuple[bytes, datetime]] = deque()
        self._desk = desk
        self._clock = clock
        self._in = bytearray()
        self._is_greeted = False
        self._out: deque[tuple[str, float, bytes]] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    # -- in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._desk.opened(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        at = self._clock.now()
        self._in += data
        if not self._is_greeted:
            if len(self._in) < len(wire.PREFIX):
                return
            if not self._in.startswith(wire.PREFIX):
                problem = wire.WireError("handshake", f"not a TWS client's greeting: {bytes(self._in[:40])!r}")
                self._desk.unreadable(self, problem, bytes(self._in[:80]), at)
                self.abort()
                return
            del self._in[: len(wire.PREFIX)]
            self._is_greeted = True
        try:
            for payload in wire.frames(self._in):
                if not self.is_open:
                    return
                if self.version:
                    self._desk.message(self, payload, at)
                else:
                    low, high, _ = wire.read_hello(payload)
                    self._desk.said_hello(self, low, high, at)
        except wire.WireError as problem:
            self._desk.unreadable(self, problem, bytes(self._in[:80]), at)
            self.abort()

    def connection_lost(self, _: Exception | None) -> None:
        if self._pump:
            self._pump.cancel()
        self._desk.closed(self)

    # -- out

    def say(self, name: str, values: dict[str, object]) -> None:
        self.send(wire.encode(name, values, self.version))

    def send(self, payload: bytes, how: str = "", seconds: float = 0.0) -> None:
        """how: "", dribble (a byte at a time) or coalesced (held for so many seconds, and what follows goes with it)."""
        self.send_raw(wire.frame(payload), how, seconds)

    def send_raw(self, data: bytes, how: str = "", seconds: float = 0.0) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > OUT_BYTES_MAX or len(self._out) > OUT_FRAMES_MAX:
            self.abort()
        elif how or self._out or self._pump:
            self._out.append((how, seconds, data))
            if self._pump is None:
                self._pump = asyncio.get_running_loop().create_task(self._drain(self._transport))
        else:
            self._transport.write(data)

    async def _drain(self, transport: asyncio.Transport) -> None:
        while self._out:
            how, seconds, data = self._out.popleft()
            if how == "dribble":
                for at in range(len(data)):
                    transport.write(data[at : at + 1])
                    await asyncio.sleep(0)
            elif how == "coalesced":
                await self._clock.sleep(seconds)
                rest = [each for _, _, each in self._out]
                self._out.clear()
                transport.write(b"".join([data, *rest]))
            else:
                transport.write(data)
        self._pump = None

    def close(self) -> None:
        """After what was written has left."""
        if self._transport and self._pump:
            transport = self._transport
            self._pump.add_done_callback(lambda _: transport.close())
        elif self._transport:
            self._transport.close()

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()
