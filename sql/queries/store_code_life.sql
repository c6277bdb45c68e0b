-- Adds the life of a code, or corrects it.
INSERT INTO symbol_codes (code, exchange, symbol_id, valid_from, valid_to, successor, note)
VALUES (%(code)s, %(exchange)s, (SELECT id FROM symbols WHERE symbol = %(symbol)s), %(first)s, %(last)s, %(successor)s, %(note)s)
ON CONFLICT (code, exchange, valid_from) DO UPDATE
SET symbol_id = excluded.symbol_id, valid_to = excluded.valid_to, successor = excluded.successor, note = excluded.note
WHERE (symbol_codes.symbol_id, symbol_codes.valid_to, symbol_codes.successor, symbol_codes.note)
    IS DISTINCT FROM (excluded.symbol_id, excluded.valid_to, excluded.successor, excluded.note)
