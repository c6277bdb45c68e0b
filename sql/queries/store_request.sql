-- A request and how it ended.
INSERT INTO collection_logs (id, run_id, symbol_id, collection_type, timeframe, origin, start_date, end_date, window_start, window_end, attempt,
    started_at, outcome, ib_code, error_message, is_permanent, payload_sha256, completed_at, records_collected, stored, revised,
    unchanged, quarantined, duplicates, unfinished)
VALUES (%(id)s, %(run_id)s, %(symbol_id)s, %(collection_type)s, %(timeframe)s, %(origin)s, %(start_date)s, %(end_date)s, %(window_start)s,
    %(window_end)s, %(attempt)s, %(at)s, %(outcome)s, %(ib_code)s, %(text)s, %(is_permanent)s, %(sha256)s, %(now)s,
    %(records_collected)s, %(stored)s, %(revised)s, %(unchanged)s, %(quarantined)s, %(duplicates)s, %(unfinished)s)
