-- What a person decided about a candidate.
UPDATE session_candidates
SET state = %(state)s, decided_at = %(now)s, decided_by = %(by)s, reason = %(reason)s
WHERE id = %(id)s AND state = 'waiting'
