-- Corporate actions at work: on which price basis a stored bar stands, what was done about a confirmed split, and the
-- prices as they were traded, as adjusted to a day, and as one history of a company that changed its code.

ALTER TABLE corporate_actions ADD COLUMN effective_at instant;
COMMENT ON COLUMN corporate_actions.effective_at IS 'From this instant on the vendor''s answers stand on the new basis; NULL: from 00:00 UTC of ex_date.';
GRANT UPDATE (effective_at, ex_date) ON corporate_actions TO scizor_collector;
CREATE INDEX corporate_actions_confirmed ON corporate_actions (symbol_id) WHERE state = 'confirmed';

ALTER TABLE origins ADD COLUMN price_basis text NOT NULL DEFAULT 'fetched' CHECK (price_basis IN ('fetched', 'traded'));
COMMENT ON COLUMN origins.price_basis IS 'fetched: split-adjusted as of each bar''s known_from, as IB''s are; traded: never adjusted.';
GRANT UPDATE (price_basis) ON origins TO scizor_collector;

CREATE TABLE restatements (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action_id bigint NOT NULL REFERENCES corporate_actions,
    symbol_id integer NOT NULL REFERENCES symbols,
    timeframe timeframe NOT NULL,
    origin smallint NOT NULL REFERENCES origins,
    method text NOT NULL CHECK (method IN ('converted', 'fetched', 'reverted')),
    at instant NOT NULL,
    first_date date NOT NULL,
    last_date date NOT NULL CHECK (last_date >= first_date),
    bars integer NOT NULL CHECK (bars >= 0),
    request_id bigint REFERENCES collection_logs,
    CHECK ((method = 'fetched') = (request_id IS NOT NULL)),
    UNIQUE (action_id, timeframe, origin, method, at)
);
CREATE INDEX restatements_symbol ON restatements (symbol_id, timeframe, origin);
COMMENT ON TABLE restatements IS 'Stored bars that were brought to the price basis of a confirmed action, one row a batch. The former versions are in bars_history.';
COMMENT ON COLUMN restatements.id IS 'The batch.';
COMMENT ON COLUMN restatements.action_id IS 'Why.';
COMMENT ON COLUMN restatements.symbol_id IS 'Whose bars.';
COMMENT ON COLUMN restatements.timeframe IS 'Bar size.';
COMMENT ON COLUMN restatements.origin IS 'Kind, source and hours.';
COMMENT ON COLUMN restatements.method IS 'converted: multiplied here, known_from is `at`, request_id still names who brought the original; fetched: asked for again; reverted: a conversion undone.';
COMMENT ON COLUMN restatements.at IS 'When; converted bars are known from then.';
COMMENT ON COLUMN restatements.first_date IS 'Session date of the oldest bar.';
COMMENT ON COLUMN restatements.last_date IS 'Session date of the newest bar.';
COMMENT ON COLUMN restatements.bars IS 'How many became another revision.';
COMMENT ON COLUMN restatements.request_id IS 'fetched: the one request that brought them.';

CREATE TABLE reconciliations (
    symbol_id integer NOT NULL REFERENCES symbols,
    timeframe timeframe NOT NULL,
    session_date date NOT NULL,
    against text NOT NULL CHECK (length(against) BETWEEN 1 AND 200),
    field text NOT NULL CHECK (field IN ('open', 'high', 'low', 'close', 'volume', 'bar', 'day')),
    ours numeric,
    theirs numeric,
    wrong text NOT NULL CHECK (wrong IN ('ours', 'theirs', 'neither', 'unknown')),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    checked_at instant NOT NULL,
    run_id bigint REFERENCES job_runs,
    PRIMARY KEY (symbol_id, timeframe, session_date, against, field)
);
COMMENT ON TABLE reconciliations IS 'Where two sources of the same session differ, and which of them is wrong, as far as the bars can tell.';
COMMENT ON COLUMN reconciliations.symbol_id IS 'Whose bars.';
COMMENT ON COLUMN reconciliations.timeframe IS 'Of our bars.';
COMMENT ON COLUMN reconciliations.session_date IS 'Which session.';
COMMENT ON COLUMN reconciliations.against IS 'The other source: 1min, or a file''s name.';
COMMENT ON COLUMN reconciliations.field IS 'What differs; bar: one has none; day: many symbols differ on that day.';
COMMENT ON COLUMN reconciliations.ours IS 'Our value.';
COMMENT ON COLUMN reconciliations.theirs IS 'The other''s.';
COMMENT ON COLUMN reconciliations.wrong IS 'ours, theirs; neither: both are right (an auction, a price basis); unknown: a person must look.';
COMMENT ON COLUMN reconciliations.reason IS 'What it was judged by.';
COMMENT ON COLUMN reconciliations.checked_at IS 'When.';
COMMENT ON COLUMN reconciliations.run_id IS 'In which run.';

GRANT SELECT ON restatements, reconciliations TO scizor_collector, scizor_reader, scizor_backup;
GRANT SELECT ON SEQUENCE restatements_id_seq TO scizor_backup;
GRANT INSERT ON restatements, reconciliations TO scizor_collector;
GRANT UPDATE (ours, theirs, wrong, reason, checked_at, run_id) ON reconciliations TO scizor_collector;

CREATE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');
COMMENT ON AGGREGATE product(numeric) IS 'All multiplied, exactly; 1 for none.';

-- By how many shares of the wanted basis one share of a stored bar counts: new / old. Exact: splits on both sides cancel.
-- known: since when the bar is known; NULL: it was never adjusted. as_of: the day whose basis is wanted; NULL: as traded.
-- A set of one row, and no sub-select among its arguments, so that it becomes part of the query that calls it: a twentieth
-- of the time.
CREATE FUNCTION price_ratio(of_symbol integer, session_date date, known timestamptz, as_of date)
RETURNS TABLE (new numeric, old numeric) LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT product(CASE WHEN a.is_in AND NOT a.is_wanted THEN a.ratio_old WHEN a.is_wanted AND NOT a.is_in THEN a.ratio_new ELSE 1 END),
           product(CASE WHEN a.is_in AND NOT a.is_wanted THEN a.ratio_new WHEN a.is_wanted AND NOT a.is_in THEN a.ratio_old ELSE 1 END)
    FROM (SELECT c.ratio_new::numeric, c.ratio_old::numeric,
                 coalesce(known >= coalesce(c.effective_at::timestamptz, c.ex_date::timestamp AT TIME ZONE 'UTC'), false) AS is_in,
                 coalesce(c.ex_date <= as_of, false) AS is_wanted
          FROM corporate_actions c
          WHERE c.symbol_id = of_symbol AND c.state = 'confirmed' AND c.type = 'split' AND c.ex_date > price_ratio.session_date) a
$$;
COMMENT ON FUNCTION price_ratio IS 'new : old by which a stored price must be divided, and a volume multiplied, to stand on another day''s basis.';

-- A price that the vendor has divided is known to its four decimals only; multiplied back, the last of them mean nothing.
CREATE FUNCTION rebased(price numeric, new numeric, old numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN new = old THEN price
                WHEN new > old THEN trim_scale(round(price * old / new, 8))
                ELSE trim_scale(round(price * old / new, greatest(0, 4 - ceil(log(old / new))::integer))) END
$$;
COMMENT ON FUNCTION rebased IS 'A price on another basis, with as many decimals as the vendor''s rounding leaves it.';

CREATE VIEW as_traded AS
SELECT s.symbol, b.symbol_id, b.timeframe, b."timestamp", b.session_date, rebased(b.open, r.new, r.old) AS open,
       rebased(b.high, r.new, r.old) AS high, rebased(b.low, r.new, r.old) AS low, rebased(b.close, r.new, r.old) AS close,
       CASE WHEN r.new = r.old THEN b.volume ELSE trim_scale(round(b.volume * r.new / r.old, 4)) END AS volume,
       rebased(b.wap, r.new, r.old) AS wap, b.trades, r.old / r.new AS factor, b.known_from
FROM bars b
JOIN origins o ON o.id = b.origin
JOIN symbols s ON s.id = b.symbol_id
CROSS JOIN LATERAL price_ratio(b.symbol_id, b.session_date, CASE o.price_basis WHEN 'fetched' THEN b.known_from END, NULL) r
WHERE o.is_official;
COMMENT ON VIEW as_traded IS 'The official bars at the prices of their day: confirmed splits that were in them when they were fetched are taken out. factor: by which the stored price was multiplied.';

CREATE FUNCTION adjusted_to(as_of date) RETURNS TABLE (
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
$$;
COMMENT ON FUNCTION adjusted_to IS 'The official bars up to a day, adjusted for every confirmed split up to that day and for none after it, whenever they were fetched.';

CREATE FUNCTION lineage(of_symbol text) RETURNS TABLE (symbol_id integer, symbol ticker, generation integer) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE named AS (
        SELECT s.id FROM symbols s WHERE s.symbol = upper(of_symbol)
        UNION ALL
        (SELECT c.symbol_id FROM symbol_codes c
         WHERE c.code = upper(of_symbol) AND c.symbol_id IS NOT NULL
           AND NOT EXISTS (SELECT FROM symbols s WHERE s.symbol = upper(of_symbol))
         ORDER BY c.valid_from DESC NULLS LAST LIMIT 1)
    ), onward AS (
        SELECT s.id, s.successor, 0 AS step FROM named JOIN symbols s USING (id)
        UNION ALL
        SELECT n.id, n.successor, o.step + 1 FROM onward o JOIN symbols n ON n.symbol = o.successor WHERE o.step < 20
    ), line AS (
        (SELECT s.id, s.symbol, 0 AS generation FROM onward o JOIN symbols s USING (id) ORDER BY o.step DESC LIMIT 1)
        UNION ALL
        SELECT p.id, p.symbol, l.generation + 1 FROM line l JOIN symbols p ON p.successor = l.symbol AND p.id <> l.id WHERE l.generation < 20
    )
    SELECT l.id, l.symbol, min(l.generation) FROM line l GROUP BY l.id, l.symbol
$$;
COMMENT ON FUNCTION lineage IS 'A company under all its symbols: the newest is generation 0, what became it is 1, and so on. Takes a symbol, or a code that one had.';

CREATE FUNCTION continuous(of_symbol text, of_timeframe text DEFAULT '1day', as_of date DEFAULT 'infinity') RETURNS TABLE (
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
$$;
COMMENT ON FUNCTION continuous IS 'One history of a company through its changes of code (AFY, APT, SQ2), on one price basis. A session that the successor traded in is the successor''s; deferred-settlement codes fill the rest.';
