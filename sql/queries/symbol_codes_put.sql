-- A life of a code: added, or corrected where it says something else.
INSERT INTO symbol_codes (symbol_id, code, valid_from, valid_to, successor, note)
SELECT id, %(code)s, %(first)s, %(last)s, nullif(%(successor)s, ''), nullif(%(note)s, '') FROM symbols WHERE symbol = %(symbol)s
ON CONFLICT (symbol_id, code, valid_from) DO UPDATE
SET valid_to = excluded.valid_to, successor = excluded.successor, note = excluded.note
WHERE (symbol_codes.valid_to, symbol_codes.successor, symbol_codes.note)
    IS DISTINCT FROM (excluded.valid_to, excluded.successor, excluded.note)
