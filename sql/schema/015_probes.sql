-- What a Gateway really does, as it was asked: bin/probe writes it, expectations read it.

CREATE TABLE probes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id bigint REFERENCES job_runs ON DELETE SET NULL,
    asked_at instant NOT NULL,
    question text NOT NULL CHECK (question ~ '^[a-z][a-z0-9-]{0,47}$'),
    exchange text NOT NULL DEFAULT '' CHECK (exchange ~ '^[A-Z0-9_.]{0,16}$'),
    symbol text NOT NULL DEFAULT '' CHECK (length(symbol) <= 32),
    answer jsonb CHECK (jsonb_typeof(answer) = 'object'),
    measured jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(measured) = 'object'),
    reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 1000),
    request_ids bigint[] NOT NULL DEFAULT '{}',
    server_version integer NOT NULL,
    CONSTRAINT an_answer_or_why_there_is_none CHECK ((answer IS NULL) = (reason <> ''))
);
CREATE INDEX probes_question ON probes (question, exchange, id);
COMMENT ON TABLE probes IS 'Questions about the Gateway, one row each time that one was asked. The newest row with an answer is what holds; a row without one says why, and changes nothing.';
COMMENT ON COLUMN probes.id IS 'Its number.';
COMMENT ON COLUMN probes.run_id IS 'Which run of bin/probe; NULL: it was pruned.';
COMMENT ON COLUMN probes.asked_at IS 'When.';
COMMENT ON COLUMN probes.question IS 'Its name; bin/probe --dry-run lists what each is for.';
COMMENT ON COLUMN probes.exchange IS 'About which exchange''s instruments; empty: about the Gateway.';
COMMENT ON COLUMN probes.symbol IS 'Asked with which symbol.';
COMMENT ON COLUMN probes.answer IS 'What was established: compared with the last one. NULL: nothing was.';
COMMENT ON COLUMN probes.measured IS 'Figures beside it, which are others each time.';
COMMENT ON COLUMN probes.reason IS 'Why nothing was established.';
COMMENT ON COLUMN probes.request_ids IS 'The evidence: rows of collection_logs.';
COMMENT ON COLUMN probes.server_version IS 'The Gateway''s, as negotiated.';
GRANT INSERT ON probes TO scizor_collector;

ALTER TABLE pacing_requests
    DROP CONSTRAINT pacing_requests_pacing_class_check,
    ADD CONSTRAINT pacing_requests_pacing_class_check CHECK (pacing_class IN ('live', 'daily', 'gap-fill', 'backfill', 'probe'));
COMMENT ON COLUMN pacing_requests.pacing_class IS 'live before daily before gap-fill before backfill before probe.';
