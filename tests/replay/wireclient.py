"""A client of a few lines that says exactly what a test wants and hears every byte, for what ib_insync hides."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self

from scizor.ib import wire

BHP = {"con_id": 4036812, "symbol": "BHP", "sec_type": "STK", "exchange": "ASX", "currency": "AUD"}
DAILY = {
    **BHP, "end": "", "bar_size": "1 day", "duration": "10 D", "use_rth": True, "what": "TRADES", "format_date": 2,
    "keep_up_to_date": False,
}  # fmt: skip


class WireClient:
    """async with WireClient(port, client_id=…) as client: said hello, and started unless client_id is None."""

    def __init__(self, port: int, client_id: int | None = 7, low: int = 157, high: int = 178) -> None:
        self._port = port
        self._client_id = client_id
        self._versions = (low, high)
        self._in = bytearray()
        self.version = 0
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.unreadable: list[bytes] = []

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.writer.write(wire.write_hello(*self._versions))
        if self._client_id is not None:
            try:
                self.version, _ = wire.read_welcome(await self._payload())
            except (EOFError, ConnectionError):
                await self.close()
                raise
            self.say("startApi", client_id=self._client_id)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def say(self, name: str, **values: Any) -> None:
        self.writer.write(wire.frame(wire.encode(name, values, self.version)))

    async def _payload(self) -> bytes:
        async with asyncio.timeout(5):
            while True:
                for payload in wire.frames(self._in):
                    return payload
                data = await self.reader.read(65536)
                if not data:
                    raise EOFError
                self._in += data

    async def next(self) -> tuple[str, dict[str, Any]]:
        """The next message that can be read."""
        while True:
            payload = await self._payload()
            try:
                message = wire.decode(payload, wire.Direction.FROM_GATEWAY, self.version)
            except wire.WireError:
                self.unreadable.append(payload)
                continue
            self.heard.append(message)
            return message

    async def until(self, name: str, **wanted: Any) -> dict[str, Any]:
        """The fields of the next message of that name with these values."""
        while True:
            found, values = await self.next()
            if found == name and all(values[key] == value for key, value in wanted.items()):
                return values

    async def ask(self, name: str, req_id: int, **values: Any) -> tuple[str, dict[str, Any]]:
        """Sends, and returns the first message that answers this id."""
        self.say(name, req_id=req_id, **values)
        while True:
            found, heard = await self.next()
            if heard.get("req_id") == req_id:
                return found, heard

    async def is_closed(self) -> bool:
        """Whether the other side closes; reads what comes before."""
        try:
            while True:
                await self.next()
        except (EOFError, ConnectionError):
            return True
        except TimeoutError:
            return False
