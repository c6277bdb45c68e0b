-- What is stored, and what is missing and why: one line a wanted symbol and bar size, the worst first.
-- psql -f sql/monitor/coverage.sql; no parameters. Wanted are active symbols and those of watch-lists, and whatever was ever
-- asked for, what was imported not; "why" says it too of those that were never asked for. "expected" counts sessions between the first bar and the
-- newest asked for.
SELECT symbol, timeframe, kind, source, expected, stored, explained, missing, "complete %", why, missing_since, next_at, newest
FROM v_coverage
ORDER BY missing DESC, is_known, priority, symbol, timeframe;
