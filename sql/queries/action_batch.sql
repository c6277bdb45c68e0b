-- A batch of restated bars.
INSERT INTO restatements (action_id, symbol_id, timeframe, origin, method, at, first_date, last_date, bars, request_id)
VALUES (%(id)s, %(symbol_id)s, %(timeframe)s, %(origin)s, %(method)s, %(now)s, %(first)s, %(last)s, %(bars)s, %(request_id)s)
ON CONFLICT DO NOTHING
