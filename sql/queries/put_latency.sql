-- The latencies of an hour, in its place of the ring.
INSERT INTO latencies (name, slot, hour, samples, p50_ms, p95_ms, p99_ms, highest_ms, histogram)
VALUES (%(name)s, %(slot)s, %(hour)s, %(samples)s, %(p50)s, %(p95)s, %(p99)s, %(highest)s, %(histogram)s)
ON CONFLICT (name, slot) DO UPDATE
SET hour = excluded.hour, samples = excluded.samples, p50_ms = excluded.p50_ms, p95_ms = excluded.p95_ms, p99_ms = excluded.p99_ms,
    highest_ms = excluded.highest_ms, histogram = excluded.histogram
