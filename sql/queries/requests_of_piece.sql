-- The requests that brought the bars of one stretch of a series, and their former versions: the evidence that goes with them.
SELECT to_jsonb(c) - 'run_id' - 'status' || jsonb_build_object('payload_sha256', encode(c.payload_sha256, 'hex')) AS request
FROM collection_logs c
WHERE c.id IN (
    SELECT request_id FROM bars
    WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
      AND "timestamp" >= %(start)s AND "timestamp" < %(end)s
    UNION
    SELECT request_id FROM bars_history
    WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
      AND "timestamp" >= %(start)s AND "timestamp" < %(end)s)
ORDER BY c.id
