-- By how many shares of the wanted basis one share of some bars counts: new / old, by session date and known_from; as_of NULL: as traded.
SELECT u.session_date, u.known_from, r.new, r.old
FROM unnest(%(days)s::date[], %(known)s::timestamptz[]) AS u (session_date, known_from)
JOIN origins o ON o.id = %(origin)s
CROSS JOIN LATERAL price_ratio(%(symbol_id)s, u.session_date, CASE o.price_basis WHEN 'fetched' THEN u.known_from END, %(as_of)s::date) r
