-- What is known of each series, and what is not, with evidence. A reason needs its evidence by foreign key; unknown,
-- deferred, outage and quarantined are missing, not explained.

CREATE TABLE quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol_id integer NOT NULL REFERENCES symbols,
    timeframe timeframe NOT NULL,
    origin smallint NOT NULL REFERENCES origins,
    "timestamp" timestamptz NOT NULL,
    rule text NOT NULL CHECK (rule ~ '^[a-z][a-z0-9_]{0,47}$'),
    raw text NOT NULL CHECK (length(raw) <= 500),
    session_date date,
    request_id bigint NOT NULL REFERENCES collection_logs DEFERRABLE INITIALLY DEFERRED,
    first_seen_at instant NOT NULL,
    verdict text CHECK (verdict IN ('accepted', 'rejected')),
    verdict_by text,
    verdict_at instant,
    UNIQUE (symbol_id, timeframe, origin, "timestamp", rule, raw),
    CHECK ((verdict IS NULL) = (verdict_at IS NULL))
);
COMMENT ON TABLE quarantine IS 'Bars that a rule refused: never dropped, never blocking their batch. The same bad bar is one row, however often it comes.';
COMMENT ON COLUMN quarantine.id IS 'Its number.';
COMMENT ON COLUMN quarantine.symbol_id IS 'Whose bar.';
COMMENT ON COLUMN quarantine.timeframe IS 'Bar size.';
COMMENT ON COLUMN quarantine.origin IS 'Kind, source and hours.';
COMMENT ON COLUMN quarantine."timestamp" IS 'The start that it claimed.';
COMMENT ON COLUMN quarantine.rule IS 'The rule that it broke.';
COMMENT ON COLUMN quarantine.raw IS 'open, high, low, close, volume, wap and trades as received, with a comma between.';
COMMENT ON COLUMN quarantine.session_date IS 'Its session, where it has one.';
COMMENT ON COLUMN quarantine.request_id IS 'The request that brought it first.';
COMMENT ON COLUMN quarantine.first_seen_at IS 'When it came first.';
COMMENT ON COLUMN quarantine.verdict IS 'What a person decided.';
COMMENT ON COLUMN quarantine.verdict_by IS 'Who.';
COMMENT ON COLUMN quarantine.verdict_at IS 'When.';

CREATE TABLE coverage (
    symbol_id integer NOT NULL REFERENCES symbols,
    timeframe timeframe NOT NULL,
    origin smallint NOT NULL REFERENCES origins,
    complete datemultirange NOT NULL DEFAULT '{}',
    refetched_to date,
    checked_at instant NOT NULL,
    PRIMARY KEY (symbol_id, timeframe, origin)
);
COMMENT ON TABLE coverage IS 'One row a series: the session dates between which every session is complete. Sessions that are not stand in coverage_gaps; those in neither were never asked for.';
COMMENT ON COLUMN coverage.symbol_id IS 'Whose bars.';
COMMENT ON COLUMN coverage.timeframe IS 'Bar size.';
COMMENT ON COLUMN coverage.origin IS 'Kind, source and hours.';
COMMENT ON COLUMN coverage.complete IS 'Ranges of session dates, [from, to): each session in them has all its bars.';
COMMENT ON COLUMN coverage.refetched_to IS 'Sessions up to here were fetched again after they had settled.';
COMMENT ON COLUMN coverage.checked_at IS 'When this last changed.';

CREATE TABLE coverage_gaps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- of its series, as bars: no foreign key, since it is written with it in one transaction
    symbol_id integer NOT NULL,
    timeframe timeframe NOT NULL,
    origin smallint NOT NULL,
    days datemultirange NOT NULL CHECK (NOT isempty(days)),
    why text NOT NULL CHECK (why IN ('not-listed', 'closed', 'no-trade', 'unknown', 'deferred', 'outage', 'quarantined',
        'no-permission', 'no-contract', 'error')),
    is_explained boolean NOT NULL GENERATED ALWAYS AS (why IN ('not-listed', 'closed', 'no-trade')) STORED,
    attempts smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_at instant,
    since instant,
    request_id bigint NOT NULL REFERENCES collection_logs DEFERRABLE INITIALLY DEFERRED,
    empty_request_id bigint REFERENCES collection_logs DEFERRABLE INITIALLY DEFERRED,
    quarantine_id bigint REFERENCES quarantine,
    calendar text,
    closed_on date,
    noticed_at instant NOT NULL,
    resolved_at instant,
    FOREIGN KEY (calendar, closed_on) REFERENCES session_overrides (calendar, session_date),
    CONSTRAINT closed_needs_an_override CHECK (why <> 'closed' OR (calendar IS NOT NULL AND closed_on IS NOT NULL)),
    CONSTRAINT no_trade_needs_two_fetches CHECK (why <> 'no-trade' OR (empty_request_id IS NOT NULL AND since IS NOT NULL
        AND empty_request_id <> request_id)),
    CONSTRAINT quarantined_needs_its_row CHECK (why <> 'quarantined' OR quarantine_id IS NOT NULL)
) WITH (fillfactor = 60);  -- each retry changes its row in place
CREATE INDEX coverage_gaps_open ON coverage_gaps (symbol_id, timeframe, origin) WHERE resolved_at IS NULL;
COMMENT ON TABLE coverage_gaps IS 'Sessions that are not complete: one row for those of a series of which the same is known, by the same evidence. A row whose sessions have healed keeps its resolved_at and is no longer counted. The view missing_sessions has a row a session.';
COMMENT ON COLUMN coverage_gaps.id IS 'Its number.';
COMMENT ON COLUMN coverage_gaps.symbol_id IS 'Whose bars.';
COMMENT ON COLUMN coverage_gaps.timeframe IS 'Bar size.';
COMMENT ON COLUMN coverage_gaps.origin IS 'Kind, source and hours.';
COMMENT ON COLUMN coverage_gaps.days IS 'Ranges of session dates, [from, to).';
COMMENT ON COLUMN coverage_gaps.why IS 'Why the bars are not there. not-listed, closed and no-trade explain; all others are missing, and alert after 24 hours.';
COMMENT ON COLUMN coverage_gaps.is_explained IS 'Nothing is missing.';
COMMENT ON COLUMN coverage_gaps.attempts IS 'How often it was asked for in vain.';
COMMENT ON COLUMN coverage_gaps.next_at IS 'Not asked again before; NULL: at the next run.';
COMMENT ON COLUMN coverage_gaps.since IS 'When an answer first came without it: a second one 12 hours later confirms that there was no trade.';
COMMENT ON COLUMN coverage_gaps.request_id IS 'The evidence: the request that said so last.';
COMMENT ON COLUMN coverage_gaps.empty_request_id IS 'The first answer that came without it.';
COMMENT ON COLUMN coverage_gaps.quarantine_id IS 'The refused bar that should have been it.';
COMMENT ON COLUMN coverage_gaps.calendar IS 'With closed_on: the override that closed it.';
COMMENT ON COLUMN coverage_gaps.closed_on IS 'The day that the override closed.';
COMMENT ON COLUMN coverage_gaps.noticed_at IS 'Since when it is known to be missing.';
COMMENT ON COLUMN coverage_gaps.resolved_at IS 'When it healed, or another row took its place; NULL: it stands.';

CREATE VIEW missing_sessions AS
SELECT s.symbol, g.symbol_id, g.timeframe, g.origin, t.session_date, g.why, g.is_explained, g.attempts, g.next_at, g.noticed_at,
       g.request_id, g.quarantine_id
FROM coverage_gaps g
JOIN symbols s ON s.id = g.symbol_id
CROSS JOIN LATERAL unnest(g.days) AS stretch
JOIN trading_sessions t ON t.calendar = s.calendar AND t.session_date >= lower(stretch) AND t.session_date < upper(stretch)
WHERE g.resolved_at IS NULL;
COMMENT ON VIEW missing_sessions IS 'One row for each session of a series that was asked for and is not complete, and why.';

CREATE TABLE historical_data_metadata (
    symbol_id integer NOT NULL REFERENCES symbols,
    timeframe timeframe NOT NULL,
    origin smallint NOT NULL REFERENCES origins,
    start_date date NOT NULL,
    end_date date NOT NULL,
    bar_count bigint NOT NULL CHECK (bar_count >= 0),
    last_updated instant NOT NULL,
    PRIMARY KEY (symbol_id, timeframe, origin),
    CHECK (start_date <= end_date)
);
COMMENT ON TABLE historical_data_metadata IS 'What lies in bars, by series: kept by the same transaction that stores them.';
COMMENT ON COLUMN historical_data_metadata.symbol_id IS 'Whose bars.';
COMMENT ON COLUMN historical_data_metadata.timeframe IS 'Bar size.';
COMMENT ON COLUMN historical_data_metadata.origin IS 'Kind, source and hours.';
COMMENT ON COLUMN historical_data_metadata.start_date IS 'Session date of the oldest bar.';
COMMENT ON COLUMN historical_data_metadata.end_date IS 'Session date of the newest bar.';
COMMENT ON COLUMN historical_data_metadata.bar_count IS 'How many.';
COMMENT ON COLUMN historical_data_metadata.last_updated IS 'When one was last added or changed.';
