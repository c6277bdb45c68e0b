"""One socket to the right account: handshake, client id, account against mode, readiness, and how it ends.

`connect` asks for nothing before the account is checked: the wire shows startApi alone. There is one port and no
fall-back, since the neighbour of a paper port is a live account. Nothing here reconnects: a lost connection has failed
every request that was open on it, and whoever runs the work decides whether to connect again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from scizor.base.clock import Clock
from scizor.base.config import GatewayConfig
from scizor.base.errors import ConfigurationError, RefusedError, UnreachableError
from scizor.base.masking import mask
from scizor.ib import codes
from scizor.ib.answers import Answer, Answers
from scizor.ib.notices import ConnectionEvent, Health
from scizor.market.types import Outcome, OutcomeKind

if TYPE_CHECKING:
    from scizor.ib.library import Wire

__all__ = ["Connection", "ConnectionEvent", "connect"]

_log = logging.getLogger("scizor.ib")
_CLOSE_SECONDS = 5.0  # for the socket to say goodbye
_TOLD_MAX = 200  # different notices that are no state; each is an event once
_RETRY_FIRST_SECONDS, _RETRY_MAX_SECONDS = 0.25, 2.0


class Connection:
    """An open connection. Made by `connect`.

    client_id, server_version: as negotiated. account: as the Gateway named it; mask it before showing it. lost: why the
    socket is gone, "" while it is there. health: what the Gateway says about IB and its farms. counts: frames that were
    malformed, unheard (nobody asked for them), unknown-message or late, and unknown-code.
    """

    def __init__(self, clock: Clock, client_id: int, on_event: Callable[[ConnectionEvent], None] | None) -> None:
        from scizor.ib import library

        library.relay_logs()
        self.clock, self.client_id, self._on_event = clock, client_id, on_event
        self.health = Health()
        self.lost = ""
        self.account = ""
        self.server_version = 0
        self.is_id_in_use = False
        self._is_closing = False
        self._told: set[tuple[int, str]] = set()
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()
        self._answers = Answers(clock, self._notice, self._malformed, self._lose)
        self.wire: Wire = library.Wire(self._answers, clock)
        self.counts = self._answers.counts

    @property
    def is_open(self) -> bool:
        return not self.lost and not self._is_closing and self.wire.isReady()

    @property
    def is_usable(self) -> bool:
        """It is open and the Gateway reaches IB. Farms are another matter: see health and until_ready."""
        return self.is_open and self.health.is_upstream

    @property
    def open_requests(self) -> int:
        return self._answers.open_requests

    async def ask(
        self,
        kind: str,
        send: Callable[[int], None],
        cancel: Callable[[int], None] | None,
        *,
        timeout_seconds: float,
        on_first_frame: Callable[[datetime], None] | None = None,
        stays_open: bool = False,
    ) -> Answer | Outcome:
        """Sends one request under an id of its own and waits for its end; an Outcome is its failure.

        After the timeout (clock seconds) the request is cancelled at the Gateway and forgotten here. on_first_frame gets
        the instant at which the first frame that names the request was read, once, before this returns. stays_open: the
        Gateway counts the request as open until it is cancelled, so it is, once answered.
        """
        if not self.is_open:
            return self._not_connected()
        number = self.wire.getReqId()
        pending = self._answers.begin(number, kind)
        try:
            send(number)
            async with self.clock.timeout(timeout_seconds):
                await asyncio.wait({pending.future})
        except TimeoutError:
            if not pending.future.done():
                self._answers.fail(pending, OutcomeKind.TIMEOUT, None, f"no answer within {timeout_seconds:g} s")
                self._cancel(number, cancel)
        except asyncio.CancelledError:
            self._cancel(number, cancel)
            raise
        finally:
            self._answers.forget(pending)
        result = pending.future.result()
        if on_first_frame is not None and pending.heard_at is not None:
            on_first_frame(pending.heard_at)
        if (result.code in _GOES_ON) if isinstance(result, Outcome) else stays_open:
            self._cancel(number, cancel)
        return result

    async def ask_time(self, timeout_seconds: float) -> datetime | Outcome:
        """The Gateway's clock, UTC, in whole seconds."""
        if not self.is_open:
            return self._not_connected()
        asked_at = self.clock.now()
        future = self._answers.begin_time()
        self.wire.reqCurrentTime()
        try:
            async with self.clock.timeout(timeout_seconds):
                await asyncio.wait({future})
        except TimeoutError:
            future.cancel()  # keeps its place in the row, so that its late answer is not taken for the next one's
            text = f"no answer within {timeout_seconds:g} s"
            return Outcome(OutcomeKind.TIMEOUT, (), None, text, False, asked_at, self.clock.now())
        if future.cancelled():
            text = f"the connection was lost: {self.lost}" if self.lost else "an answer that cannot be read"
            return Outcome(OutcomeKind.ERROR, (), None, text, False, asked_at, self.clock.now())
        return future.result()

    async def until_ready(self, seconds: float) -> bool:
        """Waits, at most so long, until IB is reachable and a history farm has said that it is there. After False one
        may ask anyway: not every farm announces itself."""
        try:
            async with self.clock.timeout(seconds):
                while not self.health.is_history_ready and not self.lost:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return not self.lost

    async def until_lost(self) -> str:
        """Waits, without limit, until the socket is gone; for tasks that are cancelled with their work."""
        await self._gone.wait()
        return self.lost

    async def close(self) -> None:
        """Hangs up. Open requests end as they do on a lost connection."""
        self._is_closing = True
        opened = self.wire.conn.transport is not None
        self.wire.disconnect()
        if opened and not self._gone.is_set():
            try:
                async with self.clock.timeout(_CLOSE_SECONDS):
                    await self._gone.wait()
            except TimeoutError:
                if self.wire.conn.transport is not None:
                    self.wire.conn.transport.abort()

    def event(self, name: str, code: int | None = None, text: str = "") -> None:
        """Logs it and hands it on; accounts are masked."""
        text = mask(text)[:500]
        _log.info("connection %s %s%s %s", self.client_id, name, f" {code}" if code is not None else "", text)
        if self._on_event is not None:
            self._on_event(ConnectionEvent(self.clock.now(), name, self.client_id, code, text))

    def _cancel(self, number: int, cancel: Callable[[int], None] | None) -> None:
        if cancel is not None and self.is_open:
            cancel(number)

    def _not_connected(self) -> Outcome:
        now = self.clock.now()
        return Outcome(OutcomeKind.ERROR, (), None, f"not connected: {self.lost or 'hung up'}", False, now, now)

    def _notice(self, code: int, text: str) -> None:
        if code == 326:
            self.is_id_in_use = True
            if self.wire.conn.transport is not None:
                self.wire.conn.transport.abort()
            return
        changed = self.health.hear(code, text)
        if changed is not None:
            self.event(changed, code, text)
        elif code not in codes.TABLE or codes.TABLE[code].action is not codes.Action.STATE:
            self._tell_once(code, text)
        self._changed.set()

    def _tell_once(self, code: int, text: str) -> None:
        if (code, text) not in self._told and len(self._told) < _TOLD_MAX:
            self._told.add((code, text))
            self.event("notice" if codes.is_known(code) else "unknown-code", code, text)

    def _malformed(self, text: str) -> None:
        self.event("malformed", None, text)

    def _lose(self, reason: str) -> None:
        if not self.lost:
            self.lost = "hung up by us" if self._is_closing else reason
            if self.server_version:
                self.event("closed" if self._is_closing else "lost", None, self.lost)
        self._changed.set()
        self._gone.set()


#: The Gateway sends on after these: 10167 announces delayed data in place of what was asked for.
_GOES_ON = (10167,)


@asynccontextmanager
async def connect(
    config: GatewayConfig,
    mode: str,
    clock: Clock,
    *,
    on_event: Callable[[ConnectionEvent], None] | None = None,
) -> AsyncIterator[Connection]:
    """A connection to the configured port, its account checked, hung up at the end of the `with`.

    mode: live, paper or replay. UnreachableError: nothing listens, no handshake, every client id taken. RefusedError:
    the account is not one of that mode, or not config.account. Waits up to config.ready_timeout_seconds for the history
    farm, then goes on. on_event is called for each change of state, within the reading of a frame: it must neither block
    nor raise (a queue's put_nowait does neither).
    """
    connection = await _open(config, mode, clock, on_event)
    try:
        _check_account(connection, config, mode)
        connection.event("connected", None, f"version {connection.server_version}, account {connection.account}")
        await connection.until_ready(config.ready_timeout_seconds)
        yield connection
    finally:
        await connection.close()


async def _open(
    config: GatewayConfig, mode: str, clock: Clock, on_event: Callable[[ConnectionEvent], None] | None
) -> Connection:
    """Tries each client id of our range once, the lowest first, and an absent Gateway again and again, until the
    deadline for the whole."""
    if config.client_id_first <= 0:
        raise ConfigurationError("client id 0 is never used: it binds the orders of the person at the screen")
    where = f"{config.host}:{config.port}"
    deadline = clock.now() + timedelta(seconds=config.connect_timeout_seconds)
    ids = iter(range(config.client_id_first, config.client_id_last + 1))
    tried, wait, problem = [next(ids)], _RETRY_FIRST_SECONDS, ""
    while True:
        connection = Connection(clock, tried[-1], on_event)
        try:
            async with clock.timeout((deadline - clock.now()).total_seconds()):
                await _handshake(connection, config)
            return connection
        except TimeoutError:
            problem = "" if connection.wire.conn.numBytesSent else "no route, or a firewall that drops"
            await connection.close()
            raise no_handshake(where, config) if not problem else nothing_listens(where, problem, mode) from None
        except OSError as failure:
            _log.debug("%s: %s", where, failure)
            problem = reason_of(failure)
            await connection.close()
        except asyncio.CancelledError:
            await connection.close()
            raise
        if connection.is_id_in_use:
            number = next(ids, None)
            if number is None:
                raise UnreachableError(
                    f"the Gateway on {where} has every client id of ours in use: {_span(tried)}",
                    hint="other jobs hold them, or sessions that died a moment ago: wait a minute, or widen "
                    "gateway.client_id_first and client_id_last",
                )
            tried.append(number)
        elif connection.wire.conn.numBytesSent or connection.lost:
            raise no_handshake(where, config, connection.lost)
        elif clock.now() + timedelta(seconds=wait) >= deadline:
            raise nothing_listens(where, problem, mode)
        else:
            await clock.sleep(random.uniform(wait / 2, wait))
            wait = min(wait * 2, _RETRY_MAX_SECONDS)


async def _handshake(connection: Connection, config: GatewayConfig) -> None:
    """Socket, greeting and startApi; ConnectionError at once when the Gateway hangs up instead, which ib_insync would
    wait for until its timeout."""
    wire = connection.wire
    opening = asyncio.ensure_future(wire.connectAsync(config.host, config.port, connection.client_id, 0))
    gone = asyncio.ensure_future(connection.until_lost())
    try:
        await asyncio.wait({opening, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            raise ConnectionError(connection.lost)
        await opening
        if connection.lost:
            raise ConnectionError(connection.lost)
        connection.server_version = wire.serverVersion()
    finally:
        for task in (opening, gone):
            task.cancel()
        await asyncio.gather(opening, gone, return_exceptions=True)


def no_handshake(where: str, config: GatewayConfig, reason: str = "") -> UnreachableError:
    why = reason or f"nothing within {config.connect_timeout_seconds:g} s"
    return UnreachableError(
        f"the socket on {where} is open, but no API handshake: {why}",
        hint="in the Gateway, Configure > Settings > API: enable API clients, and check the trusted IPs",
    )


def nothing_listens(where: str, problem: str, mode: str) -> UnreachableError:
    hint = "start the Gateway and log in, or correct gateway.port: Gateway 4001 live, 4002 paper; TWS 7496, 7497"
    if mode == "replay":
        hint = "start it: bin/replay-gateway --simulated 7 (with --port, where gateway.port is not 14002)"
    return UnreachableError(f"nothing listens on {where} ({problem})", hint=hint)


def reason_of(failure: OSError) -> str:
    """The system's words. asyncio writes `Connect call failed ('127.0.0.1', 4002)` in their place, and one line an address
    without a number where a name has several."""
    number = failure.errno or next((int(each) for each in re.findall(r"\[Errno (\d+)\]", str(failure))), 0)
    return os.strerror(number).lower() if number > 0 else failure.strerror or str(failure)


def _span(numbers: list[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


# ---- account against mode --------------------------------------------------------------------------------------------


def mode_of(account: str) -> str:
    """live: U…, and F… or I… of advisers; paper: the same behind a D; anything else is no account of IB: replay."""
    if re.fullmatch(r"[UFI]\d+[A-Z]?", account):
        return "live"
    if re.fullmatch(r"D[UFI]\d+[A-Z]?", account):
        return "paper"
    return "replay"


def _check_account(connection: Connection, config: GatewayConfig, mode: str) -> None:
    accounts = connection.wire.getAccounts()
    connection.account = config.account or accounts[0]
    refusal = refused_account(accounts, config, mode)
    if refusal is not None:
        connection.event("refused", None, refusal.message)
        raise refusal


def refused_account(accounts: Sequence[str], config: GatewayConfig, mode: str) -> RefusedError | None:
    """Why these accounts are not the ones that were meant; None when they are."""
    shown = ", ".join(sorted({mask(each) for each in accounts}))
    wrong = sorted({mode_of(each) for each in accounts} - {mode})
    if wrong:
        return RefusedError(
            f"configured mode {mode}, but the Gateway on {config.host}:{config.port} says {' and '.join(wrong)} account {shown}",
            hint="log the Gateway in to the other account, or correct mode and gateway.port together; nothing was asked of it",
        )
    if config.account and config.account not in accounts:
        return RefusedError(
            f"the Gateway on {config.host}:{config.port} has account {shown}, not the configured one",
            hint="correct gateway.account, or leave it empty to accept any account of the mode",
        )
    return None
