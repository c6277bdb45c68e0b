-- The newest row of each question about each exchange, answered ones only or not.
SELECT DISTINCT ON (question, exchange)
    id, asked_at, question, exchange, symbol, answer, measured, reason, request_ids, server_version
FROM probes
WHERE answer IS NOT NULL OR NOT %(answered)s
ORDER BY question, exchange, id DESC
