-- What was refused of a bar, and a person's word on it.
SELECT q."timestamp", q.session_date, q.rule, q.raw, q.request_id, q.first_seen_at, q.verdict, q.verdict_by, q.verdict_at
FROM quarantine q
WHERE q.symbol_id = %(symbol_id)s AND q.timeframe = %(timeframe)s
  AND q."timestamp" > %(at)s::timestamptz - make_interval(secs => %(seconds)s) AND q."timestamp" <= %(at)s::timestamptz
ORDER BY q.id
