-- Gives bars that one batch converted their former values again, as revisions, where nothing newer has come since.
WITH done AS (
    UPDATE bars b
    SET open = h.open, high = h.high, low = h.low, close = h.close, volume = h.volume, wap = h.wap,
        known_from = greatest(%(now)s, b.known_from + interval '1 microsecond')
    FROM bars_history h
    WHERE b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s AND b.known_from = %(at)s
      AND b.session_date >= %(first)s AND b.session_date <= %(last)s
      AND h.symbol_id = b.symbol_id AND h.timeframe = b.timeframe AND h.origin = b.origin AND h."timestamp" = b."timestamp"
      AND h.revision = b.revision - 1
    RETURNING b.session_date, b.known_from
)
SELECT count(*), min(session_date), max(session_date), max(known_from) FROM done
