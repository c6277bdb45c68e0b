-- A question and what was established.
INSERT INTO probes (run_id, asked_at, question, exchange, symbol, answer, measured, reason, request_ids, server_version)
VALUES (%(run_id)s, %(at)s, %(question)s, %(exchange)s, %(symbol)s, %(answer)s, %(measured)s, %(reason)s, %(requests)s,
    %(server_version)s)
