-- Rows that contradicted the bar of their start, and that a person has accepted instead.
SELECT "timestamp", raw
FROM quarantine
WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s AND rule = %(rule)s AND verdict = 'accepted'
