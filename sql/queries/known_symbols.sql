-- All symbols as lint looks at them: the exchange is the home one, a refusal counts until its time is over.
SELECT symbol, coalesce(nullif(primary_exchange, ''), exchange), calendar, con_id, active, priority, listed_from, listed_to,
       successor, CASE WHEN refused_until <= %(now)s THEN '' ELSE refused END
FROM symbols
ORDER BY symbol
