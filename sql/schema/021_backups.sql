-- Backups for whoever looks from psql: the newest first, what each is worth, and how long bringing it back takes.

CREATE VIEW v_backups AS
SELECT b.id, b.state, b.started_at AS taken_at, b.finished_at, b.verified_at, b.path, b.bytes,
       (b.manifest -> 'rows')::bigint AS rows,
       (b.manifest ->> 'schema_number')::integer AS schema_number,
       jsonb_array_length(coalesce(b.manifest -> 'recipients', '[]')) > 0 AS is_encrypted,
       make_interval(secs => (b.verified_result ->> 'restore_seconds')::double precision) AS restore_took,
       b.verified_result ->> 'why' AS why,
       b.state = 'verified' AND b.started_at = max(b.started_at) FILTER (WHERE b.state = 'verified') OVER () AS is_recovery_point
FROM backups b
ORDER BY b.id DESC;
COMMENT ON VIEW v_backups IS 'Dumps of this database, the newest first. What is younger than the recovery point''s taken_at is lost when the disk is.';
COMMENT ON COLUMN v_backups.id IS 'Its number.';
COMMENT ON COLUMN v_backups.state IS 'writing, complete (whole, not proved), verified (restored and equal), corrupt, expired (removed).';
COMMENT ON COLUMN v_backups.taken_at IS 'The instant of its snapshot.';
COMMENT ON COLUMN v_backups.finished_at IS 'When it was whole on disk.';
COMMENT ON COLUMN v_backups.verified_at IS 'When it was last restored and found equal.';
COMMENT ON COLUMN v_backups.path IS 'Its folder.';
COMMENT ON COLUMN v_backups.bytes IS 'What it takes on disk.';
COMMENT ON COLUMN v_backups.rows IS 'Rows of all tables.';
COMMENT ON COLUMN v_backups.schema_number IS 'The schema that it holds.';
COMMENT ON COLUMN v_backups.is_encrypted IS 'Whether a key is needed.';
COMMENT ON COLUMN v_backups.restore_took IS 'How long the last restore test took, comparison included: the time to bring it back.';
COMMENT ON COLUMN v_backups.why IS 'Why it does not count, if it does not.';
COMMENT ON COLUMN v_backups.is_recovery_point IS 'The newest that counts.';
