-- What qualification found. What is not given (NULL, or empty) stays; the name of a universe file is kept.
UPDATE symbols
SET con_id = %(con_id)s, qualified_at = %(now)s, refused = '', refused_until = NULL,
    tick_size = coalesce(%(tick_size)s::numeric, tick_size), name = coalesce(nullif(name, ''), %(name)s),
    time_zone = coalesce(nullif(%(time_zone)s, ''), time_zone),
    trading_hours = coalesce(nullif(%(trading_hours)s, ''), trading_hours),
    liquid_hours = coalesce(nullif(%(liquid_hours)s, ''), liquid_hours)
WHERE id = %(symbol_id)s
