-- Alerts: how many are open, how many tellings are overdue by ten minutes (what an hour's limit holds back is not), since when, what the newest
-- error said, how many were given up in a day (what was withdrawn was not).
SELECT (SELECT count(*) FROM alerts WHERE resolved_at IS NULL),
       count(*) FILTER (WHERE d.given_up_at IS NULL AND d.due_at < %(now)s::timestamptz - interval '10 minutes' AND NOT is_held),
       min(d.due_at) FILTER (WHERE d.given_up_at IS NULL AND d.due_at < %(now)s::timestamptz - interval '10 minutes' AND NOT is_held),
       (array_agg(d.last_error ORDER BY d.due_at DESC) FILTER (WHERE d.last_error IS NOT NULL AND d.attempts > 0))[1],
       count(*) FILTER (WHERE d.given_up_at > %(now)s::timestamptz - interval '1 day' AND d.attempts > 0)
FROM (
    SELECT d.*, d.attempts = 0 AND EXISTS (
        SELECT FROM alert_deliveries s WHERE s.channel = d.channel AND s.sent_at > %(now)s::timestamptz - interval '1 hour'
    ) AS is_held
    FROM alert_deliveries d
    WHERE d.sent_at IS NULL AND (d.given_up_at IS NULL OR d.given_up_at > %(now)s::timestamptz - interval '1 day')
) d
