"""What happens by itself: notices, broken farms, dropped sockets, a service that is slow or silent; and the script's file.

Times are looked at ten times a wall second. A script that changes while we run is read again; one that cannot be read then
is noted in the journal, and the rules before it stay.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from scizor.base.clock import Clock
from scizor.base.errors import UsageError
from scizor.replay.tws import answers
from scizor.replay.tws.connection import Connection
from scizor.replay.tws.faults import Orders, Rule
from scizor.replay.tws.script import read_script
from scizor.replay.tws.service import Service

TICK_WALL_SECONDS = 0.1


class Events:
    """connections: the gateway's own set, as it is at any time. note: writes a line into its journal. run:
    starts a task that the gateway ends with itself."""

    def __init__(
        self,
        script: Path | None,
        clock: Clock,
        orders: Orders,
        service: Service,
        connections: set[Connection],
        note: Callable[..., object],
        run: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._script = script
        self._clock = clock
        self._orders = orders
        self._service = service
        self._connections = connections
        self._note = note
        self._run = run
        self._rules: tuple[Rule, ...] = ()
        self._stamp = 0

    def happen(self, rule: Rule) -> None:
        self._note("event", name=rule.name, result=rule.argument)
        numbers = [float(each) for each in rule.argument.split(":") if each]
        if rule.name.isdigit():
            self._broadcast(int(rule.name))
        elif rule.name == "farm-broken":
            self._run(self._break_farm(numbers[0]))
        elif rule.name == "service-silent":
            self._service.silence(numbers[0])
        elif rule.name == "service-stalled":
            self._service.stall(numbers[0])
        elif rule.name == "service-slow":
            self._service.slow(*numbers)
        elif rule.name == "drop-all":
            for connection in list(self._connections):
                connection.abort()

    async def tick(self) -> None:
        """For ever: events whose time has come, and the script. Not for a stopped clock, which its owner moves."""
        while True:
            await self._clock.sleep(TICK_WALL_SECONDS / self._clock.wall_seconds(1))
            try:
                self.read_script()
            except UsageError as problem:
                self._note("event", name="script", result=str(problem))
            for rule in self._orders.due(self._clock.now()):
                self.happen(rule)

    def read_script(self) -> None:
        """The script's rules, when its file is new or has changed. UsageError when it cannot be understood."""
        try:
            stamp = self._script.stat().st_mtime_ns if self._script else self._stamp
        except FileNotFoundError:
            stamp = 0
        if stamp == self._stamp or self._script is None:
            return
        self._stamp = stamp
        rules = read_script(self._script) if stamp else ()
        self._orders.remove(self._rules)
        self._rules = rules
        for rule in rules:
            self._orders.add(rule, self._clock.now())

    async def _break_farm(self, seconds: float) -> None:
        self._broadcast(2105)
        self._service.silence(seconds)
        await self._clock.sleep(seconds)
        self._broadcast(2106)

    def _broadcast(self, code: int) -> None:
        for connection in self._connections:
            if connection.client_id is not None:
                connection.say(*answers.notice(code))
