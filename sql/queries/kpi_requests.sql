-- Requests of the last day to the vendor, and of these failed (an emptiness that waits for its second answer is none).
SELECT count(*), count(*) FILTER (WHERE outcome IN ('error', 'timeout', 'pacing', 'cancelled'))
FROM collection_logs
WHERE started_at > %(now)s::timestamptz - interval '1 day' AND outcome <> 'pending'
