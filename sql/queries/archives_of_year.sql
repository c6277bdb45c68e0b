-- The files of one year in one folder: the bars', and their former versions'.
SELECT path, sha256, digest FROM archives WHERE folder = %(folder)s AND year = %(year)s
UNION ALL
SELECT former_path, former_sha256, former_digest FROM archives WHERE folder = %(folder)s AND year = %(year)s AND former_path IS NOT NULL
ORDER BY 1
