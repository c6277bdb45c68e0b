"""Bars on their way into the table: staged, checked by the rules, merged.

The staging table `staged` is temporary and holds one answer. The rules of market/validate.py are SQL conditions over its
columns and over the constants of the request, which stand beside each row (`asked`):

    staged  "timestamp" timestamptz   start of the bar, UTC; a daily bar: 00:00 UTC of its session date
            session_date date         its exchange day; NULL: it lies in no session
            open, high, low, close, volume, wap numeric     as received, exactly; volume NULL for -1; may be NaN, Infinity, NULL
            trades bigint
    asked   timeframe text, kind text, bar_seconds integer, regular_hours boolean, asked_at timestamptz,
            finished_to date          the newest session that was over when the request was made

A condition that is true refuses the bar. It must say so for NULL too (`open IS NULL OR ...`): NULL counts as kept.
"""

from __future__ import annotations

#: The columns of `staged`, in the order of the COPY text.
STAGED = ("timestamp", "session_date", "open", "high", "low", "close", "volume", "wap", "trades")
