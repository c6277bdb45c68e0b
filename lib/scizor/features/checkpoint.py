"""A state as bytes and back: what was restored goes on with the same bits.

A first line says what it is and how long; a digest of the record's layout, so that another version's state is refused by name
instead of being read askew; a checksum of all that follows. Nothing is compressed: 2,000 symbols are 2 MB by position.
"""

from __future__ import annotations

import hashlib
import json
import zlib

import numpy as np

from scizor.features.parameter_table import PARAMETERS
from scizor.features.state import State, aligned, state_dtype

MAGIC = "scizor kernel state"
HEAD_BYTES_MAX = 4096


class CheckpointError(ValueError):
    """These bytes are no state that can be restored here; the text says why."""


def checkpoint(state: State) -> bytes:
    """All of it. The caller sees to it that nobody applies events meanwhile (worker.held)."""
    body = state.parameters.tobytes() + state.records.tobytes()
    head = {
        "is": MAGIC, "symbols": len(state.records), "parameters": len(state.parameters), "depth": state.depth,
        "layout": layout(state.depth), "crc32": zlib.crc32(body),
    }  # fmt: skip
    return json.dumps(head).encode() + b"\n" + body


def restore(data: bytes) -> State:
    """The state that checkpoint() was given, or CheckpointError."""
    first, _, body = data.partition(b"\n")
    try:
        head = json.loads(first) if len(first) <= HEAD_BYTES_MAX else {}
        what, symbols, parameters, depth = head["is"], int(head["symbols"]), int(head["parameters"]), int(head["depth"])
        digest, crc32 = str(head["layout"]), int(head["crc32"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError("this is no checkpoint of the kernel") from error
    if what != MAGIC or symbols < 0 or parameters < 1 or not 0 < depth < 2**16:
        raise CheckpointError("this is no checkpoint of the kernel")
    if digest != layout(depth):
        raise CheckpointError("the checkpoint is of another version: its records are laid out otherwise")
    split, dtype = parameters * PARAMETERS.itemsize, state_dtype(depth)
    if len(body) != split + symbols * dtype.itemsize:
        raise CheckpointError(f"the checkpoint is cut: {len(body)} bytes of {split + symbols * dtype.itemsize}")
    if zlib.crc32(body) != crc32:
        raise CheckpointError("the checkpoint is damaged: its checksum is another")
    records = aligned(symbols, dtype)
    records[:] = np.frombuffer(body, dtype, symbols, split)
    return State(records, np.frombuffer(body, PARAMETERS, parameters).copy())


def layout(depth: int) -> str:
    """A digest of names, offsets and types."""
    text = f"{state_dtype(depth).descr} {PARAMETERS.descr}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
