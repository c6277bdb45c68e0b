"""The TWS wire, classic format: read and written by the one declarative table in scizor.ib.messages.

Frames are four bytes of length, big-endian, and then texts that each end in NUL; the first text is the message's id. The
replay gateway serves by this table, the frame path reads by it, and the outbound allow-list refuses by it, so it imports
nothing of IB's client library.

Empty on the wire is unset: None here, or "" for a text. Numbers from the wire remember their text (Number), so that what
was read is written again byte for byte.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from scizor.base.errors import ScizorError
from scizor.base.exit import Exit
from scizor.ib.messages import MESSAGES, Direction, Field, Many, Message, When, at_version, find, named

__all__ = [
    "FRAME_BYTES_MAX", "MESSAGES", "PREFIX", "VERSION_MAX", "VERSION_MIN", "Direction", "Message", "Number", "WireError",
    "decode", "encode", "find", "frame", "frames", "named", "read_hello", "read_welcome", "write_hello", "write_welcome",
]  # fmt: skip

VERSION_MIN = 157  # the only version that every classic client offers
VERSION_MAX = 178  # the newest that the classic clients in use offer; the gateway serves min(this, the client's)
FRAME_BYTES_MAX = 4 * 1024 * 1024  # ours; the protocol has no limit. A year of one-minute bars must be asked in parts
ASCII7_SINCE = 153  # from here on text beyond ASCII travels as \uXXXX
FRACTIONAL_SIZE_SINCE = 163
PREFIX = b"API\0"  # what a client sends before its first frame


class WireError(ScizorError):
    """What was read is not the protocol, or what should be written cannot be. `kind` is what counters count by: length,
    handshake, encoding, unterminated, id, missing, extra, value, name."""

    exit = Exit.UNREACHABLE

    def __init__(self, kind: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


class Number(float):
    """A number from the wire that remembers its text, so that what was read can be written again byte for byte."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Number:
        number = super().__new__(cls, text)
        number.text = text
        return number


# ---- reading ---------------------------------------------------------------------------------------------------------


def decode(payload: bytes, direction: Direction, version: int) -> tuple[str, dict[str, Any]]:
    """The message's name and its fields. WireError when it is not exactly what the table says at that version."""
    texts = texts_of(payload)
    number = _int("id", texts[0]) if texts else None
    message = find(direction, number) if number is not None else None
    if message is None:
        raise WireError("id", f"unknown message id {texts[0][:20]!r}" if texts else "a message without an id")
    values: dict[str, Any] = {}
    end = _read(at_version(message.fields, version), texts, 1, values, version, message.name)
    if end != len(texts):
        raise WireError("extra", f"{message.name} at version {version}: {len(texts) - end} fields too many")
    return message.name, values


def texts_of(payload: bytes) -> list[str]:
    """The payload's texts, escapes resolved; the first is the id."""
    if payload[-1:] != b"\0":
        raise WireError("unterminated", "a message that does not end in NUL" if payload else "an empty message")
    try:
        text = payload[:-1].decode("utf-8")
    except UnicodeDecodeError as problem:
        raise WireError("encoding", f"a message that is not UTF-8: {problem.reason} at byte {problem.start}") from None
    return (unescape(text) if "\\u" in text else text).split("\0")


def _read(
    items: tuple[Any, ...], texts: list[str], at: int, values: dict[str, Any], version: int, where: str
) -> int:
    for item in items:
        if isinstance(item, Field):
            if at >= len(texts):
                raise WireError("missing", f"{where} at version {version}: no {item.name}")
            values[item.name] = _value(item, texts[at])
            at += 1
        elif isinstance(item, Many):
            count = _int(item.name, texts[at]) if at < len(texts) else None
            if count is None or not 0 <= count < 2**31:
                raise WireError("missing", f"{where} at version {version}: no count of {item.name}")
            inner = at_version(item.fields, version)
            if count * len(inner) > len(texts) - at - 1:
                raise WireError("missing", f"{where} at version {version}: {count} {item.name} announced, fewer sent")
            at, rows = at + 1, []
            for _ in range(count):
                row: dict[str, Any] = {}
                at = _read(inner, texts, at, row, version, where)
                rows.append(row)
            values[item.name] = rows
        elif isinstance(item, When):
            if str(values[item.name]) in item.values:
                at = _read(at_version(item.fields, version), texts, at, values, version, where)
        else:
            values[item.name], at = texts[at:], len(texts)
    return at


def _value(field: Field, text: str) -> Any:
    if field.type == "text":
        return text
    if text == "":
        return None
    if field.type == "int":
        return _int(field.name, text)
    if field.type == "flag":
        if text not in ("0", "1"):
            raise WireError("value", f"{field.name} is {text[:40]!r}, neither 0 nor 1")
        return text == "1"
    try:
        return Number(text)
    except ValueError:
        raise WireError("value", f"{field.name} is {text[:40]!r}, not a number") from None


def _int(name: str, text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        raise WireError("value", f"{name} is {text[:40]!r}, not a whole number")
    return int(text)


# ---- writing ---------------------------------------------------------------------------------------------------------


def encode(name: str, values: Mapping[str, Any], version: int) -> bytes:
    """The payload (without its length). What is absent is empty or its default; a name that the table does not know,
    a NUL inside a text or a value of the wrong type is a WireError. Rows of a `many` are dicts, or tuples in order."""
    message = named(name)
    out = [str(message.id)]
    _write(message.fields, values, out, version, name)
    out.append("")
    return escape("\0".join(out)).encode("ascii")


def _write(items: tuple[Any, ...], values: Mapping[str, Any], out: list[str], version: int, where: str) -> None:
    known: set[str] = set()
    for item in items:
        if isinstance(item, Field):
            known.add(item.name)
            if item.since <= version < item.until:
                out.append(_text(item, values.get(item.name, item.default), version))
        elif isinstance(item, Many):
            known.add(item.name)
            if item.since <= version:
                _write_rows(item, values.get(item.name, ()), out, version, where)
        elif isinstance(item, When):
            inner = at_version(item.fields, version)
            known.update(each.name for each in inner)
            if str(values.get(item.name)) in item.values:
                _write(inner, {key: values[key] for key in values.keys() & {each.name for each in inner}}, out, version, where)
        else:
            known.add(item.name)
            out.extend(_clean(item.name, str(each)) for each in values.get(item.name, ()))
    if unknown := values.keys() - known:
        raise WireError("name", f"{where} has no {', '.join(sorted(unknown))}")


def _write_rows(item: Many, rows: Sequence[Any], out: list[str], version: int, where: str) -> None:
    out.append(str(len(rows)))
    inner = at_version(item.fields, version)
    for row in rows:
        if isinstance(row, tuple):
            out.extend([_text(field, value, version) for field, value in zip(inner, row, strict=True)])
        else:
            _write(item.fields, row, out, version, where)


def _text(field: Field, value: Any, version: int) -> str:
    if value is None:
        return ""
    kind = type(value)
    if kind is str:  # what the wire said, a default, or a text
        return _clean(field.name, value)
    if kind is bool:
        return "1" if value else "0"
    if kind is Number:
        return str(value.text)
    if field.type == "size" and version < FRACTIONAL_SIZE_SINCE and math.isfinite(value):
        return str(int(value))  # clients of that age read it with int()
    if kind is float:
        if field.type == "size" and value.is_integer():
            return str(int(value))
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text := repr(value), text)
    if kind is int or kind is Decimal:
        return str(value)
    raise WireError("value", f"{field.name} cannot be written from a {kind.__name__}")


def _clean(name: str, text: str) -> str:
    if "\0" in text:
        raise WireError("value", f"{name} contains NUL")
    return text


def escape(text: str) -> str:
    """Text beyond ASCII as \\uXXXX, in UTF-16 units as Java counts them."""
    if text.isascii():
        return text
    units = (each if each < "\x80" else _units(each) for each in text)
    return "".join(units)


def _units(letter: str) -> str:
    raw = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{raw[at] << 8 | raw[at + 1]:04x}" for at in range(0, len(raw), 2))


def unescape(text: str) -> str:
    """The opposite. An escape of an ASCII letter is left alone: IB escapes none, and \\u0000 must not become a NUL."""
    plain = re.sub(
        r"\\u([0-9a-fA-F]{4})", lambda hit: chr(at) if (at := int(hit[1], 16)) > 127 else hit[0], text
    )
    return plain.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")


# ---- frames and the greeting -----------------------------------------------------------------------------------------


def frame(payload: bytes) -> bytes:
    """The payload behind its length. WireError when it is longer than FRAME_BYTES_MAX."""
    if len(payload) > FRAME_BYTES_MAX:
        raise WireError("length", _too_long(len(payload)), hint="ask for a shorter duration or a larger bar")
    return struct.pack(">I", len(payload)) + payload


def frames(buffer: bytearray) -> Iterator[bytes]:
    """Takes the complete frames from the buffer's front, one by one; what is incomplete stays. WireError, with nothing
    taken, at a length beyond FRAME_BYTES_MAX: the stream has no boundary after it, so the connection must be closed."""
    while len(buffer) >= 4:
        length = int.from_bytes(buffer[:4], "big")
        if length > FRAME_BYTES_MAX:
            raise WireError("length", _too_long(length), hint="close the connection and connect again")
        if len(buffer) < 4 + length:
            return
        payload = bytes(buffer[4 : 4 + length])
        del buffer[: 4 + length]
        yield payload


def _too_long(length: int) -> str:
    return f"a frame of {length:,} bytes; the limit is {FRAME_BYTES_MAX:,}"


def read_hello(payload: bytes) -> tuple[int, int, str]:
    """The client's first frame, `v157..176 +PACEAPI`: lowest and highest version, connect options."""
    group = re.fullmatch(rb"v(\d{1,4})(?:\.\.(\d{1,4}))?(?: ([ -~]{0,200}))?\0?", payload)
    if group is None:
        raise WireError("handshake", f"not a TWS client's greeting: {payload[:40]!r}")
    return int(group[1]), int(group[2] or group[1]), (group[3] or b"").decode("ascii")


def write_hello(low: int, high: int, options: str = "") -> bytes:
    """All that a client sends first, its prefix and frame."""
    return PREFIX + frame(f"v{low}..{high}{' ' + options if options else ''}".encode("ascii"))


def read_welcome(payload: bytes) -> tuple[int, str]:
    """The gateway's first frame: the version that both now speak, and its time with its zone, as it writes it."""
    texts = texts_of(payload)
    if len(texts) != 2:
        raise WireError("handshake", f"not a Gateway's welcome: {payload[:40]!r}")
    return _int("version", texts[0]), texts[1]


def write_welcome(version: int, time: str) -> bytes:
    """The payload of that frame. time: `20260405 23:49:26 Central European Standard Time`."""
    return f"{version}\0{escape(time)}\0".encode("ascii")
