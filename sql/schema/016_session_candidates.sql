-- Where IB's own schedule differs from our sessions: candidates for an override, which a person accepts or rejects.

CREATE TABLE session_candidates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    calendar text NOT NULL,
    session_date date NOT NULL,
    change text NOT NULL CHECK (change IN ('closed', 'extra', 'hours')),
    open instant,
    close instant,
    last instant,
    told text NOT NULL CHECK (length(told) BETWEEN 1 AND 500),
    evidence text NOT NULL CHECK (length(evidence) BETWEEN 1 AND 500),
    request_id bigint REFERENCES collection_logs,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'accepted', 'rejected', 'withdrawn')),
    found_at instant NOT NULL,
    seen_at instant NOT NULL,
    decided_at instant,
    decided_by text,
    reason text,
    UNIQUE NULLS NOT DISTINCT (calendar, session_date, change, open, close, last),
    CHECK ((change = 'closed') = (open IS NULL AND close IS NULL AND last IS NULL)),
    CHECK (change = 'closed' OR (open < close AND close <= last)),
    CHECK ((state IN ('accepted', 'rejected')) <= (decided_at IS NOT NULL AND decided_by IS NOT NULL))
);
COMMENT ON TABLE session_candidates IS 'Days on which IB''s schedule is another than ours. Nothing is applied by itself: bin/check-calendar --accept makes the override.';
COMMENT ON COLUMN session_candidates.id IS 'Its number.';
COMMENT ON COLUMN session_candidates.calendar IS 'XASX, ...';
COMMENT ON COLUMN session_candidates.session_date IS 'Which day.';
COMMENT ON COLUMN session_candidates.change IS 'closed: IB has no session; extra: we have none; hours: at other hours.';
COMMENT ON COLUMN session_candidates.open IS 'As it would have to be: continuous trading begins. NULL: closed.';
COMMENT ON COLUMN session_candidates.close IS 'It ends.';
COMMENT ON COLUMN session_candidates.last IS 'The last price is made.';
COMMENT ON COLUMN session_candidates.told IS 'For people, in local time.';
COMMENT ON COLUMN session_candidates.evidence IS 'Who showed it: symbols, and what was asked.';
COMMENT ON COLUMN session_candidates.request_id IS 'The request whose answer showed it last; NULL: the hours of the contract, which have no row.';
COMMENT ON COLUMN session_candidates.state IS 'waiting for a person; accepted; rejected, and not suggested again; withdrawn: IB shows it no more.';
COMMENT ON COLUMN session_candidates.found_at IS 'When it was seen first.';
COMMENT ON COLUMN session_candidates.seen_at IS 'When last.';
COMMENT ON COLUMN session_candidates.decided_at IS 'When a person decided.';
COMMENT ON COLUMN session_candidates.decided_by IS 'Who.';
COMMENT ON COLUMN session_candidates.reason IS 'Why.';
GRANT INSERT ON session_candidates TO scizor_collector;
GRANT UPDATE (told, evidence, request_id, state, seen_at, decided_at, decided_by, reason) ON session_candidates TO scizor_collector;
