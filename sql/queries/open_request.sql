-- A request to the vendor, not answered yet.
INSERT INTO collection_logs (run_id, symbol_id, timeframe, origin, start_date, end_date, window_start, window_end, attempt,
    outcome, started_at)
VALUES (%(run_id)s, %(symbol_id)s, %(timeframe)s, %(origin)s, %(start_date)s, %(end_date)s, %(window_start)s, %(window_end)s,
    %(attempt)s, 'pending', %(at)s)
RETURNING id
