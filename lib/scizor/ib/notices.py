"""What the Gateway says about itself: is IB there, which farms answer. Pure state, told by system notices.

A notice arrives with request id -1: 1100, 1101, 1102, 2110 for the link between Gateway and IB, 2103 to 2108, 2119, 2157
and 2158 for a data farm each. 1100 is repeated every half minute for as long as it lasts: only changes are events.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


class ConnectionEvent(NamedTuple):
    """Something that happened to the connection; one row of connection_events. at: aware, UTC. code: IB's, or None.

    event: connected, closed, lost, refused, upstream-lost, upstream-restored, upstream-restored-data-lost, farm-ok,
    farm-inactive, farm-connecting, farm-broken, malformed, unknown-code, notice.
    """

    at: datetime
    event: str
    client_id: int
    code: int | None = None
    text: str = ""


_UPSTREAM = {
    1100: (False, "upstream-lost"),
    2110: (False, "upstream-lost"),
    1101: (True, "upstream-restored-data-lost"),
    1102: (True, "upstream-restored"),
}
_FARMS = {
    2103: ("market", "broken"), 2104: ("market", "ok"), 2108: ("market", "inactive"), 2119: ("market", "connecting"),
    2105: ("history", "broken"), 2106: ("history", "ok"), 2107: ("history", "inactive"),
    2157: ("definitions", "broken"), 2158: ("definitions", "ok"),
}  # fmt: skip
_FARMS_MAX = 200  # names come from the wire; IB has about thirty


@dataclass(slots=True)
class Health:
    """is_upstream: the Gateway reaches IB. farms: (family, name) -> ok, inactive, connecting or broken; an inactive
    farm answers on demand."""

    is_upstream: bool = True
    farms: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def is_history_ready(self) -> bool:
        """IB is there and at least one history farm has said that it is: which one serves a contract, IB does not say."""
        states = [state for (family, _), state in self.farms.items() if family == "history"]
        return self.is_upstream and any(state in ("ok", "inactive") for state in states)

    def hear(self, code: int, text: str) -> str | None:
        """The event's name when the state changed, else None."""
        if code in _UPSTREAM:
            is_upstream, event = _UPSTREAM[code]
            changed = is_upstream != self.is_upstream or code == 1101
            self.is_upstream = is_upstream
            return event if changed else None
        if code in _FARMS:
            family, state = _FARMS[code]
            key = (family, farm_of(text))
            if self.farms.get(key) == state or (key not in self.farms and len(self.farms) >= _FARMS_MAX):
                return None
            self.farms[key] = state
            return f"farm-{state}"
        return None


def farm_of(text: str) -> str:
    """`…is OK:usfarm.nj` and `…upon demand.ushmds` -> usfarm.nj, ushmds."""
    found = re.search(r"[:.]\s*([\w.]+)\s*$", text[-200:])
    return found[1] if found else ""
