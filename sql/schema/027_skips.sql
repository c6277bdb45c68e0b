-- Runs that found the lock taken leave a trace: three in a row are an alert.

ALTER TABLE job_locks
    ADD skips integer NOT NULL DEFAULT 0 CHECK (skips >= 0),
    ADD skipped_at instant;
COMMENT ON COLUMN job_locks.skips IS 'How many runs in a row found the lock taken since this one got it.';
COMMENT ON COLUMN job_locks.skipped_at IS 'When the last one did.';
GRANT UPDATE (skips, skipped_at) ON job_locks TO scizor_collector;
