-- A file was written: it replaces what the folder held of that year before, and is not verified yet.
INSERT INTO archives (folder, path, symbol_id, timeframe, origin, year, rows, bytes, sha256, digest, newest, revisions, written_at)
VALUES (%(folder)s, %(path)s, %(symbol_id)s, %(timeframe)s, %(origin)s, %(year)s, %(rows)s, %(bytes)s, %(sha256)s, %(digest)s,
        %(newest)s, %(revisions)s, %(now)s)
ON CONFLICT (folder, symbol_id, timeframe, origin, year) DO UPDATE
SET path = excluded.path, rows = excluded.rows, bytes = excluded.bytes, sha256 = excluded.sha256, digest = excluded.digest,
    newest = excluded.newest, revisions = excluded.revisions, written_at = excluded.written_at, verified_at = NULL
WHERE archives.detached_at IS NULL
