-- Who may do what with the database itself, its owner left out; '' is everybody.
SELECT CASE g.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(g.grantee) END AS role, g.privilege_type AS privilege
FROM pg_database d
CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) g
WHERE d.datname = current_database() AND g.grantee <> d.datdba
ORDER BY 1, 2
