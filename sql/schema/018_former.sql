-- Former versions of bars leave with their year: a file of them beside the file of the bars, and a year is detached only while
-- both are what the table holds, the doubts on the bars too.

ALTER TABLE archives
    ADD COLUMN flags bigint,
    ADD COLUMN former_path text CHECK (length(former_path) BETWEEN 1 AND 500),
    ADD COLUMN former_rows bigint NOT NULL DEFAULT 0 CHECK (former_rows >= 0),
    ADD COLUMN former_newest timestamptz,
    ADD COLUMN former_sha256 bytea CHECK (octet_length(former_sha256) = 32),
    ADD COLUMN former_digest bytea CHECK (octet_length(former_digest) = 32),
    ADD CONSTRAINT former_versions_have_a_file CHECK (
        (former_rows = 0) = (former_path IS NULL) AND (former_path IS NULL) = (former_sha256 IS NULL)
        AND (former_path IS NULL) = (former_digest IS NULL) AND (former_path IS NULL) = (former_newest IS NULL));
COMMENT ON COLUMN archives.flags IS 'By which one knows whether doubts have changed: the sum of flags, each times its bar''s second of a million; NULL: written before doubts stood on bars.';
COMMENT ON COLUMN archives.former_path IS 'The file of the bars'' former versions, below folder; NULL: they have none.';
COMMENT ON COLUMN archives.former_rows IS 'How many former versions.';
COMMENT ON COLUMN archives.former_newest IS 'The greatest known_to of them.';
COMMENT ON COLUMN archives.former_sha256 IS 'Of that file.';
COMMENT ON COLUMN archives.former_digest IS 'Of its values.';

GRANT UPDATE (flags, former_path, former_rows, former_newest, former_sha256, former_digest) ON archives TO scizor_collector;

-- Whatever is summed here is summed alike in scizor.archive.table.counted.
CREATE FUNCTION flags_weighed(flags smallint, started timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT flags::bigint * (date_part('epoch', started)::bigint % 1000003)
$$;
COMMENT ON FUNCTION flags_weighed IS 'The flags of a bar times its second of a million: summed, they tell whether doubts have moved from bar to bar.';

CREATE OR REPLACE FUNCTION unarchived(which integer, place text, relation regclass, after timestamptz) RETURNS TABLE (
    symbol_id integer, timeframe text, origin smallint, rows bigint, archived bigint)
LANGUAGE plpgsql STABLE SET search_path = scizor, pg_temp AS $$
BEGIN
    RETURN QUERY EXECUTE format('
        SELECT b.symbol_id, b.timeframe::text, b.origin, b.rows, a.rows
        FROM (SELECT symbol_id, timeframe, origin, count(*) AS rows, max(known_from) AS newest, sum(revision) AS revisions,
                     sum(flags_weighed(flags, "timestamp")) AS flags, bool_or(flags > 1) AS is_judged
              FROM %s GROUP BY 1, 2, 3) b
        LEFT JOIN (SELECT symbol_id, timeframe, origin, count(*) AS rows, max(known_to) AS newest
              FROM bars_history
              WHERE NOT $4 AND "timestamp" >= make_timestamptz($2, 1, 1, 0, 0, 0, ''UTC'')
                AND "timestamp" < make_timestamptz($2 + 1, 1, 1, 0, 0, 0, ''UTC'') GROUP BY 1, 2, 3) h
            ON h.symbol_id = b.symbol_id AND h.timeframe = b.timeframe AND h.origin = b.origin
        LEFT JOIN archives a ON a.folder = $1 AND a.symbol_id = b.symbol_id AND a.timeframe = b.timeframe
            AND a.origin = b.origin AND a.year = $2 AND a.verified_at >= $3
        WHERE (a.rows, a.newest, a.revisions, coalesce(a.flags, CASE WHEN NOT b.is_judged THEN b.flags END))
              IS DISTINCT FROM (b.rows, b.newest, b.revisions, b.flags)
           OR (NOT $4 AND (a.former_rows, a.former_newest) IS DISTINCT FROM (coalesce(h.rows, 0), h.newest))', relation)
    -- a year that has left: its former versions were proved then, and those that came since are another table''s
    USING place, which, after, relation::text LIKE '%detached\_bars\_%';
END $$;
COMMENT ON FUNCTION unarchived IS 'The series of a partition that no verified file of the folder equals, or whose former versions none equals; verified no earlier than `after`.';

CREATE FUNCTION restore_former(
    whose integer, size text, whence smallint, starts timestamptz[], dates date[], opens numeric[], highs numeric[], lows numeric[],
    closes numeric[], volumes numeric[], waps numeric[], prints integer[], bits smallint[], versions smallint[], requests bigint[],
    since timestamptz[], until timestamptz[]
) RETURNS TABLE (stored bigint, same bigint, other bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = scizor, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH file AS (
        SELECT * FROM unnest(starts, dates, opens, highs, lows, closes, volumes, waps, prints, bits, versions, requests, since, until)
            AS f ("timestamp", session_date, open, high, low, close, volume, wap, trades, flags, revision, request_id, known_from, known_to)
    ), compared AS (
        SELECT f.*, h.symbol_id IS NOT NULL AS is_here,
               (h.session_date, h.open, h.high, h.low, h.close, h.volume, h.wap, h.trades, h.flags, h.request_id, h.known_from, h.known_to)
               IS NOT DISTINCT FROM
               (f.session_date, f.open, f.high, f.low, f.close, f.volume, f.wap, f.trades, f.flags, f.request_id, f.known_from, f.known_to) AS is_same,
               EXISTS (SELECT FROM bars b
                       WHERE b.symbol_id = whose AND b.timeframe = size AND b.origin = whence AND b."timestamp" = f."timestamp"
                         AND b.revision > f.revision AND b.known_from >= f.known_to)
               AND EXISTS (SELECT FROM collection_logs c WHERE c.id = f.request_id) AS may_come
        FROM file f
        LEFT JOIN bars_history h ON h.symbol_id = whose AND h.timeframe = size AND h.origin = whence
            AND h."timestamp" = f."timestamp" AND h.revision = f.revision
    ), come AS (
        INSERT INTO bars_history (symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, wap, trades, flags,
                                  revision, request_id, known_from, known_to)
        SELECT whose, size, whence, c."timestamp", c.session_date, c.open, c.high, c.low, c.close, c.volume, c.wap, c.trades, c.flags,
               c.revision, c.request_id, c.known_from, c.known_to
        FROM compared c WHERE c.may_come AND NOT c.is_here
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM come), count(*) FILTER (WHERE c.is_here AND c.is_same),
           count(*) FILTER (WHERE CASE WHEN c.is_here THEN NOT c.is_same ELSE NOT c.may_come END)
    FROM compared c;
END $$;
COMMENT ON FUNCTION restore_former IS 'Former versions from a file: those are stored of which bars holds a newer version and whose request is known. What is there already is compared and stays.';
REVOKE EXECUTE ON FUNCTION restore_former FROM PUBLIC;
GRANT EXECUTE ON FUNCTION restore_former TO scizor_collector;
