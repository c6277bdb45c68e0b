-- Refused bars, newest first, of some symbols, rules and sessions; decided ones only where asked for.
SELECT q.id, s.symbol, q.timeframe, q.session_date, q."timestamp", q.rule, q.raw, q.first_seen_at, q.verdict, q.verdict_by, q.verdict_at,
       q.verdict_note, q.released_request_id
FROM quarantine q
JOIN symbols s ON s.id = q.symbol_id
WHERE (%(all)s OR q.verdict IS NULL)
  AND (%(symbols)s::text[] IS NULL OR s.symbol = ANY (%(symbols)s::text[]))
  AND (%(rule)s::text IS NULL OR q.rule = %(rule)s::text)
  AND (%(first)s::date IS NULL OR q.session_date >= %(first)s::date)
  AND (%(last)s::date IS NULL OR q.session_date <= %(last)s::date)
ORDER BY q."timestamp" DESC, q.id DESC
LIMIT %(limit)s
