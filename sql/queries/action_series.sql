-- The series of a symbol with bars that stand on the basis before an action, and how they are brought to the new one: IB's
-- daily bars are fetched again, all others are converted.
SELECT m.timeframe, m.origin, o.kind, o.source, o.regular_hours, m.start_date, m.end_date,
       m.timeframe = '1day' AND o.source = 'ib' AS is_fetched
FROM historical_data_metadata m
JOIN origins o ON o.id = m.origin
WHERE m.symbol_id = %(symbol_id)s AND o.price_basis = 'fetched'
  AND (EXISTS (SELECT FROM bars b
               WHERE b.symbol_id = m.symbol_id AND b.timeframe = m.timeframe AND b.origin = m.origin
                 AND b.session_date < %(ex_date)s AND b.known_from < %(effective_at)s)
       OR EXISTS (SELECT FROM restatements r
                  WHERE r.symbol_id = m.symbol_id AND r.timeframe = m.timeframe AND r.origin = m.origin
                    AND r.method = 'converted' AND r.first_date < %(ex_date)s))
ORDER BY m.timeframe, m.origin
