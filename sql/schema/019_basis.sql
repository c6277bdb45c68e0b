-- Prices on another basis: they refuse to leave out years that lie in files without saying so, and know dividends too.

-- True for no row: it is a condition that lets a query fail when it reaches sessions whose bars are not in the table. SQL cannot
-- read Parquet, and a history with a hole is not given silently. Costly, so that the planner asks whatever else first; and where it is
-- called, its arguments come from the tables that are joined, or it would be asked of other symbols and origins before the join.
CREATE FUNCTION refuse_archived(whose integer, size text, whence smallint, day date, of_year smallint, how_many integer) RETURNS boolean
LANGUAGE plpgsql STABLE COST 1000000 SET search_path = scizor, pg_temp AS $$
DECLARE
    held bigint;
    years text;
BEGIN
    IF coalesce(current_setting('scizor.archived', true), '') = 'leave out' THEN
        RETURN false;
    END IF;
    SELECT count(*) INTO held FROM bars b
    WHERE b.symbol_id = whose AND b.timeframe = size AND b.origin = whence AND b.session_date = day
      AND b."timestamp" >= day::timestamp AT TIME ZONE 'UTC' - interval '1 day' AND b."timestamp" < day::timestamp AT TIME ZONE 'UTC' + interval '2 days';
    IF held >= how_many THEN  -- it was fetched again
        RETURN false;
    END IF;
    SELECT string_agg(DISTINCT a.year::text, ', ' ORDER BY a.year::text) INTO years
    FROM archived_sessions a WHERE a.symbol_id = whose AND a.timeframe = size AND a.origin = whence;
    RAISE EXCEPTION 'the % bars of % of % are in files and not in the table', size, (SELECT s.symbol FROM symbols s WHERE s.id = whose), years
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = format('bin/export --import --year %s brings them back; scizor.read reads both; a later session_date does without; '
                            'SET scizor.archived = ''leave out'' leaves them out', of_year);
END $$;
COMMENT ON FUNCTION refuse_archived IS 'Fails where a query reaches a session whose bars lie in files alone, unless scizor.archived is set to ''leave out''.';

CREATE FUNCTION versions_as_known(at timestamptz) RETURNS SETOF bars LANGUAGE sql STABLE AS $$
    SELECT symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, wap, trades,
           CASE WHEN flags < 2 THEN flags ELSE flags_as_known(symbol_id, timeframe, origin, "timestamp", session_date, known_from, flags, at) END,
           revision, request_id, known_from
    FROM bars WHERE known_from <= at
    UNION ALL
    SELECT symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, wap, trades,
           CASE WHEN flags < 2 THEN flags ELSE flags_as_known(symbol_id, timeframe, origin, "timestamp", session_date, known_from, flags, at) END,
           revision, request_id, known_from
    FROM bars_history WHERE known_from <= at AND known_to > at
$$;
COMMENT ON FUNCTION versions_as_known IS 'What bars_as_known finds in the tables alone: for who reads the files too.';

CREATE OR REPLACE FUNCTION bars_as_known(at timestamptz) RETURNS SETOF bars LANGUAGE sql STABLE AS $$
    SELECT symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, wap, trades,
           CASE WHEN flags < 2 THEN flags ELSE flags_as_known(symbol_id, timeframe, origin, "timestamp", session_date, known_from, flags, at) END,
           revision, request_id, known_from
    FROM bars WHERE known_from <= at
    UNION ALL
    SELECT symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, wap, trades,
           CASE WHEN flags < 2 THEN flags ELSE flags_as_known(symbol_id, timeframe, origin, "timestamp", session_date, known_from, flags, at) END,
           revision, request_id, known_from
    FROM bars_history WHERE known_from <= at AND known_to > at
    UNION ALL
    SELECT a.symbol_id, a.timeframe, a.origin, a.session_date::timestamp AT TIME ZONE 'UTC', a.session_date, NULL, NULL, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL
    FROM archived_sessions a
    WHERE refuse_archived(a.symbol_id, a.timeframe, a.origin, a.session_date, a.year, a.bars)
$$;
COMMENT ON FUNCTION bars_as_known IS 'The bars as they were known at an instant, and the doubts about them: no look-ahead in a back-test. Fails where a session''s bars lie in files alone.';

CREATE OR REPLACE VIEW as_traded AS
SELECT s.symbol, b.symbol_id, b.timeframe, b."timestamp", b.session_date, rebased(b.open, r.new, r.old) AS open,
       rebased(b.high, r.new, r.old) AS high, rebased(b.low, r.new, r.old) AS low, rebased(b.close, r.new, r.old) AS close,
       CASE WHEN r.new = r.old THEN b.volume ELSE trim_scale(round(b.volume * r.new / r.old, 4)) END AS volume,
       rebased(b.wap, r.new, r.old) AS wap, b.trades, r.old / r.new AS factor, b.known_from
FROM bars b
JOIN origins o ON o.id = b.origin
JOIN symbols s ON s.id = b.symbol_id
CROSS JOIN LATERAL price_ratio(b.symbol_id, b.session_date, CASE o.price_basis WHEN 'fetched' THEN b.known_from END, NULL) r
WHERE o.is_official
UNION ALL
SELECT s.symbol, a.symbol_id, a.timeframe, a.session_date::timestamp AT TIME ZONE 'UTC', a.session_date, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL
FROM archived_sessions a
JOIN origins o ON o.id = a.origin
JOIN symbols s ON s.id = a.symbol_id
WHERE o.is_official AND refuse_archived(s.id, a.timeframe, o.id, a.session_date, a.year, a.bars);
COMMENT ON VIEW as_traded IS 'The official bars at the prices of their day: confirmed splits that were in them when they were fetched are taken out. factor: by which the stored price was multiplied. Fails where a session''s bars lie in files alone.';

CREATE OR REPLACE FUNCTION adjusted_to(as_of date) RETURNS TABLE (
    symbol ticker, symbol_id integer, timeframe timeframe, "timestamp" timestamptz, session_date date, open numeric, high numeric,
    low numeric, close numeric, volume numeric, wap numeric, trades integer, factor numeric, known_from timestamptz
) LANGUAGE sql STABLE AS $$
    SELECT s.symbol, b.symbol_id, b.timeframe, b."timestamp", b.session_date, rebased(b.open, r.new, r.old),
           rebased(b.high, r.new, r.old), rebased(b.low, r.new, r.old), rebased(b.close, r.new, r.old),
           CASE WHEN r.new = r.old THEN b.volume ELSE trim_scale(round(b.volume * r.new / r.old, 4)) END,
           rebased(b.wap, r.new, r.old), b.trades, r.old / r.new, b.known_from
    FROM bars b
    JOIN origins o ON o.id = b.origin
    JOIN symbols s ON s.id = b.symbol_id
    CROSS JOIN LATERAL price_ratio(b.symbol_id, b.session_date, CASE o.price_basis WHEN 'fetched' THEN b.known_from END, adjusted_to.as_of) r
    WHERE o.is_official AND b.session_date <= adjusted_to.as_of
    UNION ALL
    SELECT s.symbol, a.symbol_id, a.timeframe, a.session_date::timestamp AT TIME ZONE 'UTC', a.session_date, NULL, NULL, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL
    FROM archived_sessions a
    JOIN origins o ON o.id = a.origin
    JOIN symbols s ON s.id = a.symbol_id
    WHERE o.is_official AND a.session_date <= adjusted_to.as_of
      AND refuse_archived(s.id, a.timeframe, o.id, a.session_date, a.year, a.bars)
$$;
COMMENT ON FUNCTION adjusted_to IS 'The official bars up to a day, adjusted for every confirmed split up to that day and for none after it, whenever they were fetched; total_return adjusts for dividends too. Fails where a session''s bars lie in files alone.';

CREATE OR REPLACE FUNCTION continuous(of_symbol text, of_timeframe text DEFAULT '1day', as_of date DEFAULT 'infinity') RETURNS TABLE (
    symbol ticker, "timestamp" timestamptz, session_date date, open numeric, high numeric, low numeric, close numeric, volume numeric,
    wap numeric, trades integer, factor numeric, known_from timestamptz
) LANGUAGE sql STABLE ROWS 5000 AS $$
    WITH line AS MATERIALIZED (SELECT * FROM lineage(of_symbol))
    SELECT b.symbol, b."timestamp", b.session_date, rebased(b.open, j.new, j.old),
           rebased(b.high, j.new, j.old), rebased(b.low, j.new, j.old),
           rebased(b.close, j.new, j.old), trim_scale(round(b.volume * j.new / j.old, 4)),
           rebased(b.wap, j.new, j.old), b.trades, j.old / j.new, b.known_from
    FROM (SELECT x.*, min(l.generation) OVER (PARTITION BY x.session_date) AS newest, l.generation, l.symbol, o.price_basis
          FROM line l
          CROSS JOIN origins o
          JOIN bars x ON x.symbol_id = l.symbol_id AND x.timeframe = of_timeframe AND x.origin = o.id
          WHERE o.is_official AND x.session_date <= continuous.as_of) b
    CROSS JOIN LATERAL price_ratio(b.symbol_id, b.session_date,
        CASE b.price_basis WHEN 'fetched' THEN b.known_from END, continuous.as_of) r
    -- what became of its shares: so many of the successor's for one, and the successor's splits since
    CROSS JOIN LATERAL (
        SELECT r.new * product(a.ratio_new) AS new, r.old * product(a.ratio_old) AS old
        FROM line n
        JOIN corporate_actions a ON a.symbol_id = n.symbol_id AND a.state = 'confirmed' AND a.ratio_new IS NOT NULL AND a.ratio_old IS NOT NULL
        WHERE a.ex_date > b.session_date AND a.ex_date <= continuous.as_of
          AND ((a.type = 'code-change' AND n.generation BETWEEN 1 AND b.generation) OR (a.type = 'split' AND n.generation < b.generation))
    ) j
    WHERE b.generation = b.newest
    UNION ALL
    SELECT l.symbol, a.session_date::timestamp AT TIME ZONE 'UTC', a.session_date, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM line l
    CROSS JOIN origins o
    JOIN archived_sessions a ON a.symbol_id = l.symbol_id AND a.timeframe = of_timeframe AND a.origin = o.id
    WHERE o.is_official AND a.session_date <= continuous.as_of
      AND refuse_archived(l.symbol_id, a.timeframe, o.id, a.session_date, a.year, a.bars)
$$;
COMMENT ON FUNCTION continuous IS 'One history of a company through its changes of code (AFY, APT, SQ2), on one price basis. A session that the successor traded in is the successor''s; deferred-settlement codes fill the rest. Fails where a session''s bars lie in files alone.';

CREATE FUNCTION exactly(dividend numeric, divisor numeric, decimals integer) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT trim_scale(div(2 * dividend * 10::numeric ^ decimals + divisor, 2 * divisor) / 10::numeric ^ decimals)
$$;
COMMENT ON FUNCTION exactly IS 'A quotient of positive numbers rounded once, half up, whatever the number of their digits: numeric''s own division has rounded it before.';

CREATE FUNCTION paid_and_rebased(price numeric, new numeric, old numeric, whole numeric, kept numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN whole = kept THEN rebased(price, new, old) ELSE exactly(price * old * kept, new * whole, 8) END
$$;
COMMENT ON FUNCTION paid_and_rebased IS 'A price on another share basis (rebased), and multiplied by what is kept through dividends: kept / whole; rounded once, to eight decimals.';

-- A cash dividend takes d from a share that closed at c: what one held before is worth (c - d) / c of it. c: the last official daily
-- close before the ex-date, on the share basis of the ex-date, as d is stated.
CREATE FUNCTION dividends_paid(whose integer, as_of date) RETURNS TABLE (ex_date date, kept numeric, whole numeric)
LANGUAGE plpgsql STABLE SET search_path = scizor, pg_temp AS $$
DECLARE
    paid record;
    last record;
BEGIN
    FOR paid IN
        SELECT c.ex_date, sum(c.amount) AS amount FROM corporate_actions c
        WHERE c.symbol_id = whose AND c.state = 'confirmed' AND c.type = 'dividend' AND c.amount > 0 AND c.ex_date <= dividends_paid.as_of
        GROUP BY 1 ORDER BY 1
    LOOP
        SELECT b.session_date, rebased(b.close, r.new, r.old) AS close INTO last
        FROM bars b JOIN origins o ON o.id = b.origin
        CROSS JOIN LATERAL price_ratio(b.symbol_id, b.session_date, CASE o.price_basis WHEN 'fetched' THEN b.known_from END, paid.ex_date) r
        WHERE o.is_official AND b.symbol_id = whose AND b.timeframe = '1day' AND b.session_date < paid.ex_date
          AND b."timestamp" < paid.ex_date::timestamp AT TIME ZONE 'UTC'
        ORDER BY b."timestamp" DESC LIMIT 1;
        PERFORM refuse_archived(a.symbol_id, a.timeframe, o.id, a.session_date, a.year, a.bars)
        FROM archived_sessions a JOIN origins o ON o.id = a.origin
        WHERE o.is_official AND a.symbol_id = whose AND a.timeframe = '1day' AND a.session_date < paid.ex_date
          AND a.session_date >= paid.ex_date - 14 AND a.session_date > coalesce(last.session_date, '-infinity');
        IF last.session_date IS NULL AND NOT EXISTS (
            SELECT FROM bars b JOIN origins o ON o.id = b.origin WHERE o.is_official AND b.symbol_id = whose AND b.session_date < paid.ex_date) THEN
            CONTINUE;  -- nothing is stored that it would change
        END IF;
        IF last.session_date IS NULL OR last.session_date < paid.ex_date - 14 OR last.close <= paid.amount THEN
            RAISE EXCEPTION 'the dividend of % on % has no close before it: %', paid.amount, paid.ex_date,
                coalesce(format('the last one is %s of %s', last.close, last.session_date), 'none is stored')
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'bin/backfill brings the daily bars; bin/actions list shows the dividend';
        END IF;
        ex_date := paid.ex_date;
        kept := last.close - paid.amount;
        whole := last.close;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION dividends_paid IS 'The confirmed cash dividends of a symbol up to a day, oldest first: what a share kept of its close before, and that close.';

CREATE FUNCTION total_return(of_symbol text, as_of date, of_timeframe text DEFAULT '1day') RETURNS TABLE (
    symbol ticker, symbol_id integer, timeframe timeframe, "timestamp" timestamptz, session_date date, open numeric, high numeric,
    low numeric, close numeric, volume numeric, wap numeric, trades integer, factor numeric, known_from timestamptz
) LANGUAGE sql STABLE ROWS 5000 AS $$
    WITH paid AS MATERIALIZED (
        SELECT d.* FROM symbols s CROSS JOIN LATERAL dividends_paid(s.id, total_return.as_of) d WHERE s.symbol = upper(of_symbol)
    )
    SELECT s.symbol, b.symbol_id, b.timeframe, b."timestamp", b.session_date, paid_and_rebased(b.open, r.new, r.old, t.whole, t.kept), paid_and_rebased(b.high, r.new, r.old, t.whole, t.kept),
           paid_and_rebased(b.low, r.new, r.old, t.whole, t.kept), paid_and_rebased(b.close, r.new, r.old, t.whole, t.kept),
           CASE WHEN r.new = r.old THEN b.volume ELSE trim_scale(round(b.volume * r.new / r.old, 4)) END,
           paid_and_rebased(b.wap, r.new, r.old, t.whole, t.kept), b.trades, r.old * t.kept / (r.new * t.whole), b.known_from
    FROM symbols s
    CROSS JOIN origins o
    JOIN bars b ON b.symbol_id = s.id AND b.timeframe = of_timeframe AND b.origin = o.id
    CROSS JOIN LATERAL price_ratio(b.symbol_id, b.session_date, CASE o.price_basis WHEN 'fetched' THEN b.known_from END, total_return.as_of) r
    CROSS JOIN LATERAL (
        SELECT product(p.whole) AS whole, product(p.kept) AS kept FROM paid p WHERE p.ex_date > b.session_date
    ) t
    WHERE s.symbol = upper(of_symbol) AND o.is_official AND b.session_date <= total_return.as_of
    UNION ALL
    SELECT s.symbol, a.symbol_id, a.timeframe, a.session_date::timestamp AT TIME ZONE 'UTC', a.session_date, NULL, NULL, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL
    FROM symbols s
    CROSS JOIN origins o
    JOIN archived_sessions a ON a.symbol_id = s.id AND a.timeframe = of_timeframe AND a.origin = o.id
    WHERE s.symbol = upper(of_symbol) AND o.is_official AND a.session_date <= total_return.as_of
      AND refuse_archived(s.id, a.timeframe, o.id, a.session_date, a.year, a.bars)
$$;
COMMENT ON FUNCTION total_return IS 'The official bars of a symbol up to a day, adjusted for every confirmed split and cash dividend up to it (as IB''s ADJUSTED_LAST asked on that day), each price rounded once, to eight decimals. Volumes follow the splits alone. Fails where a session''s bars lie in files alone.';
