-- Free bytes by place, and the oldest sample within seven days: how fast the disk fills.
SELECT n.scope, n.value, n.at, old.value, old.at
FROM kpis_now n
LEFT JOIN LATERAL (SELECT k.value, k.at FROM kpis k WHERE k.name = n.name AND k.scope = n.scope AND k.at > %(now)s::timestamptz - interval '7 days'
                   ORDER BY k.at LIMIT 1) old ON true
WHERE n.name = 'disk_free_bytes'
ORDER BY n.scope
