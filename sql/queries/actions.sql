-- Corporate actions, the newest ex-date first: of some symbols, of one number, or all.
SELECT a.id, s.symbol, a.symbol_id, s.calendar, a.ex_date, a.type, a.ratio_new, a.ratio_old, a.amount::float8, a.state, a.noticed_at,
       a.decided_at, a.effective_at, a.evidence
FROM corporate_actions a
JOIN symbols s ON s.id = a.symbol_id
WHERE (%(id)s::bigint IS NULL OR a.id = %(id)s) AND (%(symbols)s::text[] IS NULL OR s.symbol = ANY (%(symbols)s))
  AND (%(all)s OR a.state = 'candidate')
ORDER BY a.ex_date DESC, s.symbol, a.type
