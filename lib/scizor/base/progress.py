"""Progress for a person who watches: a bar with an ETA on stderr, and nothing at all when stderr is no terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Protocol


class Progress(Protocol):
    def __call__(self, done: int = 1, *, text: str = "", total: int | None = None) -> None:
        """`done` more are done; `text` says what is in hand; `total` replaces the total."""
        ...


@contextlib.contextmanager
def progress(title: str, total: int, *, is_wanted: bool | None = None) -> Iterator[Progress]:
    """A progress bar while the body runs. is_wanted: None asks whether stderr is a terminal."""
    if is_wanted is None:
        is_wanted = sys.stderr.isatty()
    if not is_wanted:
        yield _nothing
        return
    # rich costs 0.1 s to import, and cron never needs it
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("ETA"), TimeRemainingColumn(), TextColumn("{task.fields[text]}"),
    )  # fmt: skip
    with Bar(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(title, total=total, text="")

        def advance(done: int = 1, *, text: str = "", total: int | None = None) -> None:
            bar.update(task, advance=done, total=total, text=text)

        yield advance


def _nothing(done: int = 1, *, text: str = "", total: int | None = None) -> None:
    """Nobody watches."""
