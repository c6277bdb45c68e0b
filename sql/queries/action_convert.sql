-- Brings stored bars to the basis of a split, as revisions: a trigger keeps the former ones. Also those that another split
-- has converted meanwhile, when what the vendor sent was older than this one.
WITH done AS (
    UPDATE bars b
    SET open = trim_scale(round(b.open * %(old)s / %(new)s, 8)), high = trim_scale(round(b.high * %(old)s / %(new)s, 8)),
        low = trim_scale(round(b.low * %(old)s / %(new)s, 8)), close = trim_scale(round(b.close * %(old)s / %(new)s, 8)),
        volume = trim_scale(round(b.volume * %(new)s / %(old)s, 8)), wap = trim_scale(round(b.wap * %(old)s / %(new)s, 8)),
        known_from = greatest(%(now)s, b.known_from + interval '1 microsecond')
    WHERE b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s
      AND b.session_date < %(ex_date)s AND b."timestamp" < %(ex_date)s::date + 1
      AND (b.known_from < %(effective_at)s
           OR (b.known_from = ANY (%(conversions)s::timestamptz[])
               AND (SELECT h.known_from FROM bars_history h
                    WHERE h.symbol_id = b.symbol_id AND h.timeframe = b.timeframe AND h.origin = b.origin
                      AND h."timestamp" = b."timestamp" AND h.known_from <> ALL (%(conversions)s::timestamptz[])
                    ORDER BY h.revision DESC LIMIT 1) < %(effective_at)s))
    RETURNING b.session_date, b.known_from
)
SELECT count(*), min(session_date), max(session_date), max(known_from) FROM done
