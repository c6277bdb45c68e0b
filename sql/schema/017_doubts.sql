-- Doubts on the bars themselves: what the bits of bars.flags mean, who may change them without making another version of the
-- bar, and the views that show them. A doubt is our word about a bar and not the vendor's: it changes no revision, no
-- known_from and no request_id, and an answer that brings the same prices again finds nothing to change.

CREATE TABLE doubt_bits (
    bit smallint PRIMARY KEY CHECK (bit > 0 AND bit & (bit - 1) = 0),
    name text NOT NULL UNIQUE,
    is_judged boolean NOT NULL,
    is_suspect boolean NOT NULL,
    meaning text NOT NULL,
    CHECK (is_judged OR NOT is_suspect)
);
COMMENT ON TABLE doubt_bits IS 'The bits of bars.flags: ... FROM bars b JOIN doubt_bits d ON b.flags & d.bit <> 0. A test compares it with scizor.market.types.Flag.';
COMMENT ON COLUMN doubt_bits.bit IS 'Its value.';
COMMENT ON COLUMN doubt_bits.name IS 'The rule.';
COMMENT ON COLUMN doubt_bits.is_judged IS 'true: bin/report-quality sets and clears it once the session is over; false: it comes with the bar.';
COMMENT ON COLUMN doubt_bits.is_suspect IS 'true: market_data_checked leaves such bars out.';
COMMENT ON COLUMN doubt_bits.meaning IS 'In words.';
INSERT INTO doubt_bits (bit, name, is_judged, is_suspect, meaning) VALUES
    (1, 'off_tick', false, false, 'a price off the exchange''s price steps'),
    (2, 'step', true, false, 'the close is more than 10 % from the one before'),
    (4, 'spread', true, false, 'the ask was more than 5 % above the bid'),
    (8, 'volume', true, false, 'more than 5 times the usual volume, and busier than the sessions before'),
    (16, 'hampel', true, false, 'far from the median of the bars before'),
    (32, 'brownlees_gallo', true, true, 'far from the bars around it, looked at after the close'),
    (64, 'wrong', true, true, 'a fault of its session or series names it: quality_findings has the evidence');
GRANT SELECT ON doubt_bits TO scizor_collector, scizor_reader, scizor_backup;
COMMENT ON COLUMN bars.flags IS 'Doubts that do not refuse a bar, as bits: doubt_bits; 0: none. Changing them makes no revision.';

CREATE OR REPLACE FUNCTION keep_revision() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = scizor, pg_temp AS $$
BEGIN
    IF (NEW.symbol_id, NEW.timeframe, NEW.origin, NEW."timestamp")
        IS DISTINCT FROM (OLD.symbol_id, OLD.timeframe, OLD.origin, OLD."timestamp") THEN
        RAISE EXCEPTION 'the key of a bar never changes';
    END IF;
    IF (NEW.session_date, NEW.open, NEW.high, NEW.low, NEW.close, NEW.volume, NEW.wap, NEW.trades)
        IS NOT DISTINCT FROM
       (OLD.session_date, OLD.open, OLD.high, OLD.low, OLD.close, OLD.volume, OLD.wap, OLD.trades) THEN
        IF NEW.flags = OLD.flags THEN
            RETURN NULL;  -- nothing changed: nothing is written
        END IF;
        NEW.request_id := OLD.request_id;  -- a doubt: the version stays what it is
        NEW.known_from := OLD.known_from;
        NEW.revision := OLD.revision;
        RETURN NEW;
    END IF;
    IF NEW.known_from = OLD.known_from AND NEW.request_id = OLD.request_id THEN
        RAISE EXCEPTION 'a changed bar needs its request_id and known_from: who says so, since when';
    END IF;
    NEW.known_from := greatest(NEW.known_from, OLD.known_from + interval '1 microsecond');
    NEW.revision := OLD.revision + 1;
    INSERT INTO bars_history SELECT (OLD).*, NEW.known_from;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION keep_revision IS 'Moves the former version of a changed bar to bars_history; a change of its flags alone makes no version.';

-- Doubts came after the bar: at an instant before any finding about it they were not known.
CREATE FUNCTION flags_as_known(of_symbol integer, size text, whence smallint, started timestamptz, day date, known timestamptz, flags smallint, at timestamptz)
RETURNS smallint LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN flags < 2 OR EXISTS (
            SELECT FROM quality_findings f JOIN quality_reports r ON r.id = f.report_id
            WHERE f.session_date = day AND (f.symbol_id = of_symbol OR f.symbol_id IS NULL) AND (f."timestamp" = started OR f."timestamp" IS NULL)
              AND r.timeframe = size AND r.origin = whence AND r.made_at <= at AND r.made_at >= known)
        THEN flags ELSE flags & 1::smallint END
$$;
COMMENT ON FUNCTION flags_as_known IS 'The flags of a bar as far as they were known at an instant: doubts only after the report that found them.';

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
$$;
COMMENT ON FUNCTION bars_as_known IS 'The bars as they were known at an instant, and the doubts about them: no look-ahead in a back-test.';

CREATE OR REPLACE VIEW market_data AS
SELECT (b.symbol_id::bigint << 40)
       + ((CASE b.timeframe WHEN '1day' THEN 9 WHEN '4hour' THEN 8 WHEN '1hour' THEN 7 WHEN '30min' THEN 6 WHEN '15min' THEN 5
                            WHEN '5min' THEN 4 WHEN '1min' THEN 3 WHEN '30sec' THEN 2 ELSE 1 END)::bigint << 32)
       + date_part('epoch', b."timestamp")::bigint AS id,
       b.symbol_id, b."timestamp", b.timeframe, b.open, b.high, b.low, b.close, b.volume, b.wap, b.trades,
       b.session_date, b.known_from AS created_at, b.flags
FROM bars b
WHERE b.origin = (SELECT o.id FROM origins o WHERE o.is_official);
COMMENT ON COLUMN market_data.flags IS 'Doubts about the bar, as bits: doubt_bits; 0: none.';

-- 96: the bits whose is_suspect is true; a constant, so that a query pays nothing for it.
CREATE OR REPLACE VIEW market_data_checked AS
SELECT m.* FROM market_data m WHERE m.flags & 96::smallint = 0;
COMMENT ON VIEW market_data_checked IS 'market_data without the bars that a quality report calls wrong, or doubts after the close; they stay in market_data, flagged, and in bars.';

-- What earlier reports found of the versions that are stored.
UPDATE bars b SET flags = b.flags | f.bits
FROM (
    SELECT c.symbol_id, c.timeframe, c.origin, c."timestamp",
           bit_or(CASE WHEN f."timestamp" IS NULL THEN 64 ELSE d.bit END)::smallint AS bits
    FROM quality_findings f
    JOIN quality_reports r ON r.id = f.report_id
    JOIN bars c ON c.timeframe = r.timeframe AND c.origin = r.origin AND c.session_date = f.session_date AND c.known_from <= r.made_at
        AND (f.symbol_id = c.symbol_id OR f.symbol_id IS NULL)
    LEFT JOIN doubt_bits d ON d.name = f.rule
    WHERE (f."timestamp" = c."timestamp" AND d.bit IS NOT NULL AND NOT f.is_confirmed)
       OR (f."timestamp" IS NULL AND f.severity = 'hard' AND f.rule NOT IN ('missing_bar', 'missing_session', 'truncated_session')
           AND (f.symbol_id IS NOT NULL OR f.rule IN ('closed_day', 'copied_session', 'partial_session', 'wrong_day', 'price_unit')))
    GROUP BY 1, 2, 3, 4
) f
WHERE (b.symbol_id, b.timeframe, b.origin, b."timestamp") = (f.symbol_id, f.timeframe, f.origin, f."timestamp");
