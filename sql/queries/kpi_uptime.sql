-- For uptime in market hours: sessions of the last seven days, since when bin/health has looked, and the outages that were noticed.
SELECT 'session', t.calendar, t.open, t.last
FROM trading_sessions t
WHERE t.session_date >= (%(now)s::timestamptz - interval '8 days')::date AND t.open < %(now)s AND t.last > %(now)s::timestamptz - interval '7 days'
  AND t.calendar IN (SELECT DISTINCT calendar FROM symbols WHERE active)
UNION ALL
SELECT 'looked', '', min(at), max(at) FROM kpis WHERE name = 'gateway_up' AND at > %(now)s::timestamptz - interval '7 days'
UNION ALL
(SELECT 'event', event, at, NULL FROM connection_events
 WHERE at > %(now)s::timestamptz - interval '8 days'
   AND event IN ('gateway-down', 'gateway-up', 'connected', 'upstream-lost', 'upstream-restored', 'upstream-restored-data-lost')
 ORDER BY at DESC, id DESC LIMIT 5000)
