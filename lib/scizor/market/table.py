"""Small tables that people edit: CSV in, checked rows out, or every problem at once with its line and column.

Spreadsheets put a byte-order mark in front, end lines with CR LF, guess dates and group digits. The first two do no
harm and are accepted; everything that could change a meaning is refused and named. No field may hold a line break, so
each line is read on its own: one unbalanced quote spoils one line and not the rest of the file.
"""

from __future__ import annotations

import csv
import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

BYTES_MAX = 4 * 1024 * 1024  # a file: the whole market of ASX is 0.2 MB
LINE_CHARACTERS_MAX = 4_000
TEXT_CHARACTERS_MAX = 200

#: A symbol begins with a letter or a digit; BRK.B, BF/A, BRK B, TLS.NASDAQ and APT.2017 are symbols.
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9 ./_-]{0,31}")


class Problem(NamedTuple):
    """What is wrong, where a person finds it: line counts from 1 and includes comments; column "" is the whole line."""

    file: str
    line: int
    column: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: " + (f"{self.column}: " if self.column else "") + self.text


class Row(NamedTuple):
    line: int
    values: dict[str, Any]


class Column(NamedTuple):
    """read: text to value; raises ValueError with what it should be. It is handed "" only where it is optional."""

    name: str
    read: Callable[[str], Any]
    is_optional: bool = False


def read(file: str, data: bytes, columns: Sequence[Column]) -> tuple[list[Row], list[Problem]]:
    """The rows that are right and the problems of the others; `file` is only a name for the messages.

    Lines that begin with # are comments, the first other line names the columns, in any order.
    """
    if len(data) > BYTES_MAX:
        return [], [Problem(file, 1, "", f"the file is {len(data):,} bytes, the limit is {BYTES_MAX:,}")]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return [], [Problem(file, 1, "", "this is UTF-16: save the file as UTF-8")]
    rows: list[Row] = []
    problems: list[Problem] = []
    header: list[str] | None = None
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        fields, wrong = _fields(raw)
        if wrong:
            problems.append(Problem(file, number, "", wrong))
        elif fields and header is None:
            header, found = _header(file, number, fields, columns)
            problems += found
            if found:
                return [], problems
        elif fields and header is not None:
            row, found = _row(file, number, fields, header, columns)
            problems += found
            if row is not None:
                rows.append(row)
    if header is None and not problems:
        problems.append(Problem(file, 1, "", "no line names the columns; expected " + ",".join(each.name for each in columns)))
    return rows, problems


def _fields(raw: bytes) -> tuple[list[str], str]:
    """The fields of one line, none for an empty line or a comment; or what is wrong with it."""
    raw = raw.removesuffix(b"\r")
    if len(raw) > LINE_CHARACTERS_MAX:
        return [], f"the line is {len(raw):,} characters long, the limit is {LINE_CHARACTERS_MAX:,}"
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        return [], f"byte {problem.start + 1} is not UTF-8"
    if not text.strip() or text.startswith("#"):
        return [], ""
    if "\r" in text or "\x00" in text:
        return [], "a control character in the line"
    try:
        return [each.strip() for each in next(csv.reader([text], strict=True))], ""
    except (csv.Error, StopIteration):
        return [], "unbalanced quotes"


def _header(file: str, number: int, fields: list[str], columns: Sequence[Column]) -> tuple[list[str], list[Problem]]:
    known = {each.name: each for each in columns}
    if len(fields) == 1 and ";" in fields[0]:
        return fields, [Problem(file, number, "", "columns are separated by ';', expected ','")]
    problems = []
    for name in fields:
        if name not in known:
            problems.append(Problem(file, number, name, "unknown column" + nearest(name, known)))
        elif fields.count(name) > 1:
            problems.append(Problem(file, number, name, "the column stands here twice"))
    missing = [name for name, each in known.items() if not each.is_optional and name not in fields]
    if missing:
        problems.append(Problem(file, number, "", "missing column " + ", ".join(missing)))
    return fields, problems


def _row(
    file: str, number: int, fields: list[str], header: list[str], columns: Sequence[Column]
) -> tuple[Row | None, list[Problem]]:
    if len(fields) != len(header):
        return None, [Problem(file, number, "", f"{len(fields)} fields, expected {len(header)}: {','.join(header)}")]
    given = dict(zip(header, fields, strict=True))
    values: dict[str, Any] = {}
    problems = []
    for column in columns:
        text = given.get(column.name, "")
        if not text and not column.is_optional:
            problems.append(Problem(file, number, column.name, "is empty"))
            continue
        try:
            values[column.name] = column.read(text)
        except ValueError as problem:
            problems.append(Problem(file, number, column.name, str(problem)))
    return (None if problems else Row(number, values)), problems


# ---- what a field may be: each takes the text of the file and raises ValueError with a sentence for a person


def symbol(text: str) -> str:
    """Upper case, checked. ValueError for anything that is not a symbol: quotes, paths, options, formulas, other scripts."""
    plain = text.upper() if text.isascii() else text
    if not _SYMBOL.fullmatch(plain) or ".." in plain or plain.endswith((" ", ".", "/")) or "//" in plain:
        raise ValueError(f"{quoted(text)} is not a valid symbol")
    return plain


def name(text: str) -> str:
    """A watch-list's name, as asx_professional; case counts."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", text):
        raise ValueError(f"{quoted(text)} is not a valid name, expected letters, digits, _ . and -, as in asx_professional")
    return text


def words(text: str) -> str:
    """Text for people, without control characters and without marks that turn the direction of writing."""
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ValueError(f"{len(text)} characters, the limit is {TEXT_CHARACTERS_MAX}")
    if any(unicodedata.category(each) in ("Cc", "Cf", "Cs", "Co") for each in text):
        raise ValueError(f"{quoted(text)} holds characters that nobody can see")
    return text


def code_like(pattern: str, example: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{quoted(text)} is not understood, expected for example {example}")
        return text

    return check


def day(text: str) -> date | None:
    """A date as 2022-01-20; "" is None. A spreadsheet's 20/01/2022, 20-Jan-22 or 44581 could mean another day."""
    if not text:
        return None
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise ValueError(f"{quoted(text)} is not a date as 2022-01-20")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{quoted(text)} is no day of the calendar") from None


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number in [low, high], digits only: 4,036,812 and 4.036.812 and 4E+06 are refused."""

    def check(text: str) -> int:
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
            raise ValueError(f"{quoted(text)} is not a whole number without separators")
        if not low <= int(text) <= high:
            raise ValueError(f"{text} must lie in {low} to {high}")
        return int(text)

    return check


def optional(check: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: check(text) if text else None


def truth(text: str) -> bool:
    """true or false; "" is false."""
    if text.lower() in ("true", "yes"):
        return True
    if text.lower() in ("false", "no", ""):
        return False
    raise ValueError(f"{quoted(text)} is neither true nor false")


def quoted(text: str) -> str:
    """The text as a person may safely see it: on one line, nothing invisible, not longer than a glance."""
    shown = ascii(text)
    return shown if len(shown) <= 60 else shown[:56] + "...'"


def nearest(wanted: str, known: Mapping[str, object] | Sequence[str]) -> str:
    """", did you mean X?" where something is near, else nothing. Codes are short: of three letters one may be wrong, but
    neither the first nor their number; a suggestion that is another company is worse than none."""
    for near in difflib.get_close_matches(wanted, list(known), n=5, cutoff=0.65):
        is_slip = len(near) == len(wanted) and near[:1] == wanted[:1]
        if is_slip or difflib.SequenceMatcher(None, near, wanted).ratio() >= 0.75:
            return f", did you mean {near}?"
    return ""
