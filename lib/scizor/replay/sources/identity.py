"""conIds for instruments whose real one is unknown: made up, the same for ever, in every process.

A code of up to five letters and digits is written into the number, so that a source that knows no list (the simulated
market) can read it back after a restart. Longer names get a number from their hash. IB's own are below a thousand million.
"""

from __future__ import annotations

import re
from hashlib import sha256

FIRST = 1_000_000_000
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CODE = re.compile(r"[A-Z0-9]{1,5}")
_BASE = len(_DIGITS) + 1  # 0 stands for "no letter"
_ROOM = _BASE**5
#: Append only: the place is part of the number. An index is no share of its exchange, and may share a code with one.
_EXCHANGES = ("ASX", "NASDAQ", "NYSE", "ARCA", "AMEX", "BATS", "CBOE IND", "ASX IND", "NASDAQ IND", "NYSE IND")
_HASHED = FIRST + 16 * _ROOM
_LAST = 2**31 - 1


def place_of(exchange: str, sec_type: str = "STK") -> str:
    """Where an instrument is at home, as the first half of its name in this room: an index apart from the shares."""
    return f"{exchange} IND" if sec_type == "IND" else exchange


def made_up(exchange: str, symbol: str) -> int:
    """A positive 32-bit number for an instrument, by the exchange where it is listed and its symbol."""
    if exchange in _EXCHANGES and _CODE.fullmatch(symbol):
        number = 0
        for letter in symbol:
            number = number * _BASE + _DIGITS.index(letter) + 1
        return FIRST + _EXCHANGES.index(exchange) * _ROOM + number
    digest = int.from_bytes(sha256(f"{exchange}/{symbol}".encode()).digest()[:8])
    return _HASHED + digest % (_LAST - _HASHED)


def read_back(con_id: int) -> tuple[str, str] | None:
    """(exchange, symbol) of a number that `made_up` wrote them into; None for every other one."""
    place, number = divmod(con_id - FIRST, _ROOM)
    if con_id <= FIRST or not 0 <= place < len(_EXCHANGES) or not number:
        return None
    symbol = ""
    while number:
        number, digit = divmod(number, _BASE)
        if not digit:
            return None
        symbol = _DIGITS[digit - 1] + symbol
    return _EXCHANGES[place], symbol
