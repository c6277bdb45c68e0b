-- The login's request budget: weight under the hard rule in the last window, open requests, refusals for pacing in the last hour.
SELECT (SELECT coalesce(sum(weight), 0) FROM pacing_requests
        WHERE rule = 'hard' AND key NOT LIKE 'cool-down%%' AND (counted_at > %(now)s::timestamptz - make_interval(secs => %(window)s)
              OR (counted_at IS NULL AND closed_at IS NULL))),
       (SELECT count(*) FROM pacing_requests WHERE closed_at IS NULL AND reserved_at > %(now)s::timestamptz - interval '1 day'),
       (SELECT count(*) FROM collection_logs WHERE outcome = 'pacing' AND started_at > %(now)s::timestamptz - interval '1 hour')
