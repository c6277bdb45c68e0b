-- The request that answered for a whole daily series since an instant, if one did.
SELECT id, revised, start_date, end_date FROM collection_logs
WHERE symbol_id = %(symbol_id)s AND timeframe = '1day' AND origin = %(origin)s AND outcome = 'ok'
  AND start_date <= %(first)s AND end_date >= %(last)s AND started_at >= %(since)s
ORDER BY id DESC
LIMIT 1
