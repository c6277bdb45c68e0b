-- A hash for each kind of object and for the grants: two databases that give the same have the same schema and the same rights.
WITH ours AS (
    SELECT c.*, n.nspname || '.' || c.relname AS named
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'
), functions AS (
    SELECT p.*, p.oid::regprocedure::text AS named
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.oid >= 16384 AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
), rights AS (
    SELECT 'relation ' || named AS on_what, relowner AS owner,
           coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl
    FROM ours WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL
    SELECT 'column ' || o.named || '.' || a.attname, o.relowner, a.attacl
    FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT 'function ' || named, proowner, coalesce(proacl, acldefault('f', proowner)) FROM functions
    UNION ALL
    SELECT 'schema ' || nspname, nspowner, coalesce(nspacl, acldefault('n', nspowner))
    FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL
    SELECT 'type ' || t.oid::regtype, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
    FROM pg_type t WHERE t.oid >= 16384 AND t.typtype IN ('d', 'e')
    UNION ALL
    SELECT 'default ' || pg_get_userbyid(d.defaclrole) || ' ' || coalesce(n.nspname, '') || ' ' || d.defaclobjtype::text, d.defaclrole, d.defaclacl
    FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
), lines AS (
    SELECT 'columns' AS kind, concat_ws(' ', o.named, row_number() OVER (PARTITION BY o.oid ORDER BY a.attnum), a.attname,
           format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text, a.attgenerated::text,
           pg_get_expr(d.adbin, d.adrelid), nullif(a.attcollation, 100)::regcollation::text) AS line
    FROM ours o
    JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = o.oid AND d.adnum = a.attnum
    WHERE o.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    UNION ALL
    SELECT 'tables', concat_ws(' ', o.named, o.relkind::text, o.relpersistence::text, o.reloptions::text, o.relrowsecurity, pg_get_partkeydef(o.oid),
           pg_get_expr(o.relpartbound, o.oid), (SELECT string_agg(i.inhparent::regclass::text, ',') FROM pg_inherits i WHERE i.inhrelid = o.oid))
    FROM ours o
    UNION ALL
    SELECT 'constraints', concat_ws(' ', c.conrelid::regclass, c.contypid::regtype, c.conname, pg_get_constraintdef(c.oid), c.convalidated)
    FROM pg_constraint c
    JOIN pg_namespace n ON n.oid = c.connamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.contype <> 'n'
    UNION ALL
    SELECT 'indexes', pg_get_indexdef(o.oid) FROM ours o WHERE o.relkind IN ('i', 'I')
    UNION ALL
    SELECT 'views', concat_ws(' ', o.named, pg_get_viewdef(o.oid)) FROM ours o WHERE o.relkind IN ('v', 'm')
    UNION ALL
    SELECT 'functions', pg_get_functiondef(f.oid) FROM functions f WHERE f.prokind IN ('f', 'p')
    UNION ALL
    SELECT 'triggers', pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN ours o ON o.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT 'types', concat_ws(' ', t.oid::regtype, t.typnotnull, t.typdefault, format_type(t.typbasetype, t.typtypmod),
           (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
    FROM pg_type t WHERE t.oid >= 16384 AND t.typtype IN ('d', 'e')
    UNION ALL
    SELECT 'comments', concat_ws(' ', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description)
    FROM pg_description d WHERE d.objoid >= 16384
    UNION ALL
    SELECT 'owners', concat_ws(' ', r.on_what, pg_get_userbyid(r.owner)) FROM rights r
    UNION ALL
    SELECT 'grants', concat_ws(' ', r.on_what, CASE g.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(g.grantee) END, g.privilege_type, g.is_grantable)
    FROM rights r CROSS JOIN LATERAL aclexplode(r.acl) g
)
SELECT kind, encode(sha256(convert_to(string_agg(line, E'\n' ORDER BY line COLLATE "C"), 'UTF8')), 'hex') AS hash, count(*) AS lines
FROM lines
GROUP BY kind
ORDER BY kind
