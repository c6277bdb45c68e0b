"""How an answer leaves the socket: whole, or as a fault wants it."""

from __future__ import annotations

import struct

from scizor.ib import wire
from scizor.replay.tws.connection import Connection
from scizor.replay.tws.faults import Rule


def deliver(connection: Connection, payloads: tuple[bytes, ...], rule: Rule | None) -> None:
    """Sends the answer's messages. A rule that is not about delivery changes nothing."""
    name = rule.name if rule else ""
    argument = rule.argument if rule else ""
    if name == "close":
        connection.close()
    elif name == "drop":
        whole = b"".join(wire.frame(each) for each in payloads)
        connection.send_raw(whole[: len(whole) // 2])
        connection.close()
    elif name == "oversized":
        connection.send_raw(struct.pack(">I", int(argument)) + payloads[0][:100])
    elif name == "truncated":
        connection.send(_half(payloads[0]))
    elif name in ("dribble", "coalesced"):
        seconds = float(argument or 0)
        for payload in payloads:
            connection.send(payload, name, seconds)
    else:
        if name in _BEFORE:
            connection.send(_BEFORE[name])
        for payload in payloads * (2 if name == "twice" else 1):
            connection.send(payload)


_BEFORE = {
    "empty-frame": b"",
    "unknown-message": b"9999\0001\000something new\0",
    "bad-utf8": b"4\0002\000-1\0002104\000Market data farm \xff\xfe connection is OK:usfarm\000\0",
}


def _half(payload: bytes) -> bytes:
    """The first half of its fields, each of them whole."""
    fields = payload.split(b"\0")
    return b"\0".join(fields[: max(2, len(fields) // 2)]) + b"\0"
