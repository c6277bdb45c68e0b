"""The options that bin/backfill, bin/fill-gaps and their like share. Imports nothing heavy: --help must answer at once."""

from __future__ import annotations

import argparse

from scizor.market.types import Timeframe
from scizor.run.arguments import positive


def days_and_series(parser: argparse.ArgumentParser) -> None:
    """Which series, and which days."""
    parser.add_argument("--symbol", action="append", default=[])
    parser.add_argument("--timeframe", action="append", default=[], choices=[each.value for each in Timeframe])
    parser.add_argument("--from", dest="first")
    parser.add_argument("--to", dest="last")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The same for scripts that ask IB."""
    days_and_series(parser)
    parser.add_argument("--retry-failed", action="store_true")
    parser.add_argument("--limit", type=positive)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--wait", action="store_true")
