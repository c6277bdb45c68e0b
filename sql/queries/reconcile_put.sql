-- Where two sources differ, or what is thought of it now.
INSERT INTO reconciliations AS r (symbol_id, timeframe, session_date, against, field, ours, theirs, wrong, reason, checked_at, run_id)
VALUES (%(symbol_id)s, %(timeframe)s, %(session_date)s, %(against)s, %(field)s, %(ours)s, %(theirs)s, %(wrong)s, %(reason)s, %(now)s, %(run_id)s)
ON CONFLICT (symbol_id, timeframe, session_date, against, field) DO UPDATE
SET ours = excluded.ours, theirs = excluded.theirs, wrong = excluded.wrong, reason = excluded.reason, checked_at = excluded.checked_at,
    run_id = excluded.run_id
