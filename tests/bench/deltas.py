"""Not a bench: the recorded market-by-order day as level changes by price, for the books that are measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scizor.jobs.features_input import unpacked
from scizor.market.events import LEVEL, TRADE
from scizor.market.feeds import databento
from tests.bench.kernel_recordings import pieces


def largest() -> tuple[str, NDArray[np.void]] | None:
    """A label and LEVEL and TRADE events of the instrument with most of them; None where no such day is recorded."""
    days = sorted(pieces("Databento"), key=lambda piece: piece.path.stat().st_size, reverse=True)
    for piece in days:
        data = unpacked(piece.path)
        about = databento.metadata(data)
        kind = databento.kind_of(data, about.end)
        if kind != databento.MBO:
            continue
        events = databento.convert(databento.read(data, kind, about.end), kind).events
        events = events[(events["op"] == LEVEL) | (events["op"] == TRADE)]
        most = int(np.bincount(events["symbol"]).argmax())
        events = events[events["symbol"] == most].copy()
        events["symbol"] = 0
        return f"{piece.symbols[0]} {piece.first}, {len(events):,} events", events
    return None


def saved(events: NDArray[np.void], folder: Path) -> Path:
    """For the process that runs where the rivals are."""
    file = folder / "events.npy"
    np.save(file, events)
    return file
