-- How the exchange calls it now (empty: by its symbol), and what it became. Touches only rows that say otherwise.
UPDATE symbols
SET code = %(code)s, successor = nullif(%(successor)s, '')
WHERE symbol = %(symbol)s AND (code, coalesce(successor, '')) IS DISTINCT FROM (%(code)s, %(successor)s)
