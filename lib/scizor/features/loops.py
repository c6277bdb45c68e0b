"""Loops over events and symbols: undecorated, compiled for the CPU. A symbol that is not there, or whose
row of parameters is not, is refused."""

from __future__ import annotations

from typing import Any

from scizor.features.formulas import evaluate
from scizor.features.steps import step
from scizor.market.book.rows import U


def apply_events(records: Any, table: Any, events: Any) -> int:
    """Accumulators only. Returns how many events were refused."""
    refused = 0
    symbols = records.shape[0]
    for i in range(events.shape[0]):
        symbol = int(events[i]["symbol"])
        if symbol < symbols and int(records[U(symbol)]["parameter"]) < table.shape[0]:
            rec = records[U(symbol)]
            refused += step(rec, table[U(rec["parameter"])], events[i])
        else:
            refused += 1
    return refused


def apply_evaluate_events(records: Any, table: Any, events: Any, out: Any) -> int:
    """And all numbers of its symbol after every event, at its time, into out[i]."""
    refused = 0
    symbols = records.shape[0]
    for i in range(events.shape[0]):
        symbol = int(events[i]["symbol"])
        out[i]["symbol"] = symbol
        if symbol < symbols and int(records[U(symbol)]["parameter"]) < table.shape[0]:
            rec = records[U(symbol)]
            p = table[U(rec["parameter"])]
            refused += step(rec, p, events[i])
            evaluate(rec, p, 0, out[i])
        else:
            refused += 1
            out[i]["valid"] = 0
    return refused


def evaluate_symbols(records: Any, table: Any, now: int, out: Any) -> None:
    """A snapshot: out[i] is symbol i at `now`."""
    for i in range(records.shape[0]):
        out[i]["symbol"] = i
        if int(records[i]["parameter"]) < table.shape[0]:
            evaluate(records[i], table[U(records[i]["parameter"])], now, out[i])
        else:
            out[i]["valid"] = 0
