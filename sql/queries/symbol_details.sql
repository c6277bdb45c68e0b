-- Everything that is stored of one symbol beside what its universe file says.
SELECT s.code, s.active, s.priority, s.successor, s.tick_size::float8, s.qualified_at, s.refused, s.refused_until, s.added_at,
       s.time_zone, s.liquid_hours, m.bars, m.oldest_bar, m.newest_bar
FROM symbols s
LEFT JOIN (SELECT symbol_id, sum(bar_count)::bigint AS bars, min(start_date) AS oldest_bar, max(end_date) AS newest_bar
           FROM historical_data_metadata GROUP BY symbol_id) m ON m.symbol_id = s.id
WHERE s.symbol = %(symbol)s
