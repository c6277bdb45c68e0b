-- The bars. Measured choices (one million real bars, two cores): a text timeframe in the key lets the planner see it;
-- yearly partitions (monthly ones load at two thirds of the speed); no foreign keys (one costs x 1.4; the transaction
-- inserts the request's row, which refers to symbol and origin, and an audit compares); one CHECK where six domains say the
-- same for a tenth of the insert. Numerics that refuse rather than round.

CREATE TABLE bars (
    symbol_id integer NOT NULL,
    timeframe timeframe NOT NULL,
    origin smallint NOT NULL,
    "timestamp" timestamptz NOT NULL,
    session_date date NOT NULL,
    open numeric NOT NULL,
    high numeric NOT NULL,
    low numeric NOT NULL,
    close numeric NOT NULL,
    volume numeric,
    wap numeric,
    trades integer,
    flags smallint NOT NULL DEFAULT 0,
    revision smallint NOT NULL DEFAULT 0,
    request_id bigint NOT NULL,
    known_from timestamptz NOT NULL,
    PRIMARY KEY (symbol_id, timeframe, origin, "timestamp"),
    -- NaN is the greatest numeric, and the upper bound refuses it with Infinity; low and high bound open and close
    CONSTRAINT bars_ohlc CHECK (low > 0 AND low <= open AND low <= close AND open <= high AND close <= high AND high < 1e9),
    CONSTRAINT bars_values CHECK (
        greatest(scale(open), scale(high), scale(low), scale(close), scale(volume), scale(wap)) <= 8
        AND (volume IS NULL OR (volume >= 0 AND volume < 1e15)) AND (wap IS NULL OR (wap > 0 AND wap < 1e9))
        AND (trades IS NULL OR trades >= 0)),
    CONSTRAINT bars_known CHECK (known_from > "timestamp")
) PARTITION BY RANGE ("timestamp");
COMMENT ON TABLE bars IS 'OHLCV over [timestamp, timestamp + timeframe): the newest version of each. Older versions are in bars_history.';
COMMENT ON COLUMN bars.symbol_id IS 'Whose: symbols.id.';
COMMENT ON COLUMN bars.timeframe IS 'Bar size: 1day, 5min, ...';
COMMENT ON COLUMN bars.origin IS 'Kind, source and hours: origins.id.';
COMMENT ON COLUMN bars."timestamp" IS 'Start of the bar, UTC; a daily bar: 00:00 UTC of its session date.';
COMMENT ON COLUMN bars.session_date IS 'The exchange day that it belongs to; the authority for daily bars.';
COMMENT ON COLUMN bars.open IS 'First price.';
COMMENT ON COLUMN bars.high IS 'Highest price.';
COMMENT ON COLUMN bars.low IS 'Lowest price.';
COMMENT ON COLUMN bars.close IS 'Last price. IB''s TRADES prices are split-adjusted as of known_from.';
COMMENT ON COLUMN bars.volume IS 'Shares; may be fractional; NULL: the vendor has none.';
COMMENT ON COLUMN bars.wap IS 'Volume-weighted average price, where the vendor has one.';
COMMENT ON COLUMN bars.trades IS 'How many prints made it.';
COMMENT ON COLUMN bars.flags IS 'Doubts that do not refuse a bar, as bits; 0: none.';
COMMENT ON COLUMN bars.revision IS '0 as first stored; each change adds one and moves the old row to bars_history.';
COMMENT ON COLUMN bars.request_id IS 'The request that brought it: collection_logs.id.';
COMMENT ON COLUMN bars.known_from IS 'Since when we know this version; also the date of its price basis.';

CREATE TABLE bars_history (
    LIKE bars,
    known_to timestamptz NOT NULL,
    PRIMARY KEY (symbol_id, timeframe, origin, "timestamp", revision),
    CHECK (known_to > known_from)
);
COMMENT ON TABLE bars_history IS 'Former versions of bars, each known in [known_from, known_to). Append only; a trigger fills it.';
COMMENT ON COLUMN bars_history.symbol_id IS 'As in bars.';
COMMENT ON COLUMN bars_history.timeframe IS 'As in bars.';
COMMENT ON COLUMN bars_history.origin IS 'As in bars.';
COMMENT ON COLUMN bars_history."timestamp" IS 'As in bars.';
COMMENT ON COLUMN bars_history.session_date IS 'As in bars.';
COMMENT ON COLUMN bars_history.open IS 'As in bars.';
COMMENT ON COLUMN bars_history.high IS 'As in bars.';
COMMENT ON COLUMN bars_history.low IS 'As in bars.';
COMMENT ON COLUMN bars_history.close IS 'As in bars.';
COMMENT ON COLUMN bars_history.volume IS 'As in bars.';
COMMENT ON COLUMN bars_history.wap IS 'As in bars.';
COMMENT ON COLUMN bars_history.trades IS 'As in bars.';
COMMENT ON COLUMN bars_history.flags IS 'As in bars.';
COMMENT ON COLUMN bars_history.revision IS 'Which version this was.';
COMMENT ON COLUMN bars_history.request_id IS 'The request that brought this version.';
COMMENT ON COLUMN bars_history.known_from IS 'Since when it was the newest we knew.';
COMMENT ON COLUMN bars_history.known_to IS 'When the next version replaced it.';

CREATE FUNCTION keep_revision() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = scizor, pg_temp AS $$
BEGIN
    IF (NEW.symbol_id, NEW.timeframe, NEW.origin, NEW."timestamp")
        IS DISTINCT FROM (OLD.symbol_id, OLD.timeframe, OLD.origin, OLD."timestamp") THEN
        RAISE EXCEPTION 'the key of a bar never changes';
    END IF;
    IF (NEW.session_date, NEW.open, NEW.high, NEW.low, NEW.close, NEW.volume, NEW.wap, NEW.trades, NEW.flags)
        IS NOT DISTINCT FROM
       (OLD.session_date, OLD.open, OLD.high, OLD.low, OLD.close, OLD.volume, OLD.wap, OLD.trades, OLD.flags) THEN
        RETURN NULL;  -- nothing changed: nothing is written
    END IF;
    IF NEW.known_from = OLD.known_from AND NEW.request_id = OLD.request_id THEN
        RAISE EXCEPTION 'a changed bar needs its request_id and known_from: who says so, since when';
    END IF;
    NEW.known_from := greatest(NEW.known_from, OLD.known_from + interval '1 microsecond');
    NEW.revision := OLD.revision + 1;
    INSERT INTO bars_history SELECT (OLD).*, NEW.known_from;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION keep_revision IS 'Moves the former version of a changed bar to bars_history.';
REVOKE EXECUTE ON FUNCTION keep_revision FROM PUBLIC;
CREATE TRIGGER keep_revision BEFORE UPDATE ON bars FOR EACH ROW EXECUTE FUNCTION keep_revision();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
COMMENT ON FUNCTION refuse_change IS 'Keeps a table append only, for its owner too.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bars_history FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION make_bar_partitions(first_year integer, last_year integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = scizor, pg_temp AS $$
DECLARE
    made integer := 0;
BEGIN
    IF first_year < 1900 OR last_year > 2150 OR last_year - first_year > 150 THEN
        RAISE EXCEPTION 'years % to % are out of reach', first_year, last_year;
    END IF;
    FOR year IN first_year .. last_year LOOP
        CONTINUE WHEN to_regclass(format('scizor.bars_%s', year)) IS NOT NULL;
        EXECUTE format('CREATE TABLE bars_%s (LIKE bars INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', year);
        EXECUTE format('ALTER TABLE bars ATTACH PARTITION bars_%s FOR VALUES FROM (%L) TO (%L)',
                       year, make_date(year, 1, 1) || ' 00:00+00', make_date(year + 1, 1, 1) || ' 00:00+00');
        EXECUTE format('COMMENT ON TABLE bars_%s IS %L', year, format('The bars of %s: ask bars.', year));
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
COMMENT ON FUNCTION make_bar_partitions IS 'Makes the yearly partitions that are missing. It runs as the owner, so that a job can make the next year''s ahead.';
REVOKE EXECUTE ON FUNCTION make_bar_partitions FROM PUBLIC;

CREATE FUNCTION bars_as_known(at timestamptz) RETURNS SETOF bars LANGUAGE sql STABLE AS $$
    SELECT * FROM bars WHERE known_from <= at
    UNION ALL
    SELECT symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, wap, trades, flags,
           revision, request_id, known_from
    FROM bars_history WHERE known_from <= at AND known_to > at
$$;
COMMENT ON FUNCTION bars_as_known IS 'The bars as they were known at an instant: no look-ahead in a back-test.';

-- The read view of the original documents. Its id is built of the key, so that nothing is stored for it: symbol in the
-- upper bits, then the timeframe, then the seconds since 1970 (32 bits reach 2106). The official origin is looked up
-- once a query, and the key's index serves the rest.
CREATE VIEW market_data AS
SELECT (b.symbol_id::bigint << 40)
       + ((CASE b.timeframe WHEN '1day' THEN 9 WHEN '4hour' THEN 8 WHEN '1hour' THEN 7 WHEN '30min' THEN 6 WHEN '15min' THEN 5
                            WHEN '5min' THEN 4 WHEN '1min' THEN 3 WHEN '30sec' THEN 2 ELSE 1 END)::bigint << 32)
       + date_part('epoch', b."timestamp")::bigint AS id,
       b.symbol_id, b."timestamp", b.timeframe, b.open, b.high, b.low, b.close, b.volume, b.wap, b.trades,
       b.session_date, b.known_from AS created_at
FROM bars b
WHERE b.origin = (SELECT o.id FROM origins o WHERE o.is_official);
COMMENT ON VIEW market_data IS 'The official TRADES bars, under the names that the original documents gave them.';
COMMENT ON COLUMN market_data.id IS 'A number of the bar, built of its key.';
COMMENT ON COLUMN market_data."timestamp" IS 'Start of the bar; a daily bar: 00:00 UTC of its session date.';
COMMENT ON COLUMN market_data.created_at IS 'Since when we know this version.';
