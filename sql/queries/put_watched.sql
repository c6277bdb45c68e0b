-- Adds a row to a watch-list, or changes what differs.
INSERT INTO watchlist (name, symbol_id, priority, collect_1min, collect_5min, collect_depth, notes, daily_years, intraday_days,
    active, added_at)
SELECT %(name)s, id, %(priority)s, %(collect_1min)s, %(collect_5min)s, %(depth)s, %(notes)s, %(daily_years)s, %(intraday_days)s,
    true, %(now)s
FROM symbols WHERE symbol = %(symbol)s
ON CONFLICT (name, symbol_id) DO UPDATE
SET priority = excluded.priority, collect_1min = excluded.collect_1min, collect_5min = excluded.collect_5min,
    collect_depth = excluded.collect_depth, notes = excluded.notes, daily_years = excluded.daily_years,
    intraday_days = excluded.intraday_days, active = true
WHERE (watchlist.priority, watchlist.collect_1min, watchlist.collect_5min, watchlist.collect_depth, watchlist.notes,
       watchlist.daily_years, watchlist.intraday_days, watchlist.active)
    IS DISTINCT FROM (excluded.priority, excluded.collect_1min, excluded.collect_5min, excluded.collect_depth, excluded.notes,
       excluded.daily_years, excluded.intraday_days, true)
