"""bin/indicators: which series, and for each: load its bars, compute, and store, export or show.

One series at a time, so memory is one series': run.history.load (table and files) -> archive.values.arrays ->
features.indicators.compute -> db.indicators.store or a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from scizor.archive import table, values
from scizor.base.errors import FindingError, UsageError
from scizor.base.exit import Exit
from scizor.base.progress import progress
from scizor.db import indicators as stored
from scizor.db import symbols as stored_symbols
from scizor.db.indicators import Wanted
from scizor.features.indicators import Columns, compute
from scizor.market import due
from scizor.market.pieces import Piece
from scizor.market.types import Timeframe
from scizor.run import history
from scizor.run.context import Context, Result

SHOWN = ("close", "sma_20", "sma_200", "ema_12", "rsi_14", "macd", "macd_signal", "bollinger_lower", "bollinger_upper", "atr_14", "stochrsi_k", "vwap")
EVER = datetime(1900, 1, 1, tzinfo=UTC), datetime(2150, 12, 31, tzinfo=UTC)


def run(context: Context) -> Result:
    args = context.args
    _refuse_contradictions(context)
    wanted = choose(context)
    waiting = [each for each in wanted if args.export or not args.store or not each.is_current]
    if args.dry_run:
        print("\n".join([f"{len(waiting)} series of {len(wanted)}", *(f"  {each.symbol} {each.series.timeframe}" for each in waiting)]))
        return Result(was_idle=True)
    span = span_of(context)
    rows, done, failures, shown = 0, 0, [], []
    with progress("indicators", len(waiting)) as advance:
        for each in waiting:
            if context.stop.is_asked:
                break
            try:
                bars = history.load(context.connection, each.symbol, each.series, each.origin, *EVER)
            except FindingError as problem:
                failures.append(f"{each.symbol} {each.series.timeframe}: {problem.message}")
                continue
            found = values.beside(bars, compute(Columns(**values.arrays(bars))))
            if args.store and bars.num_rows:
                rows += stored.store(context.connection, each.series, values.text(found), table.counted(bars), context.clock.now())
            if args.export:
                part = values.cut(found, *span)
                values.write(part, folder_of(context) / f"{place(each)}.{args.format}")
                rows += 0 if args.store else part.num_rows
            if not (args.store or args.export):
                shown.append((each, values.last(found)))
            done += 1
            advance(text=each.symbol)
    if shown:
        print(show(shown))
    summary = f"{done} of {len(wanted)} series, {rows:,} rows" if args.store or args.export else ""
    result = Result(summary, failures=failures, was_idle=not done and not failures, counts={"targets": len(waiting), "succeeded": done, "rows_stored": rows})
    if failures:
        result.status, result.kind, result.hint = Exit.FINDING, "archive", "bin/export --verify says which files are damaged"
    elif done < len(waiting):
        result.status, result.hint = Exit.PARTIAL, "run it again"
    return result


def choose(context: Context) -> list[Wanted]:
    """The series that the options name."""
    args, symbols = context.args, None
    if args.symbol:
        found = stored_symbols.load_instruments(context.connection, context.clock.now(), args.symbol, inactive=True)
        symbols = [each.symbol_id for each in found]
    return stored.series(context.connection, symbols=symbols, timeframes=args.timeframe or None, source=args.source)


def folder_of(context: Context) -> Path:
    named = context.args.folder
    return Path(named).expanduser().resolve() if named else context.paths.state / "indicators"


def place(each: Wanted) -> str:
    """As in the archive, without a year: 1day/CBA/TRADES-ib-regular."""
    return str(Path(Piece(each.symbol, each.series.timeframe, each.origin, 2000, *EVER).path).parent)


def span_of(context: Context) -> tuple[datetime, datetime]:
    """[start, end) of what is exported."""
    start, end = EVER
    latest = due.latest_today(context.clock.now())
    if context.args.first:
        start = datetime.combine(due.parse_date(context.args.first, latest), time(), UTC)
    if context.args.last:
        end = datetime.combine(due.parse_date(context.args.last, latest), time(), UTC) + timedelta(days=1)
    if start >= end:
        raise UsageError("--from and --to leave no day")
    return start, end


def show(rows: Sequence[tuple[Wanted, dict[str, object]]]) -> str:
    """One line a series: when, and its newest values; a dash where there are too few bars."""
    lines = [["symbol", "size", "at (UTC)", *SHOWN]]
    for each, last in rows:
        at = last.get("timestamp")
        when = "-" if not isinstance(at, datetime) else f"{at:%Y-%m-%d}" if each.series.timeframe is Timeframe.DAY1 else f"{at:%Y-%m-%d %H:%M}"
        lines.append([each.symbol, str(each.series.timeframe), when, *(_short(last.get(name)) for name in SHOWN)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if column < 3 else cell.rjust(width) for column, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
        for line in lines
    )  # fmt: skip


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:.2f}" if isinstance(value, float) else "-"


def _refuse_contradictions(context: Context) -> None:
    args = context.args
    if unknown := [each for each in args.timeframe if each not in list(Timeframe)]:
        raise UsageError(f"--timeframe {unknown[0]} is none of {', '.join(Timeframe)}")
    if not args.export and (args.folder or args.first or args.last or args.format != "parquet"):
        raise UsageError("--folder, --format, --from and --to go with --export")
