"""Not a bench: the recorded depth that the kernel's evidence is taken from, whatever symbols and days there are."""

from __future__ import annotations

from collections.abc import Iterator

from scizor.base.paths import recordings_directory
from scizor.jobs import features_input
from scizor.jobs.features_input import Piece, Recording

BYTES_MIN = 100_000  # of a file: what is shorter is a sample of a format, and no session


def pieces(*kinds: str, bytes_min: int = BYTES_MIN) -> list[Piece]:
    """Sessions of these kinds, in the order of their names; none where there are no recordings."""
    folder = recordings_directory()
    if folder is None:
        return []
    return [each for each in features_input.find(folder) if each.kind in kinds and each.path.stat().st_size > bytes_min]


def deepest(*kinds: str) -> Iterator[tuple[Piece, Recording]]:
    """Of each symbol the session with most in it."""
    found = pieces(*kinds)
    for symbol in sorted({each.symbols[0] for each in found}):
        best = max((each for each in found if each.symbols[0] == symbol), key=lambda each: (each.levels, each.path.stat().st_size))
        yield best, features_input.load(best)
