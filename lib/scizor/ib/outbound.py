"""What may leave this machine: an allow-list of messages, checked at the last point before the socket.

Nothing that places, changes or cancels an order, and nothing that asks for positions or account values, is on it; a
message that is not on it raises before a byte is written. The live daemon adds its own names here when it comes.
"""

from __future__ import annotations

from functools import cache

from scizor.base.errors import RefusedError
from scizor.ib.wire import PREFIX, Direction, find, named

#: Every message that scizor sends. Names are those of ib.wire's table.
ALLOWED = (
    "startApi",
    "reqCurrentTime",
    "reqContractDetails",
    "reqHistoricalData",
    "cancelHistoricalData",
    "reqHeadTimestamp",
    "cancelHeadTimestamp",
)


@cache
def allowed_ids() -> frozenset[int]:
    return frozenset(named(each).id for each in ALLOWED)


def check(data: bytes) -> None:
    """`data` is what goes to the socket: one frame with its length, or the greeting. RefusedError for anything else.

    The frame must be whole and alone: two frames glued together could hide one behind the other.
    """
    if data.startswith(PREFIX):
        data = data[len(PREFIX) :]
        if not data[4:].startswith(b"v"):
            raise RefusedError("refused to send a greeting that is none")
    elif (number := _message_id(data)) not in allowed_ids():
        row = find(Direction.TO_GATEWAY, number) if number is not None else None
        name = row.name if row else "an unknown message"
        raise RefusedError(
            f"refused to send {name} (message {number}) to the Gateway",
            hint="scizor reads market data only; ib/outbound.py lists what it may send",
        )
    if len(data) < 4 or int.from_bytes(data[:4], "big") != len(data) - 4:
        raise RefusedError("refused to send something that is not one whole frame")


def _message_id(data: bytes) -> int | None:
    text = data[4:16].split(b"\0", 1)[0]
    return int(text) if text.isdigit() and len(text) <= 4 else None
