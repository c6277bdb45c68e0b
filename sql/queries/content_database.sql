-- What belongs to the database itself and stands in no dump of its contents: owner, encoding, collation, size, the roles that are named in it.
SELECT pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS "collate", d.datctype AS ctype,
       pg_database_size(d.oid) AS bytes,
       (SELECT coalesce(array_agg(DISTINCT r.rolname::text), '{}') FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
        WHERE s.refclassid = 'pg_authid'::regclass AND r.oid >= 16384
          AND (s.dbid = d.oid OR s.classid = 'pg_database'::regclass AND s.objid = d.oid)) AS roles
FROM pg_database d
WHERE d.datname = current_database()
