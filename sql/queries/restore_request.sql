-- A request that came back with its bars, under the number that it had. In which run it was asked is not known here.
INSERT INTO collection_logs (id, symbol_id, collection_type, timeframe, origin, start_date, end_date, window_start, window_end, attempt,
    outcome, ib_code, error_message, is_permanent, records_collected, stored, revised, unchanged, quarantined, duplicates, unfinished,
    payload_sha256, started_at, completed_at)
SELECT id, %(symbol_id)s, collection_type, timeframe, %(origin)s, start_date, end_date, window_start, window_end, attempt,
    outcome, ib_code, error_message, is_permanent, records_collected, stored, revised, unchanged, quarantined, duplicates, unfinished,
    decode(payload_sha256, 'hex'), started_at, completed_at
FROM jsonb_to_record(%(request)s::jsonb) AS r (id bigint, collection_type text, timeframe text, start_date date, end_date date,
    window_start timestamptz, window_end timestamptz, attempt smallint, outcome text, ib_code integer, error_message text,
    is_permanent boolean, records_collected integer, stored integer, revised integer, unchanged integer, quarantined integer,
    duplicates integer, unfinished integer, payload_sha256 text, started_at timestamptz, completed_at timestamptz)
