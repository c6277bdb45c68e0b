-- The words of a universe file about an instrument that is there. Never its symbol: bars hang on the row.
UPDATE symbols
SET name = nullif(%(name)s, ''), exchange = %(exchange)s, primary_exchange = %(primary_exchange)s, currency = %(currency)s,
    sec_type = %(sec_type)s, sector = nullif(%(sector)s, ''), calendar = %(calendar)s, con_id = %(con_id)s,
    listed_from = %(listed_from)s, listed_to = %(listed_to)s, as_of = %(as_of)s
WHERE symbol = %(symbol)s
