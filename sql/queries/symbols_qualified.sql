-- What the Gateway says about a contract. A con_id that is there already is never replaced by another.
UPDATE symbols
SET con_id = %(con_id)s, tick_size = %(tick_size)s, name = coalesce(nullif(%(name)s, ''), name), qualified_at = %(now)s,
    time_zone = %(time_zone)s, trading_hours = %(trading_hours)s, liquid_hours = %(liquid_hours)s,
    refused = '', refused_until = NULL
WHERE symbol = %(symbol)s AND (con_id IS NULL OR con_id = %(con_id)s)
