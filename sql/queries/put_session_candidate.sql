-- A difference between IB's sessions and ours. Seen before: once more, unless a person has rejected it.
INSERT INTO session_candidates (calendar, session_date, change, open, close, last, told, evidence, request_id, found_at, seen_at)
VALUES (%(calendar)s, %(day)s, %(change)s, %(open)s, %(close)s, %(last)s, %(told)s, %(evidence)s, %(request)s, %(now)s, %(now)s)
ON CONFLICT (calendar, session_date, change, open, close, last) DO UPDATE
SET seen_at = excluded.seen_at, told = excluded.told, evidence = excluded.evidence, request_id = excluded.request_id,
    state = CASE session_candidates.state WHEN 'rejected' THEN 'rejected' ELSE 'waiting' END
RETURNING id, state, found_at = %(now)s
