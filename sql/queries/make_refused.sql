-- What the rules say of the answer.
CREATE TEMPORARY TABLE IF NOT EXISTS refused (
    "timestamp" timestamptz, session_date date, rule text, raw text
) ON COMMIT DELETE ROWS
