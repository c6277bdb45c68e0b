-- Files that alone hold the bars of their year: the table has them no more.
SELECT folder, path, year, bytes, sha256 FROM archives WHERE detached_at IS NOT NULL ORDER BY folder, path
