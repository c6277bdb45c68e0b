-- Years that leave the database: what lies in Parquet files, and what the database does before it lets a year go.
-- A partition is detached only while every series in it equals a verified file, counted in the same transaction; the
-- detached table stays beside until it is dropped, for which its files must have been verified once more.

CREATE TABLE archives (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    folder text NOT NULL CHECK (folder LIKE '/%'),
    path text NOT NULL CHECK (length(path) BETWEEN 1 AND 500),
    symbol_id integer NOT NULL REFERENCES symbols,
    timeframe timeframe NOT NULL,
    origin smallint NOT NULL REFERENCES origins,
    year smallint NOT NULL CHECK (year BETWEEN 1900 AND 2150),
    rows bigint NOT NULL CHECK (rows > 0),
    bytes bigint NOT NULL CHECK (bytes > 0),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    newest timestamptz NOT NULL,
    revisions bigint NOT NULL CHECK (revisions >= 0),
    written_at instant NOT NULL,
    verified_at instant CHECK (verified_at >= written_at),
    detached_at instant,
    UNIQUE (folder, symbol_id, timeframe, origin, year),
    CONSTRAINT only_what_was_verified_leaves CHECK (detached_at IS NULL OR verified_at IS NOT NULL)
);
CREATE INDEX archives_series ON archives (symbol_id, timeframe, origin) WHERE detached_at IS NOT NULL;
COMMENT ON TABLE archives IS 'Parquet files: one row for each year of a series in each folder.';
COMMENT ON COLUMN archives.id IS 'Its number.';
COMMENT ON COLUMN archives.folder IS 'The archive''s root, absolute; it holds manifest.json.';
COMMENT ON COLUMN archives.path IS 'The file, below folder.';
COMMENT ON COLUMN archives.symbol_id IS 'Whose bars.';
COMMENT ON COLUMN archives.timeframe IS 'Bar size.';
COMMENT ON COLUMN archives.origin IS 'Kind, source and hours.';
COMMENT ON COLUMN archives.year IS 'UTC year of the bars'' starts: the partition that they came from.';
COMMENT ON COLUMN archives.rows IS 'How many bars.';
COMMENT ON COLUMN archives.bytes IS 'The file''s size.';
COMMENT ON COLUMN archives.sha256 IS 'Of the file.';
COMMENT ON COLUMN archives.digest IS 'SHA-256 of the values, however they are encoded: the same for a table that holds the same.';
COMMENT ON COLUMN archives.newest IS 'The greatest known_from in it.';
COMMENT ON COLUMN archives.revisions IS 'The sum of revision: with rows and newest it tells whether the table has moved on.';
COMMENT ON COLUMN archives.written_at IS 'When.';
COMMENT ON COLUMN archives.verified_at IS 'When it was last read back and found equal; NULL: not yet.';
COMMENT ON COLUMN archives.detached_at IS 'Since when these bars lie here and no more in bars; NULL: they lie in both.';

CREATE TABLE archived_sessions (
    symbol_id integer NOT NULL,
    timeframe timeframe NOT NULL,
    origin smallint NOT NULL,
    year smallint NOT NULL,
    session_date date NOT NULL,
    bars integer NOT NULL CHECK (bars > 0),
    PRIMARY KEY (symbol_id, timeframe, origin, session_date, year)
);
COMMENT ON TABLE archived_sessions IS 'Bars that lie in an archive and no more in bars, by session: what a recount of the coverage adds to what it finds.';
COMMENT ON COLUMN archived_sessions.symbol_id IS 'As in bars.';
COMMENT ON COLUMN archived_sessions.timeframe IS 'As in bars.';
COMMENT ON COLUMN archived_sessions.origin IS 'As in bars.';
COMMENT ON COLUMN archived_sessions.year IS 'Of which partition.';
COMMENT ON COLUMN archived_sessions.session_date IS 'The exchange day.';
COMMENT ON COLUMN archived_sessions.bars IS 'How many of its bars.';

CREATE FUNCTION recount_series(whose integer, size text, whence smallint, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = scizor, pg_temp AS $$
DECLARE
    oldest date;
    latest date;
    found bigint;
BEGIN
    SELECT min(session_date), max(session_date), count(*) INTO oldest, latest, found
    FROM bars WHERE symbol_id = whose AND timeframe = size AND origin = whence;
    IF found = 0 THEN
        DELETE FROM historical_data_metadata WHERE symbol_id = whose AND timeframe = size AND origin = whence;
        RETURN;
    END IF;
    -- a series of which nothing is known is thought empty by whoever merges into it
    INSERT INTO coverage (symbol_id, timeframe, origin, checked_at) VALUES (whose, size, whence, at) ON CONFLICT DO NOTHING;
    INSERT INTO historical_data_metadata AS m (symbol_id, timeframe, origin, start_date, end_date, bar_count, last_updated)
    VALUES (whose, size, whence, oldest, latest, found, at)
    ON CONFLICT (symbol_id, timeframe, origin) DO UPDATE
    SET start_date = oldest, end_date = latest, bar_count = found, last_updated = at
    WHERE (m.start_date, m.end_date, m.bar_count) IS DISTINCT FROM (oldest, latest, found);
END $$;
COMMENT ON FUNCTION recount_series IS 'Sets historical_data_metadata of a series to what lies in bars now.';
REVOKE EXECUTE ON FUNCTION recount_series FROM PUBLIC;

CREATE FUNCTION unarchived(which integer, place text, relation regclass, after timestamptz) RETURNS TABLE (
    symbol_id integer, timeframe text, origin smallint, rows bigint, archived bigint)
LANGUAGE plpgsql STABLE SET search_path = scizor, pg_temp AS $$
BEGIN
    RETURN QUERY EXECUTE format('
        SELECT b.symbol_id, b.timeframe::text, b.origin, b.rows, a.rows
        FROM (SELECT symbol_id, timeframe, origin, count(*) AS rows, max(known_from) AS newest, sum(revision) AS revisions
              FROM %s GROUP BY 1, 2, 3) b
        LEFT JOIN archives a ON a.folder = $1 AND a.symbol_id = b.symbol_id AND a.timeframe = b.timeframe
            AND a.origin = b.origin AND a.year = $2 AND a.verified_at >= $3
        WHERE (a.rows, a.newest, a.revisions) IS DISTINCT FROM (b.rows, b.newest, b.revisions)', relation)
    USING place, which, after;
END $$;
COMMENT ON FUNCTION unarchived IS 'The series of a partition that no verified file of the folder equals; verified no earlier than `after`.';

CREATE FUNCTION detach_bar_partition(which integer, place text, at timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = scizor, pg_temp AS $$
DECLARE
    bad integer;
    gone bigint;
BEGIN
    IF which >= date_part('year', at AT TIME ZONE 'UTC') THEN
        RAISE EXCEPTION 'the bars of % are still being collected', which USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF to_regclass(format('scizor.bars_%s', which)) IS NULL THEN
        RAISE EXCEPTION 'there is no partition for %', which USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF to_regclass(format('scizor.detached_bars_%s', which)) IS NOT NULL THEN
        RAISE EXCEPTION 'bars of % were detached before and are still there', which USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- in the order in which a writer takes them; the count below is a second for a year of 18 symbols' minutes
    LOCK TABLE ONLY bars IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('LOCK TABLE bars_%s IN ACCESS EXCLUSIVE MODE', which);
    SELECT count(*) INTO bad FROM unarchived(which, place, format('bars_%s', which)::regclass, '-infinity');
    IF bad > 0 THEN
        RAISE EXCEPTION '% series of % equal no verified file in %', bad, which, place
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('INSERT INTO archived_sessions (symbol_id, timeframe, origin, year, session_date, bars)
        SELECT symbol_id, timeframe, origin, %s, session_date, count(*) FROM bars_%s GROUP BY 1, 2, 3, 5
        ON CONFLICT (symbol_id, timeframe, origin, session_date, year) DO UPDATE SET bars = excluded.bars', which, which);
    EXECUTE format('SELECT count(*) FROM bars_%s', which) INTO gone;
    UPDATE archives SET detached_at = at WHERE folder = place AND year = which;
    EXECUTE format('ALTER TABLE bars DETACH PARTITION bars_%s', which);
    EXECUTE format('ALTER TABLE bars_%s RENAME TO detached_bars_%s', which, which);
    EXECUTE format('COMMENT ON TABLE detached_bars_%s IS %L', which, format('The bars of %s, which lie in an archive too.', which));
    -- An empty partition takes its place, so that a window that is fetched again finds room.
    PERFORM make_bar_partitions(which, which);
    PERFORM recount_series(symbol_id, timeframe, origin, at) FROM archives WHERE folder = place AND year = which;
    RETURN gone;
END $$;
COMMENT ON FUNCTION detach_bar_partition IS 'Takes a past year out of bars, if every series in it equals a verified file of the folder. Returns how many bars left.';
REVOKE EXECUTE ON FUNCTION detach_bar_partition FROM PUBLIC;

CREATE FUNCTION attach_bar_partition(which integer, at timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = scizor, pg_temp AS $$
DECLARE
    found bigint;
BEGIN
    IF to_regclass(format('scizor.detached_bars_%s', which)) IS NULL THEN
        RAISE EXCEPTION 'no detached bars of % are here', which USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    LOCK TABLE ONLY bars IN ACCESS EXCLUSIVE MODE;
    IF to_regclass(format('scizor.bars_%s', which)) IS NOT NULL THEN
        EXECUTE format('LOCK TABLE bars_%s IN ACCESS EXCLUSIVE MODE', which);
        EXECUTE format('SELECT count(*) FROM bars_%s', which) INTO found;
        IF found > 0 THEN
            RAISE EXCEPTION '% bars of % were stored since they were detached', found, which
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        EXECUTE format('DROP TABLE bars_%s', which);
    END IF;
    EXECUTE format('ALTER TABLE detached_bars_%s RENAME TO bars_%s', which, which);
    EXECUTE format('ALTER TABLE bars ATTACH PARTITION bars_%s FOR VALUES FROM (%L) TO (%L)',
                   which, make_date(which, 1, 1) || ' 00:00+00', make_date(which + 1, 1, 1) || ' 00:00+00');
    EXECUTE format('COMMENT ON TABLE bars_%s IS %L', which, format('The bars of %s: ask bars.', which));
    EXECUTE format('SELECT count(*) FROM bars_%s', which) INTO found;
    PERFORM settle_archived(which, at);
    RETURN found;
END $$;
COMMENT ON FUNCTION attach_bar_partition IS 'Puts a detached year back, while its table is still there. Returns how many bars came back.';
REVOKE EXECUTE ON FUNCTION attach_bar_partition FROM PUBLIC;

CREATE FUNCTION settle_archived(which integer, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = scizor, pg_temp AS $$
BEGIN
    DELETE FROM archived_sessions a USING (
        SELECT b.symbol_id, b.timeframe, b.origin, b.session_date, count(*) AS bars
        FROM bars b WHERE b."timestamp" >= make_date(which, 1, 1)::timestamp AT TIME ZONE 'UTC'
            AND b."timestamp" < make_date(which + 1, 1, 1)::timestamp AT TIME ZONE 'UTC'
        GROUP BY 1, 2, 3, 4) b
    WHERE a.year = which AND b.bars >= a.bars
      AND (a.symbol_id, a.timeframe, a.origin, a.session_date) = (b.symbol_id, b.timeframe, b.origin, b.session_date);
    UPDATE archives a SET detached_at = NULL
    WHERE a.year = which AND a.detached_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM archived_sessions s
        WHERE s.year = which AND (s.symbol_id, s.timeframe, s.origin) = (a.symbol_id, a.timeframe, a.origin));
    PERFORM recount_series(symbol_id, timeframe, origin, at)
    FROM (SELECT DISTINCT symbol_id, timeframe, origin FROM archives WHERE year = which) s;
END $$;
COMMENT ON FUNCTION settle_archived IS 'After bars of a year have come back: what lies in bars again is no more counted as archived.';
REVOKE EXECUTE ON FUNCTION settle_archived FROM PUBLIC;

CREATE FUNCTION drop_detached_bars(which integer, place text, at timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = scizor, pg_temp AS $$
DECLARE
    bad integer;
    freed bigint;
BEGIN
    IF to_regclass(format('scizor.detached_bars_%s', which)) IS NULL THEN
        RAISE EXCEPTION 'no detached bars of % are here', which USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('LOCK TABLE detached_bars_%s IN ACCESS EXCLUSIVE MODE', which);
    SELECT count(*) INTO bad FROM unarchived(which, place, format('detached_bars_%s', which)::regclass, at - interval '1 day');
    IF bad > 0 THEN
        RAISE EXCEPTION '% series of % equal no file in % that was verified within a day', bad, which, place
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    freed := pg_total_relation_size(format('detached_bars_%s', which)::regclass);
    EXECUTE format('DROP TABLE detached_bars_%s', which);
    RETURN freed;
END $$;
COMMENT ON FUNCTION drop_detached_bars IS 'Deletes a detached year, if every series in it equals a file of the folder that was verified within a day. Returns the bytes freed.';
REVOKE EXECUTE ON FUNCTION drop_detached_bars FROM PUBLIC;

CREATE FUNCTION prune_rows(what text, before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = scizor, pg_temp AS $$
DECLARE
    pruned bigint;
    latest timestamptz := (SELECT max(heartbeat_at) FROM job_runs);
BEGIN
    -- whatever the caller's clock says, nothing of the last month before the newest run
    IF latest IS NULL OR before > latest - interval '30 days' THEN
        RAISE EXCEPTION 'rows since % are too young to be pruned', before USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    CASE what
        WHEN 'connection_events' THEN DELETE FROM connection_events WHERE at < before;
        WHEN 'job_runs' THEN
            DELETE FROM job_runs r WHERE r.finished_at < before
                AND NOT EXISTS (SELECT FROM collection_logs c WHERE c.run_id = r.id)
                AND NOT EXISTS (SELECT FROM job_locks l WHERE l.run_id = r.id)
                AND NOT EXISTS (SELECT FROM connection_events e WHERE e.run_id = r.id);
        WHEN 'kpis' THEN DELETE FROM kpis WHERE at < before;
        WHEN 'coverage_gaps' THEN DELETE FROM coverage_gaps WHERE resolved_at < before;
        WHEN 'alerts' THEN
            DELETE FROM alert_deliveries d USING alerts a WHERE a.id = d.alert_id AND a.resolved_at < before;
            DELETE FROM alerts WHERE resolved_at < before;
        ELSE RAISE EXCEPTION 'nothing is pruned of %', what;
    END CASE;
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END $$;
COMMENT ON FUNCTION prune_rows IS 'The retention of the tables that only tell how things went. Bars, their former versions, requests and quarantine are evidence and not among them.';
REVOKE EXECUTE ON FUNCTION prune_rows FROM PUBLIC;

CREATE FUNCTION advance_requests(beyond bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = scizor, pg_temp AS $$
BEGIN
    PERFORM setval('collection_logs_id_seq', beyond) WHERE beyond > (SELECT last_value FROM collection_logs_id_seq);
END $$;
COMMENT ON FUNCTION advance_requests IS 'The next request''s number is greater: after requests came back from an archive under the numbers that they had.';
REVOKE EXECUTE ON FUNCTION advance_requests FROM PUBLIC;

GRANT INSERT ON archives TO scizor_collector;
GRANT UPDATE (path, rows, bytes, sha256, digest, newest, revisions, written_at, verified_at) ON archives TO scizor_collector;
GRANT EXECUTE ON FUNCTION recount_series, detach_bar_partition, attach_bar_partition, settle_archived, drop_detached_bars, prune_rows, advance_requests
    TO scizor_collector;
