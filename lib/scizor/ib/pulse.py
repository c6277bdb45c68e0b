"""Is the Gateway there, logged in, and answering? Asked every minute over a short connection, in the wire's own words.

Not through ib_insync, whose import alone takes a third of a second (it brings numpy), and which would wait for ever where nobody
answers. Four frames are all: greeting, startApi, the notices that come by themselves, reqCurrentTime. Each passes the same allow-list as
everything else that leaves. The Gateway lives in the real world: every limit here is the wall's, whatever clock the market has.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from scizor.base.clock import Clock, RunningClock
from scizor.base.config import GatewayConfig
from scizor.base.errors import UnreachableError
from scizor.base.masking import mask
from scizor.ib import outbound, wire
from scizor.ib.connection import no_handshake, nothing_listens, reason_of, refused_account
from scizor.ib.notices import Health

LOWEST, HIGHEST = 157, 176  # as ib_insync 0.9.86 greets
RETRY_SECONDS, ATTEMPTS_SECONDS = 0.5, 2.0  # a Gateway that restarts refuses for a moment
FRAMES_MAX = 1000  # before it answers; it sends a few dozen


class Pulse(NamedTuple):
    """account: masked. answered_ms: from question to answer. ahead_seconds: how far its clock, which tells whole seconds, lies outside of
    the two instants between which it was asked; 0.0 within. is_upstream: it reaches IB. is_ready: a history farm says that it is there."""

    account: str
    version: int
    answered_ms: float
    ahead_seconds: float
    is_upstream: bool
    is_ready: bool


def take(config: GatewayConfig, mode: str, clock: Clock, seconds: float) -> Pulse:
    """Connects as config.client_id_last, checks the account against the mode, asks for the time, hangs up; all within `seconds`, wall.

    clock: the market's, with which the Gateway's is compared. UnreachableError: nobody listens, no handshake, the client id is in
    use, no answer. RefusedError: another account than was meant.
    """
    wall = RunningClock()
    until = wall.now() + timedelta(seconds=seconds)
    try:
        return _take(config, mode, clock, wall, until)
    except _InUseError:  # another look that ends in a moment, as a rule
        wall.pause(RETRY_SECONDS)
        return _take(config, mode, clock, wall, until)


class _InUseError(UnreachableError):
    """326: the client id is taken."""


def _take(config: GatewayConfig, mode: str, clock: Clock, wall: RunningClock, until: datetime) -> Pulse:
    where = f"{config.host}:{config.port}"
    with _open(config, mode, wall, until) as link:
        try:
            return _Talk(link, wall, until, config, mode).pulse(clock)
        except TimeoutError:
            raise UnreachableError(
                f"the Gateway on {where} is open and does not answer in time", hint="restart the Gateway; is a dialog open in its window?"
            ) from None
        except (OSError, wire.WireError) as problem:
            raise no_handshake(where, config, str(problem)) from None


def _open(config: GatewayConfig, mode: str, wall: RunningClock, until: datetime) -> socket.socket:
    patience = wall.now() + timedelta(seconds=min(ATTEMPTS_SECONDS, config.connect_timeout_seconds))
    while True:
        try:
            return socket.create_connection((config.host, config.port), max(0.1, (until - wall.now()).total_seconds()))
        except OSError as problem:
            if wall.now() + timedelta(seconds=RETRY_SECONDS) >= min(patience, until):
                raise nothing_listens(f"{config.host}:{config.port}", reason_of(problem), mode) from None
            wall.pause(RETRY_SECONDS)


class _Talk:
    """One conversation. TimeoutError when its time is over."""

    def __init__(self, link: socket.socket, wall: RunningClock, until: datetime, config: GatewayConfig, mode: str) -> None:
        self._link, self._wall, self._until, self._config, self._mode = link, wall, until, config, mode
        self._buffer = bytearray()
        self._version = HIGHEST
        self._health = Health()

    def pulse(self, clock: Clock) -> Pulse:
        frames = self._frames()
        self._send(wire.write_hello(LOWEST, HIGHEST))
        self._version, _ = wire.read_welcome(next(frames))
        self._say("startApi", client_id=self._config.client_id_last)
        accounts = self._accounts(frames)
        refusal = refused_account(accounts, self._config, self._mode)
        if refusal is not None:
            raise refusal
        before = clock.now()
        self._say("reqCurrentTime")
        told = self._hear(frames, "currentTime")
        after = clock.now()
        shown = datetime.fromtimestamp(int(told["time"]), UTC)
        off = max(0.0, (shown - after).total_seconds(), (before - shown).total_seconds() - 1.0)
        self._settle(frames)
        account = mask(self._config.account or accounts[0])
        return Pulse(account, self._version, (after - before).total_seconds() * 1000, off, self._health.is_upstream, self._health.is_history_ready)

    def _accounts(self, frames: Iterator[bytes]) -> list[str]:
        text = str(self._hear(frames, "managedAccts")["accounts"])
        return [each for each in text.split(",") if each]

    def _hear(self, frames: Iterator[bytes], name: str) -> dict[str, Any]:
        """The next message of that name; notices on the way are understood, everything else is passed over."""
        while (message := self._next(frames))[0] != name:
            pass
        return message[1]

    def _next(self, frames: Iterator[bytes]) -> tuple[str, dict[str, Any]]:
        """One message; one that the table does not know is no matter of a pulse."""
        payload = next(frames, None)
        if payload is None:
            raise ConnectionResetError("it says a thousand things and not what was asked")
        try:
            said, fields = wire.decode(payload, wire.Direction.FROM_GATEWAY, self._version)
        except wire.WireError:
            return "", {}
        if said == "error" and fields["req_id"] == -1:
            self._notice(int(fields["code"]), str(fields["text"]))
        return said, fields

    def _notice(self, code: int, text: str) -> None:
        if code == 326:
            raise _InUseError(
                f"the Gateway on {self._config.host}:{self._config.port} has the client id {self._config.client_id_last} in use",
                hint="another look may be on its way, or another program has it: widen gateway.client_id_last",
            )
        self._health.hear(code, text)

    def _settle(self, frames: Iterator[bytes]) -> None:
        """Farms may announce themselves after the answer: they are given as long as is configured for them, and a second at most."""
        patience = self._wall.now() + timedelta(seconds=min(1.0, self._config.ready_timeout_seconds))
        self._until = min(self._until, patience)
        try:
            while self._health.is_upstream and not self._health.is_history_ready:
                self._next(frames)
        except (TimeoutError, ConnectionError):
            return

    def _frames(self) -> Iterator[bytes]:
        for _ in range(FRAMES_MAX):
            while not (payload := next(wire.frames(self._buffer), None)):
                left = (self._until - self._wall.now()).total_seconds()
                if left <= 0:
                    raise TimeoutError
                self._link.settimeout(left)
                read = self._link.recv(65536)
                if not read:
                    raise ConnectionResetError("it hung up")
                self._buffer += read
            yield payload

    def _say(self, name: str, **values: Any) -> None:
        self._send(wire.frame(wire.encode(name, values, self._version)))

    def _send(self, data: bytes) -> None:
        outbound.check(data)
        self._link.sendall(data)
