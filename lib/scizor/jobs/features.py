"""bin/features: the five signals and the score from a recording, by the same kernel that the daemon feeds.

One symbol at a time goes through the kernel in the order of its events: accumulators first, then a snapshot at each instant of a
grid. A new piece of a recording begins its book anew and keeps what was accumulated, as a feed does that was lost over night.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from scizor.base.errors import ConfigurationError, UsageError
from scizor.base.exit import Exit
from scizor.base.paths import recordings_directory
from scizor.base.progress import progress
from scizor.jobs import features_input, listing
from scizor.jobs.features_input import Piece, Recording
from scizor.run.context import Context, Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scizor.features import State

COLUMNS = ("symbol", "time", "bid", "ask", "s1_flow", "s2_depth", "s3_trade", "s4_absorb", "s5_slice", "kappa", "score", "valid")
SIGNALS = ("s1", "s2", "s3", "s4", "s5")
NAMES = dict(zip(("s1_flow", "s2_depth", "s3_trade", "s4_absorb", "s5_slice"), SIGNALS, strict=True))
SCORED = 32
SECOND_NS = 1_000_000_000
ROWS_MAX = 1_000_000  # of a table that a person asked for


@dataclass(frozen=True, slots=True)
class Series:
    """Of one symbol: times (n,) ns UTC, rows (n,) OUTPUT, price_unit the price of a tick. refused: events that the kernel
    would not apply."""

    symbol: str
    label: str
    price_unit: float
    times: NDArray[np.int64]
    rows: NDArray[np.void]
    events: int
    refused: int
    notes: tuple[str, ...]


def run(context: Context) -> Result:
    args = context.args
    if args.list:
        return _list(context)
    if args.every < 1 or args.top < 0:
        raise UsageError(f"--every {args.every} --top {args.top}: whole numbers above zero")
    if args.command == "sweep":
        from scizor.jobs import features_sweep

        return features_sweep.run(context)
    first, last = window(args.first, args.last)
    wanted = pieces_of(context, args.symbol, first, last)
    if args.plot and len(wanted) != 1:
        raise UsageError(f"--plot draws one symbol, and these are {len(wanted)}", hint="--symbol CODE")
    step, engine = args.every * SECOND_NS, device_of(context)
    found = list(ends(context, wanted, first, last, engine) if args.top else whole(context, wanted, first, last, step, engine))
    if not found:
        return Result("no event of it lies in that time", Exit.FINDING, hint="bin/features --list shows what there is")
    if args.plot:
        from scizor.jobs import features_plot

        features_plot.draw(found[0], args.plot)
    for each in found:
        for note in each.notes:
            context.log.warning("%s: %s", each.symbol, note)
    rows = top(found, args.top) if args.top else [row for each in found for row in table(each)]
    print(listing.render(rows, COLUMNS, args.form))
    told = "; ".join(dict.fromkeys(each.label + (f", {each.refused:,} refused" if each.refused else "") for each in found))
    return Result(told + (f"; drawn in {args.plot}" if args.plot else ""))


def whole(
    context: Context, wanted: Mapping[str, Sequence[Piece]], first: int, last: int, step: int, engine: ModuleType
) -> Iterator[Series]:
    """Each symbol's snapshots on the grid; none of a symbol without an event in that time."""
    with progress("features", len(wanted)) as advance:
        for symbol, chosen in wanted.items():
            if context.stop.is_asked:
                return
            advance(0, text=symbol)
            found = series(context, symbol, chosen, first, last, step, engine)
            if len(found.rows):
                yield found
            advance()


def ends(context: Context, wanted: Mapping[str, Sequence[Piece]], first: int, last: int, engine: ModuleType) -> Iterator[Series]:
    """Each symbol at the end of that time, of one row: every piece is read once and goes through the kernel once, whole."""
    import numpy as np

    from scizor.features import make_output, make_state

    states: dict[tuple[str, ...], State] = {}
    rows: dict[str, Series] = {}
    chosen = sorted({piece for pieces in wanted.values() for piece in pieces}, key=lambda piece: (piece.first or date.min, str(piece.path)))
    with progress("features", len(chosen)) as advance:
        for piece in chosen:
            if context.stop.is_asked:
                break
            advance(0, text=piece.path.name)
            recording = features_input.load(piece)
            events = recording.events[: np.searchsorted(recording.events["ts"], last)]
            if len(events) and int(events["ts"][-1]) >= first:
                state = states.setdefault(
                    recording.symbols, make_state(len(recording.symbols), min(recording.levels, context.args.levels or recording.levels))
                )
                count = np.bincount(events["symbol"], minlength=len(recording.symbols))
                refused = engine.apply(state, np.concatenate([resets(events, len(recording.symbols)), events]))
                out = make_output(state)
                engine.evaluate(state, int(events["ts"][-1]), out)
                for place, name in enumerate(recording.symbols):
                    if piece in wanted.get(name.upper(), ()) and count[place]:
                        label = f"{recording.label}, {len(events):,} events"
                        rows[name.upper()] = Series(
                            name.upper(), label, recording.price_units[place], out["ts"][place : place + 1], out[place : place + 1],
                            int(count[place]), refused, recording.notes,
                        )  # fmt: skip
            advance()
    yield from rows.values()


def resets(events: NDArray[np.void], symbols: int) -> NDArray[np.void]:
    """The book of every symbol begins anew at the first of the events."""
    import numpy as np

    from scizor.market.events import LAST, RESET, UNKNOWN

    found = np.zeros(symbols, events.dtype)
    found["ts"], found["op"], found["side"], found["flags"] = events["ts"][0], RESET, UNKNOWN, LAST
    found["symbol"] = np.arange(symbols)
    return found


def window(first: str, last: str) -> tuple[int, int]:
    """[start, end) in ns UTC of what --from and --to say: instants, or days of which the last is included."""
    if not first:
        raise UsageError("--from is missing", hint="bin/features --list shows what is recorded")
    begin, _ = _instant(first, "--from")
    until, is_day = _instant(last or first[:10], "--to")
    if is_day:
        until += 86_400 * SECOND_NS
    if until <= begin:
        raise UsageError(f"--to {last} is not after --from {first}")
    return begin, until


def pieces_of(context: Context, symbols: Sequence[str], first: int, last: int) -> dict[str, list[Piece]]:
    """What the recordings hold of these symbols (of all, where none is named), by symbol. UsageError names what is not there."""
    known = recorded(context)
    names = sorted({each.upper() for piece in known for each in piece.symbols})
    begin, end = _day(first), _day(last - 1)
    found = {each.upper(): features_input.choose(known, each, begin, end) for each in (symbols or names)}
    absent = [each for each in symbols if not found[each.upper()]]
    if absent:
        from scizor.market.table import nearest

        which = absent[0].upper()
        where = sorted({f"{piece.first or 'any day'}" for piece in known if which in (each.upper() for each in piece.symbols)})
        said = f"it is recorded on {', '.join(where)}" if where else f"recorded are {', '.join(names[:20])}"
        raise UsageError(f"{which} is not recorded from {begin} to {end}{nearest(which, names) if not where else ''}", hint=said)
    return {name: pieces for name, pieces in found.items() if pieces}


def recorded(context: Context) -> list[Piece]:
    """All pieces of the folder of recordings. ConfigurationError where there is no folder, or nothing in it."""
    folder = context.args.recordings or recordings_directory(context.config.paths.recordings)
    if folder is None:
        raise ConfigurationError("there is no folder of recordings", hint="--recordings DIR, SCIZOR_RECORDINGS, or [paths] recordings")
    known = features_input.find(Path(folder))
    if not known:
        raise ConfigurationError(f"nothing in {folder} is a recording of depth", hint="--recordings DIR names another folder or a file")
    return known


def _list(context: Context) -> Result:
    rows = [
        {"symbols": " ".join(each.symbols), "kind": each.kind, "first": each.first, "last": each.last, "levels": each.levels, "file": each.path.name}
        for each in recorded(context)
    ]  # fmt: skip
    print(listing.render(rows, ("symbols", "kind", "first", "last", "levels", "file"), context.args.form))
    return Result()


def series(context: Context, symbol: str, pieces: Sequence[Piece], first: int, last: int, step: int, engine: ModuleType) -> Series:
    """Snapshots of one symbol on the grid of `step` ns, and one at the end of what was recorded."""
    import numpy as np

    from scizor.features import OUTPUT, make_state

    label, unit, notes, refused, count = "", 1.0, list[str](), 0, 0
    times: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    rows: list[NDArray[np.void]] = [np.empty(0, OUTPUT)]
    state: State | None = None
    for recording, events in loaded(pieces, symbol, first, last):
        if state is None or unit != recording.price_units[0]:  # prices of another tick cannot go on in the same book
            state = make_state(1, min(recording.levels, context.args.levels or recording.levels))
        label, unit = recording.label, recording.price_units[0]
        notes += recording.notes
        if not len(events):
            continue
        grid = np.arange(-(-int(events["ts"][0]) // step) * step, int(events["ts"][-1]) + 1, step, dtype=np.int64)
        grid = np.unique(np.append(grid[grid >= first], events["ts"][-1]))
        shown, wrong = snapshots(state, events, grid, engine)
        times.append(grid)
        rows.append(shown)
        refused += wrong
        count += len(events)
    label = f"{label}, {count:,} events"
    return Series(symbol, label, unit, np.concatenate(times), np.concatenate(rows), count, refused, tuple(notes))


def loaded(pieces: Sequence[Piece], symbol: str, first: int, last: int) -> Iterator[tuple[Recording, NDArray[np.void]]]:
    """Each piece, and the symbol's events of it in [first, last) as symbol 0, behind a RESET."""
    import numpy as np

    for piece in pieces:
        recording = features_input.load(piece)
        names = [each.upper() for each in recording.symbols]
        place = names.index(symbol) if symbol in names else 0
        mine = recording.events if len(names) == 1 else recording.events[recording.events["symbol"] == place]
        # the book before `first` is needed from its beginning; what is shown is chosen by the grid
        mine = mine[: np.searchsorted(mine["ts"], last)]
        if len(mine) and int(mine["ts"][-1]) >= first:
            mine = np.concatenate([resets(mine, 1), mine])
            mine["symbol"] = 0
        else:
            mine = mine[:0]
        units = (recording.price_units[place],)
        yield Recording(recording.label, (symbol,), units, recording.levels, mine, recording.notes), mine


def snapshots(
    state: State, events: NDArray[np.void], grid: NDArray[np.int64], engine: ModuleType
) -> tuple[NDArray[np.void], int]:
    """(OUTPUT at each instant of the grid, refused events). An event of the instant itself is part of it."""
    import numpy as np

    from scizor.features import OUTPUT, make_output

    out, found, refused, at = make_output(state), np.zeros(len(grid), OUTPUT), 0, 0
    for place, end in enumerate(np.searchsorted(events["ts"], grid, side="right").tolist()):
        refused += engine.apply(state, events[at:end])
        engine.evaluate(state, int(grid[place]), out)
        found[place] = out[0]
        at = end
    return found, refused


def device_of(context: Context) -> ModuleType:
    """The module that applies and evaluates on the device that --device names; the CPU, with a word of it, where there is none."""
    import scizor.features as cpu

    if context.args.device == "cuda":
        from scizor.features import cuda

        reason = cuda.why_not()
        if not reason:
            context.log.info("on %s", cuda.device_name())
            return cuda
        print(f"features: {reason}: the CPU computes the same numbers", file=sys.stderr)
    return cpu


def table(each: Series) -> list[listing.Row]:
    """Rows for people: prices, signals rounded to what they can mean, `valid` the numbers of the signals that may be used."""
    if len(each.rows) > ROWS_MAX:
        raise UsageError(f"{len(each.rows):,} rows of {each.symbol}", hint="--every SECONDS, or a shorter time")
    return [_row(each, at) for at in range(len(each.rows))]


def top(found: Sequence[Series], count: int) -> list[listing.Row]:
    """The last row of each symbol, the highest score first; those without a score come last."""
    last = [(each, len(each.rows) - 1) for each in found]
    last.sort(key=lambda pair: (not pair[0].rows["valid"][-1] & SCORED, -float(pair[0].rows["score"][-1]), pair[0].symbol))
    return [_row(each, at) for each, at in last[:count]]


def _row(each: Series, at: int) -> listing.Row:
    row = each.rows[at]
    valid = int(row["valid"])
    prices = {name: float(row[name]) * each.price_unit if int(row[name]) > -(2**31) else None for name in ("bid", "ask")}
    return {
        "symbol": each.symbol, "time": f"{datetime.fromtimestamp(int(each.times[at]) // SECOND_NS, UTC):%Y-%m-%d %H:%M:%S}",
        **{name: None if price is None else round(price, 6) for name, price in prices.items()},
        **{shown: round(float(row[name]), 4) if valid >> place & 1 else None for place, (shown, name) in enumerate(NAMES.items())},
        "kappa": round(float(row["kappa"]), 4), "score": round(float(row["score"]), 2) if valid & SCORED else None,
        "valid": "".join(str(place + 1) for place in range(5) if valid >> place & 1),
    }  # fmt: skip


def _instant(text: str, option: str) -> tuple[int, bool]:
    """(ns UTC, whether it is a day)."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text} is no day or instant", hint="2012-06-21, or 2012-06-21T14:30 in UTC") from None
    told = told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    return (told - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000, len(text) == 10


def _day(ns: int) -> date:
    return datetime.fromtimestamp(ns // SECOND_NS, UTC).date()
