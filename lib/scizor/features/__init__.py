"""Floor 2: numbers from arrays. Five signals of stealthy accumulation and one score, for every symbol, after every event.

Arrays in, arrays out: no clock, no files, no vendor. indicators holds the classical ones, by TA-Lib; all that follows here is
the kernel. The scalar source stands once, undecorated (steps: one event into one
record; formulas: all numbers of one record) and is compiled for CPU and GPU; the order of a symbol's own events alone decides
about every bit. make_state, then apply (accumulators), apply_evaluate (all numbers after every event) or evaluate (a snapshot).

    S1 flow    F/A: weighted net flow of the displayed size over its gross flow; weights 2^(-row/4), the last row 0
    S2 depth   clock-time average of I = (B-A)/(B+A), sizes by their distance from the mid
    S3 trade   signed over all traded volume
    S4 absorb  hidden execution and refill on the bid less that on the ask, over the classified volume
    S5 slice   equal prints of one sign within two minutes, by how rare their size is, over the traded volume
    kappa      slow illiquidity / (fast + slow): above 0.5, volume moves the price less than it used to
    score      100 kappa D, D = Z/sqrt(1+Z^2), Z the mean of the valid signals, each by the root of its second moment

Where the definition leaves room, it is read like this:

- A row is seen when it is one of the table's `levels`. A change behind them touches the rows and no number. A price-keyed
  feed reveals nothing, so a level that moves into the last seen row is no operation.
- I's factor s stands in every term and cancels: it is not multiplied in. Misordered rows count by |2d + spread| as written.
- The second moments are taken on the grid of whole UTC seconds: the first event of a symbol in a new second is preceded by one
  observation of each signal that is valid then, at that event's quantum; silent seconds repeat nothing. Their half-life
  is 2^20 quanta (4.9 h), the power of two next to a session. S1's raw flow has no part in it.
- The sign of a print: as told; by the quotes; at mid, and where the book is one-sided, locked or crossed, by the last price
  (of any print); then the last sign; before there is one, 0: counted in T and CT, in no signal.
- dm is taken from prints at which both sides stand and are not crossed; others leave the last mid as it was.
- S4: a print is at the touch when its price is the passive side's best, or was what that side's best showed within the refill
  window (depth may have come first). Then (ii): v - min(v, shown), shown the larger of what stands there and of what is
  remembered. Memory, a side: (price, size, until) of the best row, taken before row 0 changes; a smaller size does not
  replace a larger one of the same price within the window. Otherwise, strictly inside a spread, (i): all of v for the side
  that the quotes say, at mid half each. Otherwise nothing.
- S4 (iii): the slot takes the part of a classified print that (i) and (ii) did not take already, so that nothing is absorbed
  twice; it adds up while prints at its price follow one another within the window. With that, the slot's `owed` of the
  definition has nothing left to say. A_side and X take no odd lots (where the event says so); X is classified volume of both sides.
- S5: the histogram counts prints; the share is read before the print is counted; a hit is looked for among the eight prints
  before it; an unsigned print enters the histogram only. bin = (v * 2654435761 mod 2^32) >> 27.
- HALT clears the rows as RESET does; nothing is valid before RESUME. WAITING falls when both sides stand again.
- An instant beyond the landmark's reach is evaluated with sums multiplied by the power of two that a rebase would use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scizor.features.cpu import apply, apply_evaluate, evaluate
    from scizor.features.parameter_table import PARAMETERS, parameters, rank_weights
    from scizor.features.state import OUTPUT, SCORED, State, make_output, make_state

__all__ = [
    "OUTPUT", "PARAMETERS", "SCORED", "State", "apply", "apply_evaluate", "evaluate", "make_output", "make_state", "parameters",
    "rank_weights",
]  # fmt: skip

#: Where each of them stands. Fetched when it is asked for: whoever wants an indicator must not pay for the compiler.
_HOMES = {
    **dict.fromkeys(("apply", "apply_evaluate", "evaluate"), "cpu"),
    **dict.fromkeys(("PARAMETERS", "parameters", "rank_weights"), "parameter_table"),
    **dict.fromkeys(("OUTPUT", "SCORED", "State", "make_output", "make_state"), "state"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no {name}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
