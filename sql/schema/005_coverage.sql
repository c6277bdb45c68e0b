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
    request_id bigint NOT NULL REFERENCES collection_logs,
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
    symbol_id integer NOT NULL,
    timeframe timeframe NOT NULL,
    origin smallint NOT NULL,
    first date NOT NULL,
    last date NOT NULL,
    why text NOT NULL CHECK (why IN ('not-listed', 'closed', 'no-trade', 'unknown', 'deferred', 'outage', 'quarantined',
        'no-permission', 'no-contract', 'error')),
    is_explained boolean NOT NULL GENERATED ALWAYS AS (why IN ('not-listed', 'closed', 'no-trade')) STORED,
    attempts smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_at instant,
    since instant,
    request_id bigint NOT NULL REFERENCES collection_logs,
    empty_request_id bigint REFERENCES collection_logs,
    quarantine_id bigint REFERENCES quarantine,
    calendar text,
    noticed_at instant NOT NULL,
    resolved_at instant,
    -- of its series, as bars: written with it in one transaction, and thousands of rows a first load of a thin share
    FOREIGN KEY (calendar, first) REFERENCES session_overrides (calendar, session_date),
    CHECK (first <= last),
    CONSTRAINT closed_needs_an_override CHECK (why <> 'closed' OR (calendar IS NOT NULL AND first = last)),
    CONSTRAINT no_trade_needs_two_fetches CHECK (why <> 'no-trade' OR (empty_request_id IS NOT NULL AND since IS NOT NULL
        AND empty_request_id <> request_id)),
    CONSTRAINT quarantined_needs_its_row CHECK (why <> 'quarantined' OR quarantine_id IS NOT NULL)
);
CREATE UNIQUE INDEX coverage_gaps_open ON coverage_gaps (symbol_id, timeframe, origin, first) WHERE resolved_at IS NULL;
CREATE INDEX coverage_gaps_missing ON coverage_gaps (noticed_at) WHERE resolved_at IS NULL AND NOT is_explained;
COMMENT ON TABLE coverage_gaps IS 'Sessions that are not complete: one row each, or one for a stretch with the same reason. A row that has healed keeps its resolved_at and is no longer counted.';
COMMENT ON COLUMN coverage_gaps.id IS 'Its number.';
COMMENT ON COLUMN coverage_gaps.symbol_id IS 'Whose bars.';
COMMENT ON COLUMN coverage_gaps.timeframe IS 'Bar size.';
COMMENT ON COLUMN coverage_gaps.origin IS 'Kind, source and hours.';
COMMENT ON COLUMN coverage_gaps.first IS 'First session date.';
COMMENT ON COLUMN coverage_gaps.last IS 'Last session date, included; mostly the same.';
COMMENT ON COLUMN coverage_gaps.why IS 'Why the bars are not there. not-listed, closed and no-trade explain; all others are missing, and alert after 24 hours.';
COMMENT ON COLUMN coverage_gaps.is_explained IS 'Nothing is missing.';
COMMENT ON COLUMN coverage_gaps.attempts IS 'How often it was asked for in vain.';
COMMENT ON COLUMN coverage_gaps.next_at IS 'Not asked again before; NULL: at the next run.';
COMMENT ON COLUMN coverage_gaps.since IS 'When an answer first came without it: a second one 12 hours later confirms that there was no trade.';
COMMENT ON COLUMN coverage_gaps.request_id IS 'The evidence: the request that said so last.';
COMMENT ON COLUMN coverage_gaps.empty_request_id IS 'The first answer that came without it.';
COMMENT ON COLUMN coverage_gaps.quarantine_id IS 'The refused bar that should have been it.';
COMMENT ON COLUMN coverage_gaps.calendar IS 'With first: the override that closed it.';
COMMENT ON COLUMN coverage_gaps.noticed_at IS 'Since when it is known to be missing.';
COMMENT ON COLUMN coverage_gaps.resolved_at IS 'When it healed, or another row took its place; NULL: it stands.';

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
