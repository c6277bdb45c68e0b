-- Starts at which a bar of a series was refused before.
SELECT DISTINCT "timestamp" FROM quarantine WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
