-- Adds a symbol, or changes what differs; says whether it was added, and nothing when nothing differs.
INSERT INTO symbols (symbol, name, exchange, primary_exchange, currency, sec_type, sector, calendar, con_id, listed_from,
    listed_to, as_of, active, added_at)
VALUES (%(symbol)s, %(name)s, %(exchange)s, %(primary_exchange)s, %(currency)s, %(sec_type)s, %(sector)s, %(calendar)s,
    %(con_id)s, %(listed_from)s, %(listed_to)s, %(as_of)s, %(active)s, %(now)s)
ON CONFLICT (symbol) DO UPDATE
SET name = excluded.name, exchange = excluded.exchange, primary_exchange = excluded.primary_exchange,
    currency = excluded.currency, sec_type = excluded.sec_type, sector = excluded.sector, calendar = excluded.calendar,
    con_id = coalesce(excluded.con_id, symbols.con_id), listed_from = excluded.listed_from, listed_to = excluded.listed_to,
    as_of = excluded.as_of
WHERE (symbols.name, symbols.exchange, symbols.primary_exchange, symbols.currency, symbols.sec_type, symbols.sector,
       symbols.calendar, symbols.con_id, symbols.listed_from, symbols.listed_to, symbols.as_of)
    IS DISTINCT FROM (excluded.name, excluded.exchange, excluded.primary_exchange, excluded.currency, excluded.sec_type,
       excluded.sector, excluded.calendar, coalesce(excluded.con_id, symbols.con_id), excluded.listed_from,
       excluded.listed_to, excluded.as_of)
RETURNING added_at = %(now)s AND xmax = 0
