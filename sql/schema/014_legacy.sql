-- What the import of the previous product's tables could not hand to bars or quarantine, both of which need a symbol, a bar
-- size and an instant. Its tables stay where they are, in the schema legacy; this says which of their rows came no further, and why.

CREATE TABLE legacy_refused (
    source text NOT NULL,
    rule text NOT NULL CHECK (rule ~ '^[a-z][a-z0-9_]{0,47}$'),
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    raw text NOT NULL,
    times bigint NOT NULL CHECK (times > 0),
    run_id bigint REFERENCES job_runs,
    first_seen_at instant NOT NULL,
    PRIMARY KEY (source, rule, fingerprint)
);
COMMENT ON TABLE legacy_refused IS 'Rows of the previous product''s market_data that name no symbol, bar size or instant that we know: never dropped. quarantine has the rest of what was refused.';
COMMENT ON COLUMN legacy_refused.source IS 'The table that they stand in, with its schema.';
COMMENT ON COLUMN legacy_refused.rule IS 'unknown_symbol, unknown_timeframe, unknown_time or absurd_number.';
COMMENT ON COLUMN legacy_refused.fingerprint IS 'SHA-256 of raw.';
COMMENT ON COLUMN legacy_refused.raw IS 'The whole row, as JSON.';
COMMENT ON COLUMN legacy_refused.times IS 'How many rows are equal to it.';
COMMENT ON COLUMN legacy_refused.run_id IS 'Which run saw it first.';
COMMENT ON COLUMN legacy_refused.first_seen_at IS 'When.';
GRANT SELECT ON legacy_refused TO scizor_collector, scizor_reader, scizor_backup;
GRANT INSERT, UPDATE (times) ON legacy_refused TO scizor_collector;
