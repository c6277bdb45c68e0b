-- A year's files were written: they replace what the folder held of that year before, and are not verified yet.
INSERT INTO archives (folder, path, symbol_id, timeframe, origin, year, rows, bytes, sha256, digest, newest, revisions, flags,
    former_path, former_rows, former_newest, former_sha256, former_digest, written_at)
VALUES (%(folder)s, %(path)s, %(symbol_id)s, %(timeframe)s, %(origin)s, %(year)s, %(rows)s, %(bytes)s, %(sha256)s, %(digest)s,
        %(newest)s, %(revisions)s, %(flags)s, %(former_path)s, %(former_rows)s, %(former_newest)s, %(former_sha256)s, %(former_digest)s, %(now)s)
ON CONFLICT (folder, symbol_id, timeframe, origin, year) DO UPDATE
SET path = excluded.path, rows = excluded.rows, bytes = excluded.bytes, sha256 = excluded.sha256, digest = excluded.digest,
    newest = excluded.newest, revisions = excluded.revisions, flags = excluded.flags, former_path = excluded.former_path,
    former_rows = excluded.former_rows, former_newest = excluded.former_newest, former_sha256 = excluded.former_sha256,
    former_digest = excluded.former_digest, written_at = excluded.written_at, verified_at = NULL
WHERE archives.detached_at IS NULL
