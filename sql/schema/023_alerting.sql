-- Alerts that are judged: who found them, what mutes them, who knows of them; tellings that wait for a time; rules that are silent for a while.

ALTER TABLE alerts
    ADD COLUMN source text NOT NULL DEFAULT '',
    ADD COLUMN rule text NOT NULL DEFAULT '',
    ADD COLUMN scope text NOT NULL DEFAULT '',
    ADD COLUMN muted text NOT NULL DEFAULT '' CHECK (length(muted) <= 200),
    ADD COLUMN acked_at instant,
    ADD COLUMN acked_by text CHECK (length(acked_by) <= 200),
    ADD CHECK ((acked_at IS NULL) = (acked_by IS NULL));
CREATE INDEX alerts_key ON alerts (fingerprint, first_at);
COMMENT ON COLUMN alerts.source IS 'The job that looks again and says when it is over; empty: a message of a job, which says so itself.';
COMMENT ON COLUMN alerts.rule IS 'Which check found it.';
COMMENT ON COLUMN alerts.scope IS 'What tells it from others of that rule.';
COMMENT ON COLUMN alerts.muted IS 'Why it is not told: the rule from whose alert it follows, or silence; empty: it is told.';
COMMENT ON COLUMN alerts.acked_at IS 'When a person said that he knows: it is not repeated.';
COMMENT ON COLUMN alerts.acked_by IS 'Who.';

ALTER TABLE alert_deliveries
    ADD COLUMN next_at instant,
    ADD COLUMN instead_of text NOT NULL DEFAULT '' CHECK (length(instead_of) <= 100);
CREATE INDEX alert_deliveries_of ON alert_deliveries (alert_id);
CREATE INDEX alert_deliveries_sent ON alert_deliveries (sent_at) WHERE sent_at IS NOT NULL;
COMMENT ON COLUMN alert_deliveries.next_at IS 'Not tried before; NULL: from due_at on.';
COMMENT ON COLUMN alert_deliveries.instead_of IS 'The channel that did not take it, for which this one stands in; empty: its own.';
COMMENT ON COLUMN alert_deliveries.given_up_at IS 'When we stopped trying; without an attempt it was withdrawn: there was nothing to tell any more.';

CREATE TABLE alert_silences (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule text NOT NULL CHECK (length(rule) BETWEEN 1 AND 100),
    scope text NOT NULL DEFAULT '' CHECK (length(scope) <= 200),
    since instant NOT NULL,
    until instant NOT NULL,
    by text NOT NULL CHECK (length(by) BETWEEN 1 AND 200),
    UNIQUE (rule, scope),
    CHECK (until >= since)
);
COMMENT ON TABLE alert_silences IS 'Rules that are not told for a while. What they find stands in alerts all the same.';
COMMENT ON COLUMN alert_silences.id IS 'Its number.';
COMMENT ON COLUMN alert_silences.rule IS 'Which check.';
COMMENT ON COLUMN alert_silences.scope IS 'Which of its findings; empty: all.';
COMMENT ON COLUMN alert_silences.since IS 'When it was last said.';
COMMENT ON COLUMN alert_silences.until IS 'Until when.';
COMMENT ON COLUMN alert_silences.by IS 'Who said it.';

GRANT INSERT ON alert_silences TO scizor_collector;
GRANT UPDATE (since, until, by) ON alert_silences TO scizor_collector;
GRANT UPDATE (source, rule, scope, muted, acked_at, acked_by) ON alerts TO scizor_collector;
GRANT UPDATE (next_at) ON alert_deliveries TO scizor_collector;
