-- The official series of some symbols, of one bar size or all, and between which session dates they have bars.
SELECT s.id, s.symbol, s.calendar, m.timeframe, m.start_date, m.end_date
FROM historical_data_metadata m
JOIN symbols s ON s.id = m.symbol_id
JOIN origins o ON o.id = m.origin AND o.is_official
WHERE (%(symbols)s::text[] IS NULL OR s.symbol = ANY (%(symbols)s)) AND (%(timeframe)s::text IS NULL OR m.timeframe = %(timeframe)s)
ORDER BY s.symbol, m.timeframe
