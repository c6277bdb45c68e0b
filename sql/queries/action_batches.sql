-- The conversions of an action that stand, and whether another split has converted the same bars since.
SELECT r.timeframe, r.origin, r.at, r.first_date, r.last_date,
       EXISTS (SELECT FROM restatements n
               WHERE n.symbol_id = r.symbol_id AND n.timeframe = r.timeframe AND n.origin = r.origin AND n.method <> 'fetched'
                 AND n.action_id <> r.action_id AND n.at > r.at)
FROM restatements r
WHERE r.action_id = %(id)s AND r.method = 'converted'
ORDER BY r.at
