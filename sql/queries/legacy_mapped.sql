-- Each row of the previous product's market_data in our words: whose, which size, which start, which numbers; or why not. The
-- braces stand for expressions over its own columns, whose types vary. A daily bar that was written as a midnight, in the zone of
-- the writer or in UTC, is of that very date; else the exchange's own date decides, an hour later, for a writer who missed
-- the change to summer time.
SELECT s.our_id, s.timeframe, s.local_day, s.spelled, s.open, s.high, s.low, s.close, nullif(s.volume, -1) AS volume, s.seen, s.source_row,
       CASE WHEN s.timeframe = '1day' THEN s.local_day::timestamp AT TIME ZONE 'UTC' ELSE date_trunc('second', s.instant) END AS start,
       CASE WHEN s.our_id IS NULL THEN 'unknown_symbol'
            WHEN s.timeframe IS NULL THEN 'unknown_timeframe'
            WHEN s.local_day IS NULL THEN 'unknown_time'
            WHEN length(concat(s.open, s.high, s.low, s.close, s.volume)) > 300 THEN 'absurd_number' END AS refused
FROM (
    SELECT r.*, k.our_id, t.name AS timeframe,
           CASE WHEN r.instant >= '1970-01-02Z' AND r.instant < '2199-12-31Z' THEN
               CASE WHEN t.name = '1day' THEN coalesce(
                        r.midnight,
                        CASE WHEN (r.instant AT TIME ZONE 'UTC')::time = '00:00' THEN (r.instant AT TIME ZONE 'UTC')::date END,
                        ((r.instant + interval '1 hour') AT TIME ZONE k.zone)::date)
                    ELSE (r.instant AT TIME ZONE k.zone)::date END
           END AS local_day
    FROM (
        SELECT m.symbol_id::text AS legacy_id, m.timeframe::text AS spelled, {instant} AS instant, {midnight} AS midnight,
               {open} AS open, {high} AS high, {low} AS low, {close} AS close, {volume} AS volume, {seen} AS seen, m AS source_row
        FROM {table} m
    ) r
    LEFT JOIN unnest(%(legacy_ids)s::text[], %(our_ids)s::integer[], %(zones)s::text[]) AS k (legacy_id, our_id, zone) USING (legacy_id)
    LEFT JOIN unnest(%(spellings)s::text[], %(names)s::text[]) AS t (spelled, name) USING (spelled)
    WHERE %(only)s::text[] IS NULL OR r.legacy_id = ANY (%(only)s::text[])
) s
