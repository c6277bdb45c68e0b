-- Of which state of its bars a series' indicators were computed.
INSERT INTO indicator_series (symbol_id, timeframe, origin, bars, newest, revisions, computed_at)
VALUES (%(symbol_id)s, %(timeframe)s, %(origin)s, %(bars)s, %(newest)s, %(revisions)s, %(now)s)
ON CONFLICT (symbol_id, timeframe, origin) DO UPDATE
SET bars = excluded.bars, newest = excluded.newest, revisions = excluded.revisions, computed_at = excluded.computed_at
