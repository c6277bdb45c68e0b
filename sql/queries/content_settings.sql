-- What ALTER DATABASE ... SET has set, for everybody ('') and for a role.
SELECT coalesce(r.rolname, '') AS role, split_part(line, '=', 1) AS name, substr(line, strpos(line, '=') + 1) AS value
FROM pg_db_role_setting s
JOIN pg_database d ON d.oid = s.setdatabase
LEFT JOIN pg_roles r ON r.oid = s.setrole
CROSS JOIN LATERAL unnest(s.setconfig) AS line
WHERE d.datname = current_database()
ORDER BY 1, 2
