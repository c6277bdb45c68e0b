"""The gateway itself: who is connected, what they asked, and what becomes of it.

    async with serve(GatewayOptions(port=0), source, clock) as gateway:
        gateway.port, gateway.log, gateway.violations, gateway.observed
        gateway.inject("pacing", symbol="BHP", times=1); gateway.inject("1100", at_seconds=0)
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any

from scizor.base.clock import Clock
from scizor.base.errors import UnreachableError
from scizor.ib import wire
from scizor.replay.sources import Source
from scizor.replay.tws import answers, delivery, texts
from scizor.replay.tws.connection import Connection, Pending
from scizor.replay.tws.events import Events
from scizor.replay.tws.faults import EVENT, HISTORY, Orders, Rule
from scizor.replay.tws.historical import Asked, answer, ask_of, stays_open, symbol_of
from scizor.replay.tws.journal import Entry, Journal
from scizor.replay.tws.limits import STRIKES, Limits
from scizor.replay.tws.options import GatewayOptions
from scizor.replay.tws.service import LostError, Service

BACKLOG_MAX = 10_000  # messages that the pace variant holds back


@asynccontextmanager
async def serve(options: GatewayOptions, source: Source, clock: Clock) -> AsyncIterator[Gateway]:
    """A listening gateway; UnreachableError when its port is taken."""
    gateway = Gateway(options, source, clock)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


class Gateway:
    """violations: how often each rule was broken where it holds: window, burst, identical, open, messages, client-id,
    request-id, order, unreadable. observed: the same three historical rules as if they held for every historical request."""

    def __init__(self, options: GatewayOptions, source: Source, clock: Clock) -> None:
        self.options = options
        self.source = source
        self.clock = clock
        self.port = options.port
        self.limits = Limits(options.regime)
        self.faults = Orders()
        self.service = Service(clock, options.service_seconds, options.bar_seconds, options.collapse_above, options.collapse_factor)
        self.connections: set[Connection] = set()
        self._journal = Journal(options.report)
        self._numbers = 0
        self._requests = 0
        self._symbols: dict[tuple[int, date], str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="source")
        self._events = Events(options.script, clock, self.faults, self.service, self.connections, self._note, self._run)

    @property
    def log(self) -> deque[Entry]:
        """Everything seen, oldest first; see journal.Entry."""
        return self._journal.entries

    @property
    def violations(self) -> Counter[str]:
        return self.limits.violations

    @property
    def observed(self) -> Counter[str]:
        return self.limits.observed

    @property
    def open(self) -> int:
        """Open historical requests of the login: unanswered, lost, or kept up to date; head timestamps until cancelled."""
        return sum(len(each.pending) for each in self.connections)

    def requests(self, name: str = "") -> list[Entry]:
        """What was asked, of one message's name or of all."""
        return self._journal.requests(name)

    # -- life

    async def start(self) -> None:
        for rule in self.options.rules:
            self.faults.add(rule, self.clock.now())
        self._events.read_script()
        try:
            self._server = await asyncio.get_running_loop().create_server(self._connection, self.options.host, self.options.port)
        except OSError as problem:
            self._worker.shutdown()
            raise UnreachableError(
                f"cannot listen on {self.options.host}:{self.options.port}: {problem.strerror}",
                hint="another gateway may be running; choose another --port",
            ) from None
        self.port = self._server.sockets[0].getsockname()[1]
        self._note("start", result=self.source.label)
        if self.clock.wall_seconds(1) > 0:  # a stopped clock is moved by its owner, not by us
            self._run(self._events.tick())

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for connection in list(self.connections):
            connection.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._worker.shutdown(wait=True, cancel_futures=True)
        await asyncio.sleep(0)
        self._note("stop")
        self._journal.close()

    def inject(self, name: str, arg: str = "", **conditions: Any) -> Rule:
        """Orders a fault from this process; the fields of faults.Rule are its conditions. An event without any happens now."""
        rule = Rule(name, arg, **conditions)
        self.faults.add(rule, self.clock.now())
        if rule.fault.where == EVENT and not conditions:
            self.faults.remove((rule,))
            self._events.happen(rule)
        return rule

    def forget(self, *rules: Rule) -> None:
        """Takes orders back; all of them without an argument."""
        if rules:
            self.faults.remove(rules)
        else:
            self.faults.clear()

    def _connection(self) -> Connection:
        self._numbers += 1
        return Connection(self, self.clock, self._numbers, self.options.messages_per_second)

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A bug of ours must not look like a Gateway that is silent on purpose: the journal names it, the loop logs it."""
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._note("bug", result=f"{type(bug).__name__}: {bug}")
            raise bug

    def _note(self, kind: str, connection: Connection | None = None, **more: Any) -> Entry:
        return self._journal.write(
            Entry(
                kind, more.pop("at", None) or self.clock.now(), open=self.open,
                client=connection.client_id if connection else None,
                connection=connection.number if connection else 0, **more,
            )
        )  # fmt: skip

    # -- what connections tell (connection.Desk)

    def opened(self, connection: Connection) -> bool:
        is_welcome = len(self.connections) < self.options.clients_max
        self.connections.add(connection)
        self._note("connect", connection, result="" if is_welcome else "refused: too many clients")
        return is_welcome

    def closed(self, connection: Connection) -> None:
        for pending in connection.pending.values():
            if pending.task:
                pending.task.cancel()
        connection.pending.clear()
        self.connections.discard(connection)
        self._note("disconnect", connection)

    def said_hello(self, connection: Connection, low: int, high: int, at: datetime) -> None:
        version = min(self.options.version_max, high)
        ordered = {each.name for each in self.faults.meet("hello", -1, {}, at)}
        self._note("hello", connection, result=f"v{low}..{high}", fault=",".join(sorted(ordered)), at=at)
        if "mute" in ordered:
            return
        if version < max(low, wire.VERSION_MIN) or "refuse" in ordered:
            connection.close()  # without a word, as the real one does
            return
        connection.version = version
        connection.send(wire.write_welcome(version, f"{at:%Y%m%d %H:%M:%S} UTC"))

    def unreadable(self, connection: Connection, problem: wire.WireError, payload: bytes, at: datetime) -> None:
        self.violations["unreadable"] += 1
        self._note("unreadable", connection, result=f"{problem.kind}: {problem.message}", at=at)

    def message(self, connection: Connection, payload: bytes, at: datetime) -> None:
        count = connection.rate.count(at)
        if self.options.message_rule == "pace":
            if count or connection.backlog:
                self._hold_back(connection, payload, at)
            else:
                self._handle(connection, payload, at)
        elif count:
            self.violations["messages"] += 1
            strike = connection.rate.strikes
            self._note("request", connection, verdict="violation", rules=("messages",), result=f"strike {strike}", at=at)
            most = self.options.messages_per_second
            connection.say(*answers.error(-1, 100, texts.MESSAGE_RATE.format(most=most, count=count, strike=strike)))
            if strike >= STRIKES:
                connection.close()
        else:
            self._handle(connection, payload, at)

    def _hold_back(self, connection: Connection, payload: bytes, at: datetime) -> None:
        if len(connection.backlog) >= BACKLOG_MAX:
            connection.abort()
            return
        connection.backlog.append((payload, at))
        if len(connection.backlog) == 1:
            self._run(self._release(connection))

    async def _release(self, connection: Connection) -> None:
        while connection.backlog and connection.is_open:
            await self.clock.sleep(1 / self.options.messages_per_second)
            payload, at = connection.backlog[0]
            self._handle(connection, payload, at)
            connection.backlog.popleft()

    # -- what messages mean

    def _handle(self, connection: Connection, payload: bytes, at: datetime) -> None:
        self._requests += 1
        number = self._requests
        try:
            name, values = wire.decode(payload, wire.Direction.TO_GATEWAY, connection.version)
        except wire.WireError as problem:
            self.violations["unreadable"] += 1
            result = f"{problem.kind}: {problem.message}"
            self._note("request", connection, n=number, verdict="unreadable", result=result, at=at)
            if connection.client_id is not None:
                first = payload.split(b"\0", 1)[0][:10].decode("ascii", "replace")
                text = texts.REQUEST[320].format(id=first, problem=problem.message)
                connection.say(*answers.error(-1, 320, text))
            return
        entry = Entry(
            "request", at, number, connection.client_id, connection.number, wire.named(name).id, name, values
        )
        if name == "startApi":
            self._start_api(connection, entry)
        elif connection.client_id is None:
            entry.verdict = "dropped"  # requests before startApi are lost on the real one too
            self._seen(entry)
        elif name in HISTORY:
            self._historical(connection, entry)
        elif name == "reqContractDetails":
            self._details(connection, entry)
        elif name in ("cancelHistoricalData", "cancelHeadTimestamp"):
            entry.verdict = "served"
            self._seen(entry)
            self._cancel(connection, name, values["req_id"])
        else:
            self._simple(connection, entry)

    def _seen(self, entry: Entry) -> None:
        """Into the journal before anything is said: whoever has an answer finds its request there."""
        entry.open = self.open
        self._journal.write(entry)

    def _start_api(self, connection: Connection, entry: Entry) -> None:
        client = entry.fields["client_id"]
        entry.client, entry.verdict = client, "served"
        ordered = {each.name: each for each in self.faults.meet("startApi", client or 0, entry.fields, entry.at)}
        in_use = any(each.client_id == client for each in self.connections)
        if in_use or client is None or client < 0 or "326" in ordered:
            entry.verdict, entry.fault = ("fault", "326") if "326" in ordered else ("violation", "")
            if not entry.fault:
                entry.rules = ("client-id",)
                self.violations["client-id"] += 1
            self._seen(entry)
            connection.say(*answers.error(-1, 326, texts.CLIENT_ID_IN_USE))
            connection.close()
            return
        connection.client_id = client
        self._seen(entry)
        account = ordered["other-account"].argument if "other-account" in ordered else self.options.account
        for name, values in answers.start_up(answers.Asker(entry.at, account, 1)):
            connection.say(name, values)
        for rule in self.faults.at_connect(entry.at):
            self._events.happen(rule)

    def _simple(self, connection: Connection, entry: Entry) -> None:
        if entry.name in answers.ORDERS:
            self.violations["order"] += 1
            entry.verdict, entry.rules = "violation", ("order",)
        else:
            entry.verdict = "served" if entry.name in answers.SERVED else "unserved"
        self._seen(entry)
        serve_it = answers.SERVED.get(entry.name)
        asker = answers.Asker(self.clock.now(), self.options.account, 1)
        said = serve_it(asker, entry.fields) if serve_it else answers.not_served(entry.name, entry.fields)
        for name, values in said:
            connection.say(name, values)

    def _rule_for(self, connection: Connection, entry: Entry) -> Rule | None:
        """The first fault that this request meets; events that waited for it happen."""
        first, fields = None, entry.fields
        if fields.get("con_id") and not fields.get("symbol") and self.faults.names_symbol:
            fields = {**fields, "symbol": self._symbol(fields["con_id"], entry.at)}
        for rule in self.faults.meet(entry.name, connection.client_id or 0, fields, entry.at):
            if rule.fault.where == EVENT:
                self._events.happen(rule)
            elif first is None:
                first = rule
        if first:
            entry.verdict, entry.fault = "fault", first.name
        return first

    def _symbol(self, con_id: int, at: datetime) -> str:
        """Clients that know the conId send it alone. We wait for the worker, whose source it is, once a contract and day."""
        if (key := (con_id, at.date())) not in self._symbols:
            self._symbols[key] = self._worker.submit(symbol_of, con_id, at, self.source, self.options).result()
        return self._symbols[key]

    def _details(self, connection: Connection, entry: Entry) -> None:
        entry.verdict = "served"
        rule = self._rule_for(connection, entry)
        self._seen(entry)
        asked = Asked(entry.name, entry.fields, connection.version, entry.at, rule)
        self._run(self._answer(connection, entry, asked, None))

    def _historical(self, connection: Connection, entry: Entry) -> None:
        values = entry.fields
        req_id = values["req_id"]
        ask = ask_of(entry.name, values, entry.at)
        entry.key, entry.contract_key, entry.weight, entry.bar_seconds = (
            ask.key, ask.contract_key, ask.weight, ask.bar_seconds,
        )  # fmt: skip
        broken = self.limits.count(ask)
        entry.verdict = "served"
        rule = self._rule_for(connection, entry)
        if broken:
            self._refuse(connection, entry, broken, 162, texts.hmds("pacing"))
        elif self.open >= self.options.open_max:
            self.violations["open"] += 1
            self._refuse(connection, entry, ("open",), 322, texts.REQUEST[322])
        elif req_id in connection.pending:
            self.violations["request-id"] += 1
            self._refuse(connection, entry, ("request-id",), 322, texts.DUPLICATE_ID)
        else:
            pending = Pending(None, is_head=entry.name == "reqHeadTimestamp")
            pending.ignores_cancel = rule is not None and rule.name == "late"
            connection.pending[req_id] = pending
            self._seen(entry)
            asked = Asked(entry.name, values, connection.version, entry.at, rule)
            pending.task = self._run(self._answer(connection, entry, asked, pending))

    def _refuse(self, connection: Connection, entry: Entry, rules: tuple[str, ...], code: int, text: str) -> None:
        entry.verdict, entry.rules, entry.fault = "violation", rules, ""
        self._seen(entry)
        connection.say(*answers.error(entry.fields["req_id"], code, text))

    async def _answer(self, connection: Connection, entry: Entry, asked: Asked, pending: Pending | None) -> None:
        req_id, rule = asked.values["req_id"], asked.rule
        try:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._worker, answer, asked, self.source, self.options)
            if rule and rule.name == "silence":
                raise LostError
            if pending:
                await self.service.serve(self.service.work(found.bars) * found.factor)
            if rule and rule.name in ("slow", "late"):
                await self.clock.sleep(float(rule.argument))
        except LostError:
            if pending:
                pending.is_lost = True
            self._note("answer", connection, n=entry.n, name=entry.name, result="lost")
            return
        if pending and not stays_open(asked, found.result) and connection.pending.get(req_id) is pending:
            del connection.pending[req_id]
        delivery.deliver(connection, found.payloads, rule)
        self._note("answer", connection, n=entry.n, name=entry.name, result=found.result)

    def _cancel(self, connection: Connection, name: str, req_id: int) -> None:
        pending = connection.pending.get(req_id)
        if name == "cancelHeadTimestamp":
            if pending and pending.is_head:
                del connection.pending[req_id]
                if pending.task:
                    pending.task.cancel()
            return
        if pending is None or pending.is_head or pending.is_lost:
            if pending and pending.is_lost:
                del connection.pending[req_id]
            connection.say(*answers.error(req_id, 366, texts.REQUEST[366].format(req_id=req_id)))
            return
        del connection.pending[req_id]
        if pending.task and not pending.ignores_cancel:
            pending.task.cancel()
        connection.say(*answers.error(req_id, 162, texts.hmds("cancelled", req_id=req_id)))
