-- Where IB's history of a contract begins. The question stands under the hard rule whatever the bar size, so it is asked once.
CREATE TABLE head_timestamps (
    symbol_id integer NOT NULL REFERENCES symbols,
    con_id integer NOT NULL CHECK (con_id > 0),
    origin smallint NOT NULL REFERENCES origins,
    head instant,
    ib_code integer,
    error_message text CHECK (length(error_message) <= 1000),
    request_id bigint NOT NULL REFERENCES collection_logs,
    asked_at instant NOT NULL,
    PRIMARY KEY (symbol_id, con_id, origin),
    CHECK (head IS NULL OR error_message IS NULL)
);
COMMENT ON TABLE head_timestamps IS 'When IB''s history of a contract begins, as IB said. Asked once for each; a refusal is asked again after a day.';
COMMENT ON COLUMN head_timestamps.symbol_id IS 'Whose history.';
COMMENT ON COLUMN head_timestamps.con_id IS 'IB''s contract: another one is asked about anew.';
COMMENT ON COLUMN head_timestamps.origin IS 'Kind, source and hours.';
COMMENT ON COLUMN head_timestamps.head IS 'The first instant of which IB has data, UTC; NULL: it did not say.';
COMMENT ON COLUMN head_timestamps.ib_code IS 'IB''s error code, where it did not.';
COMMENT ON COLUMN head_timestamps.error_message IS 'Its text.';
COMMENT ON COLUMN head_timestamps.request_id IS 'The request: collection_logs.id.';
COMMENT ON COLUMN head_timestamps.asked_at IS 'When.';

GRANT INSERT ON head_timestamps TO scizor_collector;
GRANT UPDATE (head, ib_code, error_message, request_id, asked_at) ON head_timestamps TO scizor_collector;
