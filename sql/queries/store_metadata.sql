-- What lies in bars of a series, after an answer was merged.
INSERT INTO historical_data_metadata AS m (symbol_id, timeframe, origin, start_date, end_date, bar_count, last_updated)
VALUES (%(symbol_id)s, %(timeframe)s, %(origin)s, %(first)s, %(last)s, %(added)s, %(now)s)
ON CONFLICT (symbol_id, timeframe, origin) DO UPDATE
SET start_date = least(m.start_date, excluded.start_date), end_date = greatest(m.end_date, excluded.end_date),
    bar_count = m.bar_count + excluded.bar_count, last_updated = excluded.last_updated
