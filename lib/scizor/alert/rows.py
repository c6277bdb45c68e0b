"""The book of alerts as rows, for a table, and as one file, for the time in which PostgreSQL is what died.

The file is a copy of the table while that can be reached, so that what was told is known without it; is_ahead says that more has
happened since, which the table must be told. It is replaced whole; one that cannot be read is as good as none: better told twice than never.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from scizor.alert.incidents import replace_file
from scizor.alert.rules import Alert, Book, Channel, Occasion, Silence, Telling
from scizor.base.paths import private_directory
from scizor.base.protocols import Severity

NAME = "book.json"
BYTES_MAX = 200_000_000
_ALERT = tuple(each.name for each in fields(Alert))  # dataclasses.asdict copies deeply: ten times as long, for 10,000 alerts
_TELLING = tuple(each.name for each in fields(Telling) if each.name != "alert")
_INSTANTS = frozenset({"first_at", "last_at", "resolved_at", "acked_at", "due_at", "next_at", "sent_at", "given_up_at"})


def book(alerts: Iterable[Mapping[str, Any]], tellings: Iterable[Mapping[str, Any]], silences: Iterable[tuple[str, str, datetime]] = ()) -> Book:
    """Raises ValueError, TypeError or KeyError for rows that are none."""
    names = {each.name for each in fields(Alert)}
    found = [Alert(**{**{name: value for name, value in row.items() if name in names}, "severity": Severity(row["severity"])}) for row in alerts]
    told = [
        Telling(
            (row["fingerprint"], row["first_at"]), Channel(row["channel"]), Occasion(row["occasion"]), row["due_at"], row["next_at"],
            row["attempts"], row["sent_at"], row["given_up_at"], row["last_error"] or "", row["instead_of"],
        )
        for row in tellings
    ]  # fmt: skip
    return Book(silences=tuple(Silence(*each) for each in silences)).having(found, told)


def alert_rows(alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    return [{**{name: getattr(each, name) for name in _ALERT}, "fingerprint": each.fingerprint} for each in alerts]


def telling_rows(tellings: Iterable[Telling]) -> list[dict[str, Any]]:
    found = []
    for each in tellings:
        row: dict[str, Any] = {name: getattr(each, name) for name in _TELLING}
        row["fingerprint"], row["first_at"] = each.alert
        found.append(row)
    return found


def save(directory: Path, state: Book, *, is_ahead: bool) -> None:
    """Raises OSError."""
    private_directory(directory)
    whole = {"is_ahead": is_ahead, "alerts": alert_rows(state.alerts.values()), "tellings": telling_rows(state.tellings.values())}
    whole["silences"] = [[each.rule, each.scope, each.until] for each in state.silences]
    replace_file(directory / NAME, json.dumps(whole, default=datetime.isoformat).encode("utf-8", "replace"))


def load(directory: Path) -> tuple[Book, bool]:
    """The book, and whether the table has still to be told of it."""
    path = directory / NAME
    try:
        if path.stat().st_size > BYTES_MAX:
            return Book(), False
        whole = json.loads(path.read_bytes())
        silences = [(str(rule), str(scope), datetime.fromisoformat(until)) for rule, scope, until in whole["silences"]]
        return book(map(_row, whole["alerts"]), map(_row, whole["tellings"]), silences), bool(whole["is_ahead"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Book(), False


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(row)
    for name in _INSTANTS & found.keys():
        if found[name] is not None:
            found[name] = datetime.fromisoformat(found[name])
            if found[name].tzinfo is None:
                raise ValueError("not an instant")
    return found
