"""Foreign text made harmless: for a header, and for a body. What is dangerous in SQL is none of this room's business."""

from __future__ import annotations

import unicodedata

LINE_MAX = 180  # characters


def one_line(text: str) -> str:
    """Text for a header: no control characters, no line ends of any alphabet, no change of direction; and short.

    "=?" is taken apart: email.message decodes RFC 2047 words in what it is given, line ends included, and writes those
    out as new headers (seen with =?utf-8?q?x=0D=0ABcc:...?= on Python 3.11).
    """
    printable = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    line = " ".join(printable.split()).replace("=?", "= ?")
    return line if len(line) <= LINE_MAX else line[: LINE_MAX - 1] + "…"


def plain(text: str) -> str:
    """Text for a body: line ends are the only control characters, and what is no Unicode is shown as '?'."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return "".join(each if each == "\n" or unicodedata.category(each)[0] != "C" else "?" for each in lines)
