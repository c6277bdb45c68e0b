-- The bars of a file that the table does not have, as they were: revision, request and known_from too.
INSERT INTO bars (symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, wap, trades, flags,
                  revision, request_id, known_from)
SELECT %(symbol_id)s, %(timeframe)s::timeframe, %(origin)s, r."timestamp", r.session_date, r.open, r.high, r.low, r.close, r.volume, r.wap, r.trades,
       r.flags, r.revision, r.request_id, r.known_from
FROM returned r
WHERE NOT EXISTS (
    SELECT FROM bars b
    WHERE b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s::timeframe AND b.origin = %(origin)s AND b."timestamp" = r."timestamp")
ORDER BY r."timestamp"
