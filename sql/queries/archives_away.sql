-- Files whose bars are no more in the table, of one stretch of a series: who reads history reads these too.
SELECT a.folder, a.path, a.year, a.sha256, a.former_path, a.former_sha256
FROM archives a
WHERE a.symbol_id = %(symbol_id)s AND a.timeframe = %(timeframe)s AND a.origin = %(origin)s AND a.detached_at IS NOT NULL
  AND a.year BETWEEN %(first_year)s AND %(last_year)s
ORDER BY a.year, a.detached_at DESC
