-- The complete ranges of a series, where they differ from what is stored.
INSERT INTO coverage (symbol_id, timeframe, origin, complete, refetched_to, checked_at)
VALUES (%(symbol_id)s, %(timeframe)s, %(origin)s, %(complete)s, %(refetched_to)s, %(now)s)
ON CONFLICT (symbol_id, timeframe, origin) DO UPDATE
SET complete = excluded.complete, refetched_to = excluded.refetched_to, checked_at = excluded.checked_at
