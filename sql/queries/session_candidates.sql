-- Differences between IB's sessions and ours: those that wait for a decision, or all, or one.
SELECT id, calendar, session_date, change, open, close, last, told, evidence, request_id, state, found_at, seen_at, decided_by, reason
FROM session_candidates
WHERE (state = 'waiting' OR %(all)s) AND (%(id)s::bigint IS NULL OR id = %(id)s)
ORDER BY calendar, session_date, id
