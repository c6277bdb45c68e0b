-- Alerts: how many are open, how many tellings are overdue by ten minutes, since when, what the newest error said, how many were given up in a day.
SELECT (SELECT count(*) FROM alerts WHERE resolved_at IS NULL),
       count(*) FILTER (WHERE d.given_up_at IS NULL AND d.due_at < %(now)s::timestamptz - interval '10 minutes'),
       min(d.due_at) FILTER (WHERE d.given_up_at IS NULL AND d.due_at < %(now)s::timestamptz - interval '10 minutes'),
       (array_agg(d.last_error ORDER BY d.due_at DESC) FILTER (WHERE d.last_error IS NOT NULL))[1],
       count(*) FILTER (WHERE d.given_up_at > %(now)s::timestamptz - interval '1 day')
FROM alert_deliveries d
WHERE d.sent_at IS NULL AND (d.given_up_at IS NULL OR d.given_up_at > %(now)s::timestamptz - interval '1 day')
