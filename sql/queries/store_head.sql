-- What IB said about where its history of a contract begins.
INSERT INTO head_timestamps (symbol_id, con_id, origin, head, ib_code, error_message, request_id, asked_at)
VALUES (%(symbol_id)s, %(con_id)s, %(origin)s, %(head)s, %(ib_code)s, %(text)s, %(request_id)s, %(now)s)
ON CONFLICT (symbol_id, con_id, origin) DO UPDATE
SET head = excluded.head, ib_code = excluded.ib_code, error_message = excluded.error_message, request_id = excluded.request_id,
    asked_at = excluded.asked_at
