-- What was refused of the previous product's rows, by rule and bar size.
SELECT rule, timeframe, count(*)
FROM quarantine
WHERE origin = %(origin)s AND released_request_id IS NULL AND (%(our_ids)s::integer[] IS NULL OR symbol_id = ANY (%(our_ids)s::integer[]))
GROUP BY rule, timeframe
UNION ALL
SELECT rule, '-', count(*)
FROM legacy_refused
WHERE source = %(source)s AND %(our_ids)s::integer[] IS NULL
GROUP BY rule
ORDER BY 1, 2
