-- Takes an instrument into the universe or out of it. Its bars stay.
UPDATE symbols SET active = %(active)s WHERE symbol = %(symbol)s AND active <> %(active)s
