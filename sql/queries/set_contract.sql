-- What qualification found.
UPDATE symbols
SET con_id = %(con_id)s, qualified_at = %(now)s, refused = '', refused_until = NULL
WHERE id = %(symbol_id)s AND (con_id IS DISTINCT FROM %(con_id)s OR refused <> '')
