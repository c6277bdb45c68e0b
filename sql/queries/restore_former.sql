-- Former versions from a file into bars_history: how many were stored, the same, and otherwise here or without a newer version.
SELECT stored, same, other FROM restore_former(
    %(symbol_id)s, %(timeframe)s, %(origin)s::smallint, %(timestamp)s, %(session_date)s, %(open)s, %(high)s, %(low)s, %(close)s, %(volume)s,
    %(wap)s, %(trades)s, %(flags)s, %(revision)s, %(request_id)s, %(known_from)s, %(known_to)s)
