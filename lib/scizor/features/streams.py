"""Kernels with a thread a stream: undecorated, compiled for the GPU by cuda.py. Record i is stream i's."""

from __future__ import annotations

from typing import Any

from scizor.features.formulas import evaluate
from scizor.features.steps import step

#: numba.cuda, put here by who compiles: it is not imported before it is needed.
cuda: Any = None


def apply_streams(records: Any, table: Any, events: Any, starts: Any, refused: Any) -> None:
    """events[starts[stream]:starts[stream + 1]] into the stream's record, accumulators only."""
    stream = cuda.grid(1)
    if stream < records.shape[0]:
        for i in range(starts[stream], starts[stream + 1]):
            refused[stream] += step(records[stream], table[records[stream]["parameter"]], events[i])


def apply_evaluate_streams(records: Any, table: Any, events: Any, starts: Any, refused: Any, out: Any) -> None:
    """And all numbers after every event into out[event]."""
    stream = cuda.grid(1)
    if stream < records.shape[0]:
        for i in range(starts[stream], starts[stream + 1]):
            p = table[records[stream]["parameter"]]
            refused[stream] += step(records[stream], p, events[i])
            out[i]["symbol"] = stream
            evaluate(records[stream], p, 0, out[i])


def evaluate_streams(records: Any, table: Any, now: int, out: Any) -> None:
    """A snapshot at `now` into out[stream]."""
    stream = cuda.grid(1)
    if stream < records.shape[0]:
        out[stream]["symbol"] = stream
        evaluate(records[stream], table[records[stream]["parameter"]], now, out[stream])
