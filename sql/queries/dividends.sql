-- The confirmed cash dividends of a symbol up to a day, oldest first.
SELECT ex_date, sum(amount)
FROM corporate_actions
WHERE symbol_id = %(symbol_id)s AND state = 'confirmed' AND type = 'dividend' AND amount > 0 AND ex_date <= %(as_of)s::date
GROUP BY 1
ORDER BY 1
