-- What the exchange calls a symbol now, and what it became.
UPDATE symbols
SET code = %(code)s, successor = %(successor)s
WHERE symbol = %(symbol)s AND (code, successor) IS DISTINCT FROM (%(code)s, %(successor)s)
