"""A Gateway that says exactly what a test tells it to, over a real socket: for answers that no honest Gateway gives.

Each request goes to the test's `answer(gateway, message, fields)`; what that coroutine sends is what the client reads.
The replay gateway is the product; this is a pencil, for frames that even its faults do not know.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from scizor.base.config import GatewayConfig
from scizor.ib import wire

VERSION = 176
FARMS = ((2104, "Market data farm connection is OK:usfarm"), (2106, "HMDS data farm connection is OK:ushmds"))


class Session:
    """One client. seen: (name, fields) of every message after the greeting, in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.client_id = -1

    def send(self, name: str, **values: Any) -> None:
        self.raw(wire.frame(wire.encode(name, values, VERSION)))

    def raw(self, data: bytes) -> None:
        self.writer.write(data)

    def error(self, req_id: int, code: int, text: str) -> None:
        self.send("error", req_id=req_id, code=code, text=text)

    def bars(self, req_id: int, rows: list[tuple[Any, ...]]) -> None:
        self.send("historicalData", req_id=req_id, start="", end="", bars=rows)

    async def next(self) -> tuple[str, dict[str, Any]] | None:
        try:
            length = int.from_bytes(await self.reader.readexactly(4), "big")
            payload = await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        message = wire.decode(payload, wire.Direction.TO_GATEWAY, VERSION)
        self.seen.append(message)
        return message


Reply = Callable[[Session, str, dict[str, Any]], Awaitable[None]]


class Pencil:
    """port, and every session there was, in order."""

    def __init__(self, port: int, config: GatewayConfig) -> None:
        self.port, self.config = port, config
        self.sessions: list[Session] = []

    @property
    def names(self) -> list[str]:
        return [name for session in self.sessions for name, _ in session.seen]


@asynccontextmanager
async def pencil(
    answer: Reply | None = None,
    *,
    accounts: str = "REPLAY1",
    farms: tuple[tuple[int, str], ...] = FARMS,
    ids_in_use: tuple[int, ...] = (),
    greet: Callable[[Session], Awaitable[bool]] | None = None,
    **options: Any,
) -> AsyncIterator[Pencil]:
    """A server on a free port. greet: instead of the handshake; False hangs up."""
    made: list[Pencil] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(reader, writer)
        made[0].sessions.append(session)
        try:
            if greet is not None and not await greet(session):
                return
            await reader.readexactly(4)
            await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
            session.raw(wire.frame(wire.write_welcome(VERSION, "20250115 17:00:00 Australia/NSW")))
            first = await session.next()
            if first is None:
                return
            session.client_id = first[1]["client_id"]
            if session.client_id in ids_in_use:
                session.error(-1, 326, "Unable to connect as the client id is already in use. Retry with a unique client id.")
                return
            session.send("managedAccts", accounts=accounts)
            session.send("nextValidId", order_id=1)
            for code, text in farms:
                session.error(-1, code, text)
            while (message := await session.next()) is not None:
                if answer is not None:
                    await answer(session, *message)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = {"port": port, "connect_timeout_seconds": 5.0, "ready_timeout_seconds": 1.0} | options
    made.append(Pencil(port, GatewayConfig(**settings)))
    try:
        yield made[0]
    finally:
        server.close()
        for session in made[0].sessions:
            session.writer.close()
        for session in made[0].sessions:
            with suppress(ConnectionError):
                await session.writer.wait_closed()
        await asyncio.sleep(0)
