-- One event of the connection with the Gateway.
INSERT INTO connection_events (at, run_id, client_id, event, ib_code, detail)
VALUES (%(at)s, %(run_id)s, %(client_id)s, %(event)s, %(code)s, %(detail)s)
