"""The picture of one symbol's session: price, book pressure, score. Drawn without a screen, into one PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scizor.base.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from scizor.jobs.features import Series

SCORED = 32
INCHES = (12.0, 8.0)
DOTS_PER_INCH = 120


def draw(series: Series, file: Path) -> None:
    """Three panels over one clock (UTC). Where a signal or the score is not valid the line has a gap, and never a zero."""
    try:
        import matplotlib as mpl

        mpl.use("agg")
        from matplotlib import dates
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigurationError("matplotlib is not installed", hint="bin/setup, or leave out --plot") from None
    import numpy as np

    if file.suffix.lower() != ".png":
        raise UsageError(f"{file} is no PNG", hint="--plot FILE.png")
    rows = series.rows
    times = series.times.astype("datetime64[ns]")
    has_book = (rows["bid"] > -(2**31)) & (rows["ask"] > -(2**31))
    mid = np.where(has_book, (rows["bid"].astype(float) + rows["ask"].astype(float)) / 2 * series.price_unit, np.nan)
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    price, pressure, score = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    price.plot(times, mid, color="black", linewidth=0.9)
    price.set_ylabel("mid price")
    price.set_title(f"{series.symbol}: {series.label}", loc="left", fontsize=10)
    for name, bit, label, colour in (("s1", 1, "S1 flow", "tab:orange"), ("s2", 2, "S2 depth", "tab:blue")):
        pressure.plot(times, np.where(rows["valid"] & bit, rows[name], np.nan), color=colour, linewidth=0.8, label=label)
    pressure.set_ylabel("book pressure")
    pressure.set_ylim(-1, 1)
    pressure.legend(loc="upper left", fontsize=8, ncols=2)
    known = np.where(rows["valid"] & SCORED, rows["score"], np.nan)
    score.fill_between(times, known, 0, where=known > 0, color="tab:green", alpha=0.6, linewidth=0)
    score.fill_between(times, known, 0, where=known < 0, color="tab:red", alpha=0.6, linewidth=0)
    score.set_ylabel("score")
    score.set_ylim(-100, 100)
    score.set_xlabel("UTC")
    locator = dates.AutoDateLocator()  # type: ignore[no-untyped-call]
    score.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    for each in (pressure, score):
        each.axhline(0, color="grey", linewidth=0.6)
    try:
        figure.savefig(file, format="png")
    except OSError as problem:
        raise UsageError(f"cannot write {file}: {problem.strerror}") from None
