-- What IB shows no more, of the days that his answer spanned.
UPDATE session_candidates SET state = 'withdrawn', seen_at = %(now)s
WHERE state = 'waiting' AND calendar = %(calendar)s AND session_date BETWEEN %(first)s AND %(last)s
  AND NOT id = ANY (%(seen)s::bigint[])
