-- A reservation.
INSERT INTO pacing_requests (holder_id, key, contract_key, rule, weight, pacing_class, reserved_at)
VALUES (%(holder)s, %(key)s, %(contract_key)s, %(rule)s, %(weight)s, %(class)s, %(now)s)
RETURNING id
