-- Quality: what a person decides about a refused bar, and what each daily report counted and found. All of it append only.

ALTER TABLE quarantine
    ADD COLUMN verdict_note text CHECK (length(verdict_note) BETWEEN 1 AND 500),
    ADD COLUMN released_request_id bigint REFERENCES collection_logs DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT quarantine_verdict_by CHECK ((verdict IS NULL) = (verdict_by IS NULL)),
    ADD CONSTRAINT quarantine_released CHECK (released_request_id IS NULL OR verdict = 'accepted');
COMMENT ON COLUMN quarantine.verdict_note IS 'Why, in the person''s words.';
COMMENT ON COLUMN quarantine.released_request_id IS 'The request by which an accepted bar entered bars; NULL: not yet.';
GRANT UPDATE (verdict_note, released_request_id) ON quarantine TO scizor_collector;
CREATE INDEX quarantine_undecided ON quarantine (session_date) WHERE verdict IS NULL;

CREATE FUNCTION keep_verdict() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.symbol_id, NEW.timeframe, NEW.origin, NEW."timestamp", NEW.rule, NEW.raw, NEW.session_date, NEW.request_id, NEW.first_seen_at)
        IS DISTINCT FROM
       (OLD.symbol_id, OLD.timeframe, OLD.origin, OLD."timestamp", OLD.rule, OLD.raw, OLD.session_date, OLD.request_id, OLD.first_seen_at) THEN
        RAISE EXCEPTION 'what was refused never changes' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF OLD.verdict IS NOT NULL AND (NEW.verdict, NEW.verdict_by, NEW.verdict_at, NEW.verdict_note)
        IS DISTINCT FROM (OLD.verdict, OLD.verdict_by, OLD.verdict_at, OLD.verdict_note) THEN
        RAISE EXCEPTION 'a verdict is final: % by % at %', OLD.verdict, OLD.verdict_by, OLD.verdict_at USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF OLD.released_request_id IS NOT NULL AND NEW.released_request_id IS DISTINCT FROM OLD.released_request_id THEN
        RAISE EXCEPTION 'it was released by request %', OLD.released_request_id USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION keep_verdict IS 'What was refused, and a verdict once given, stay as they are.';
CREATE TRIGGER keep_verdict BEFORE UPDATE ON quarantine FOR EACH ROW EXECUTE FUNCTION keep_verdict();

CREATE TABLE quality_reports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_date date NOT NULL,
    timeframe timeframe NOT NULL,
    origin smallint NOT NULL REFERENCES origins,
    made_at instant NOT NULL,
    run_id bigint REFERENCES job_runs,
    series integer NOT NULL CHECK (series >= 0),
    expected bigint NOT NULL CHECK (expected >= 0),
    stored bigint NOT NULL CHECK (stored >= 0),
    explained bigint NOT NULL CHECK (explained >= 0),
    missing bigint NOT NULL CHECK (missing >= 0),
    quarantined bigint NOT NULL CHECK (quarantined >= 0),
    wrong bigint NOT NULL CHECK (wrong >= 0),
    doubted bigint NOT NULL CHECK (doubted >= 0),
    revised bigint NOT NULL CHECK (revised >= 0),
    score numeric(5, 2) GENERATED ALWAYS AS
        (CASE WHEN expected = 0 THEN NULL ELSE trunc(100.0 * (expected - missing - wrong) / expected, 2) END) STORED,
    CONSTRAINT quality_reports_adds_up CHECK (expected = stored + explained + missing),
    CONSTRAINT quality_reports_within CHECK (wrong <= stored AND doubted <= stored),
    UNIQUE (session_date, timeframe, origin, made_at)
);
COMMENT ON TABLE quality_reports IS 'One row for each session and bar size that a quality report looked at: its counts, and the score that follows from them. Append only: a later report of the same session is another row.';
COMMENT ON COLUMN quality_reports.id IS 'Its number.';
COMMENT ON COLUMN quality_reports.session_date IS 'Which session.';
COMMENT ON COLUMN quality_reports.timeframe IS 'Bar size.';
COMMENT ON COLUMN quality_reports.origin IS 'Kind, source and hours.';
COMMENT ON COLUMN quality_reports.made_at IS 'When it was counted.';
COMMENT ON COLUMN quality_reports.run_id IS 'By which run.';
COMMENT ON COLUMN quality_reports.series IS 'How many series are expected to have bars.';
COMMENT ON COLUMN quality_reports.expected IS 'Bars that the calendar expects of them.';
COMMENT ON COLUMN quality_reports.stored IS 'Of these stored, counted in bars.';
COMMENT ON COLUMN quality_reports.explained IS 'Of these not there, with evidence that there was nothing.';
COMMENT ON COLUMN quality_reports.missing IS 'Of these neither stored nor explained; refused bars are among them.';
COMMENT ON COLUMN quality_reports.quarantined IS 'Refused bars of the session about which nobody has decided.';
COMMENT ON COLUMN quality_reports.wrong IS 'Stored bars that a fault of the session or series names.';
COMMENT ON COLUMN quality_reports.doubted IS 'Stored bars about which a doubt stands; they cost no points.';
COMMENT ON COLUMN quality_reports.revised IS 'Bars of the session that have come back different.';
COMMENT ON COLUMN quality_reports.score IS '100 (expected - missing - wrong) / expected, cut off after two decimals, so that 100 means all; NULL: nothing was expected.';

CREATE TABLE quality_findings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    report_id bigint NOT NULL REFERENCES quality_reports,
    symbol_id integer REFERENCES symbols,
    session_date date NOT NULL,
    "timestamp" timestamptz,
    rule text NOT NULL CHECK (rule ~ '^[a-z][a-z0-9_]{0,47}$'),
    severity text NOT NULL CHECK (severity IN ('hard', 'soft')),
    is_confirmed boolean NOT NULL DEFAULT false,
    evidence text NOT NULL CHECK (length(evidence) BETWEEN 1 AND 1000)
);
CREATE INDEX quality_findings_report ON quality_findings (report_id);
COMMENT ON TABLE quality_findings IS 'What a report found, with its evidence: faults, and doubts about single bars. Append only.';
COMMENT ON COLUMN quality_findings.id IS 'Its number.';
COMMENT ON COLUMN quality_findings.report_id IS 'Whose.';
COMMENT ON COLUMN quality_findings.symbol_id IS 'Whose bar; NULL: the whole market''s session.';
COMMENT ON COLUMN quality_findings.session_date IS 'Which session.';
COMMENT ON COLUMN quality_findings."timestamp" IS 'Start of the bar; NULL: the session as a whole.';
COMMENT ON COLUMN quality_findings.rule IS 'Its kind, a name of market/quality.';
COMMENT ON COLUMN quality_findings.severity IS 'hard: not what happened; soft: a doubt, or a series that does not continue.';
COMMENT ON COLUMN quality_findings.is_confirmed IS 'A doubt that later bars withdrew.';
COMMENT ON COLUMN quality_findings.evidence IS 'In words that a person can check.';

CREATE INDEX quality_findings_bars ON quality_findings (session_date, symbol_id);

-- A finding speaks of the version that was stored when it was made: a bar that has come back different since is another one.
CREATE VIEW market_data_checked AS
SELECT m.*
FROM market_data m
WHERE NOT EXISTS (
    SELECT FROM quality_findings f
    JOIN quality_reports r ON r.id = f.report_id
    WHERE f.session_date = m.session_date AND (f.symbol_id = m.symbol_id OR f.symbol_id IS NULL)
      AND r.timeframe = m.timeframe AND r.origin = (SELECT o.id FROM origins o WHERE o.is_official) AND r.made_at >= m.created_at
      AND (f."timestamp" = m."timestamp" AND f.rule = 'brownlees_gallo'
           OR f."timestamp" IS NULL AND f.severity = 'hard' AND f.rule NOT IN ('missing_bar', 'missing_session', 'truncated_session')
              AND (f.symbol_id IS NOT NULL OR f.rule IN ('closed_day', 'copied_session', 'partial_session', 'wrong_day', 'price_unit'))));
COMMENT ON VIEW market_data_checked IS 'market_data without the bars that a quality report calls wrong, or doubts after the close; they stay in market_data and in bars.';
GRANT SELECT ON market_data_checked TO scizor_collector, scizor_reader, scizor_backup;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quality_reports FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quality_findings FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON quality_reports, quality_findings TO scizor_collector, scizor_reader, scizor_backup;
GRANT INSERT ON quality_reports, quality_findings TO scizor_collector;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA scizor TO scizor_backup;
