"""A crontab as text: parsed, moved by some minutes, and put into another one as a block of its own. Pure.

The format is crontab(5) of Debian's cron (vixie): five fields and a command, NAME=value settings that hold for all lines
below them, # comments in lines of their own, no % in a command. Only what scizor's own table uses is understood in the five
fields: numbers, lists, ranges, steps, *.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from scizor.base.errors import ConfigurationError

SETTING = re.compile(r"([A-Za-z_]\w*)\s*=\s*(.*)")
BUSY_MINUTES = frozenset({0, 15, 30, 45})  # when everybody else's jobs start
OFFSET_MAX = 14  # after a quarter of an hour the minutes repeat themselves
BEGIN, END = "# scizor begins: {}", "# scizor ends: {}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that fires. fields: minute, hour, day of the month, month, day of the week, as written."""

    fields: tuple[str, str, str, str, str]
    command: str

    @property
    def minutes(self) -> tuple[int, ...]:
        return values(self.fields[0], 0, 59)

    def __str__(self) -> str:
        return f"{' '.join(self.fields)}  {self.command}"


def entries(text: str) -> list[Entry]:
    """What fires in a table of scizor's own. Raises ConfigurationError for a line that is none."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#") or SETTING.fullmatch(line.strip()):
            continue
        fields = line.split(None, 5)
        if len(fields) < 6 or "%" in fields[5]:
            raise ConfigurationError(f"line {number} of the crontab is no entry: {line[:80]!r}", hint="see cron/scizor.crontab, which git restores")
        found.append(Entry((fields[0], fields[1], fields[2], fields[3], fields[4]), fields[5]))
    return found


def settings(text: str) -> dict[str, str]:
    """NAME=value lines, the last of each; cron takes off quotes around a value."""
    found = [SETTING.fullmatch(line.strip()) for line in text.splitlines() if not line.lstrip().startswith("#")]
    return {each[1]: re.sub(r"""^(['"])(.*)\1$""", r"\2", each[2].strip()) for each in found if each}


def values(field: str, low: int, high: int) -> tuple[int, ...]:
    """The numbers that a field means, ascending. Raises ConfigurationError for names and other notations."""
    found: set[int] = set()
    for part in field.split(","):
        match = re.fullmatch(r"(\*|\d+)(?:-(\d+))?(?:/(\d+))?", part)
        if match is None or (match[1] == "*" and match[2]) or match[3] == "0":
            raise ConfigurationError(f"{field!r} is no list of numbers, ranges and steps", hint="see cron/scizor.crontab, which git restores")
        first = low if match[1] == "*" else int(match[1])
        last = int(match[2]) if match[2] else high if match[1] == "*" or match[3] else first
        if not low <= first <= last <= high:
            raise ConfigurationError(f"{field!r} leaves {low}–{high}")
        found.update(range(first, last + 1, int(match[3] or 1)))
    return tuple(sorted(found))


def moved(entry: Entry, minutes: int) -> Entry | None:
    """The same entry `minutes` later (0 to 59); None where that cannot be said in one line, as beyond midnight of a named day."""
    if minutes == 0 or entry.fields[0] == "*":
        return entry
    later = [minute + minutes for minute in entry.minutes]
    minute = ",".join(map(str, sorted(each % 60 for each in later)))
    if max(later) < 60 or entry.fields[1:] == ("*",) * 4:
        return replace(entry, fields=(minute, *entry.fields[1:]))
    hours = [each + 1 for each in values(entry.fields[1], 0, 23)]
    if min(later) < 60 or max(hours) > 23:
        return None
    return replace(entry, fields=(minute, ",".join(map(str, hours)), *entry.fields[2:]))


def offsets(table: list[Entry]) -> list[int]:
    """By how many minutes the whole table can move: no distance changes, nothing starts at a busy minute. Never empty: 0 is in it."""
    return [0] + [
        each for each in range(1, OFFSET_MAX + 1)
        if all((to := moved(entry, each)) and (entry.fields[0] == "*" or not BUSY_MINUTES & set(to.minutes)) for entry in table)
    ]  # fmt: skip


def offset(table: list[Entry], host: str) -> int:
    """The host's own of them, always the same: two hosts on one login or database do not start in the same second."""
    possible = offsets(table)
    return possible[int.from_bytes(hashlib.sha256(host.encode()).digest()[:8]) % len(possible)]


def block(name: str, lines: list[str]) -> str:
    return "\n".join([BEGIN.format(name), *lines, END.format(name)]) + "\n"


def without(text: str, name: str) -> str:
    """The table without the block of that name, every other byte as it was. Raises ConfigurationError for half a block."""
    begin, end = BEGIN.format(name), END.format(name)
    lines = text.splitlines(keepends=True)
    bare = [line.strip() for line in lines]
    if bare.count(begin) == bare.count(end) == 0:
        return text
    if bare.count(begin) != 1 or bare.count(end) != 1 or bare.index(end) < bare.index(begin):
        raise ConfigurationError(f"the crontab has half a block of {name}", hint=f"crontab -e, and mend the lines {begin!r} and {end!r}")
    return "".join(lines[: bare.index(begin)] + lines[bare.index(end) + 1 :])


def with_block(text: str, name: str, new: str) -> str:
    """The table with that block at its end: its settings then hold for no line of anybody else."""
    rest = without(text, name)
    return rest + ("\n" if rest and not rest.endswith("\n") else "") + new
