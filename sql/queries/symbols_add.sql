-- A new instrument. Whoever adds the same symbol first wins; the second is told by the count of rows.
INSERT INTO symbols (symbol, name, exchange, primary_exchange, currency, sec_type, sector, calendar, con_id, listed_from,
    listed_to, as_of, active, code, added_at)
VALUES (%(symbol)s, nullif(%(name)s, ''), %(exchange)s, %(primary_exchange)s, %(currency)s, %(sec_type)s,
    nullif(%(sector)s, ''), %(calendar)s, %(con_id)s, %(listed_from)s, %(listed_to)s, %(as_of)s, %(active)s, %(code)s, %(now)s)
ON CONFLICT (symbol) DO NOTHING
