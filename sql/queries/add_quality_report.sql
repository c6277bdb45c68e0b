-- The counts of a report; the table computes the score.
INSERT INTO quality_reports (session_date, timeframe, origin, made_at, run_id, series, expected, stored, explained, missing, quarantined, wrong, doubted, revised)
VALUES (%(session_date)s, %(timeframe)s, %(origin)s, %(now)s, %(run_id)s, %(series)s, %(expected)s, %(stored)s, %(explained)s, %(missing)s,
    %(quarantined)s, %(wrong)s, %(doubted)s, %(revised)s)
RETURNING id, score
