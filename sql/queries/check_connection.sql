-- What the connection with the Gateway said in the last day, the newest first.
SELECT at, event, ib_code, coalesce(left(detail, 150), '')
FROM connection_events
WHERE at > %(now)s::timestamptz - interval '1 day'
  AND event IN ('connected', 'lost', 'upstream-lost', 'upstream-restored', 'upstream-restored-data-lost', 'gateway-down', 'gateway-up', 'farm-broken', 'refused')
ORDER BY at DESC, id DESC
LIMIT 200
