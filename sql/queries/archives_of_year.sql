-- The files of one year in one folder.
SELECT path, rows, sha256, digest, verified_at, detached_at FROM archives WHERE folder = %(folder)s AND year = %(year)s ORDER BY path
