-- What a person hears of: corporate actions, alerts, backups, key figures.

CREATE TABLE corporate_actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol_id integer NOT NULL REFERENCES symbols,
    ex_date date NOT NULL,
    type text NOT NULL CHECK (type IN ('split', 'dividend', 'rights', 'spin-off', 'code-change', 'delisting')),
    ratio_new integer CHECK (ratio_new > 0),
    ratio_old integer CHECK (ratio_old > 0),
    amount numeric CHECK (amount >= 0),
    evidence jsonb NOT NULL,
    state text NOT NULL DEFAULT 'candidate' CHECK (state IN ('candidate', 'confirmed', 'rejected')),
    noticed_at instant NOT NULL,
    decided_at instant,
    UNIQUE (symbol_id, ex_date, type),
    CHECK (type <> 'split' OR (ratio_new IS NOT NULL AND ratio_old IS NOT NULL AND ratio_new <> ratio_old))
);
COMMENT ON TABLE corporate_actions IS 'Splits, dividends and the like: candidates that the data suggest, and what was confirmed.';
COMMENT ON COLUMN corporate_actions.id IS 'Its number.';
COMMENT ON COLUMN corporate_actions.symbol_id IS 'Whose.';
COMMENT ON COLUMN corporate_actions.ex_date IS 'The first session on the new basis.';
COMMENT ON COLUMN corporate_actions.type IS 'split, dividend, rights, spin-off, code-change, delisting.';
COMMENT ON COLUMN corporate_actions.ratio_new IS 'A 3:1 split: 3 new shares ...';
COMMENT ON COLUMN corporate_actions.ratio_old IS '... for 1 old one.';
COMMENT ON COLUMN corporate_actions.amount IS 'Dividend a share, in the symbol''s currency.';
COMMENT ON COLUMN corporate_actions.evidence IS 'What suggested it.';
COMMENT ON COLUMN corporate_actions.state IS 'candidate, confirmed, rejected. Nothing is changed on a candidate.';
COMMENT ON COLUMN corporate_actions.noticed_at IS 'When.';
COMMENT ON COLUMN corporate_actions.decided_at IS 'When it was confirmed or rejected.';

CREATE TABLE alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint text NOT NULL CHECK (length(fingerprint) BETWEEN 1 AND 200),
    severity text NOT NULL CHECK (severity IN ('critical', 'high', 'medium', 'low')),
    subject text NOT NULL CHECK (length(subject) <= 200),
    body text NOT NULL CHECK (length(body) <= 8000),
    labels jsonb NOT NULL DEFAULT '{}',
    first_at instant NOT NULL,
    last_at instant NOT NULL,
    times integer NOT NULL DEFAULT 1 CHECK (times > 0),
    resolved_at instant,
    CHECK (last_at >= first_at)
);
CREATE UNIQUE INDEX alerts_open ON alerts (fingerprint) WHERE resolved_at IS NULL;
COMMENT ON TABLE alerts IS 'What a person must hear. One open row a fingerprint, however often it happens.';
COMMENT ON COLUMN alerts.id IS 'Its number.';
COMMENT ON COLUMN alerts.fingerprint IS 'Rule and scope; never the text.';
COMMENT ON COLUMN alerts.severity IS 'critical, high, medium, low.';
COMMENT ON COLUMN alerts.subject IS 'One line.';
COMMENT ON COLUMN alerts.body IS 'What, where, since when, what to do.';
COMMENT ON COLUMN alerts.labels IS 'Job, symbol, exchange, ...: by these they are grouped.';
COMMENT ON COLUMN alerts.first_at IS 'When it began.';
COMMENT ON COLUMN alerts.last_at IS 'When it last happened.';
COMMENT ON COLUMN alerts.times IS 'How often.';
COMMENT ON COLUMN alerts.resolved_at IS 'When it was over.';

CREATE TABLE alert_deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id bigint NOT NULL REFERENCES alerts,
    channel text NOT NULL,
    occasion text NOT NULL CHECK (occasion IN ('raised', 'repeated', 'resolved')),
    due_at instant NOT NULL,
    attempts smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    sent_at instant,
    given_up_at instant,
    last_error text CHECK (length(last_error) <= 1000),
    UNIQUE (alert_id, channel, occasion, due_at)
);
CREATE INDEX alert_deliveries_due ON alert_deliveries (due_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
COMMENT ON TABLE alert_deliveries IS 'Each telling of an alert through a channel: at least once.';
COMMENT ON COLUMN alert_deliveries.id IS 'Its number.';
COMMENT ON COLUMN alert_deliveries.alert_id IS 'Which alert.';
COMMENT ON COLUMN alert_deliveries.channel IS 'mail, ...';
COMMENT ON COLUMN alert_deliveries.occasion IS 'raised, repeated or resolved.';
COMMENT ON COLUMN alert_deliveries.due_at IS 'When it shall be told.';
COMMENT ON COLUMN alert_deliveries.attempts IS 'How often that was tried.';
COMMENT ON COLUMN alert_deliveries.sent_at IS 'When the channel took it.';
COMMENT ON COLUMN alert_deliveries.given_up_at IS 'When we stopped trying.';
COMMENT ON COLUMN alert_deliveries.last_error IS 'Why it did not go through.';

CREATE TABLE backups (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at instant NOT NULL,
    finished_at instant,
    path text NOT NULL,
    bytes bigint CHECK (bytes >= 0),
    sha256 bytea CHECK (octet_length(sha256) = 32),
    manifest jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('writing', 'complete', 'verified', 'corrupt', 'expired')),
    verified_at instant,
    verified_result jsonb,
    CHECK (state <> 'verified' OR verified_at IS NOT NULL)
);
COMMENT ON TABLE backups IS 'Dumps of this database. One counts when it has been restored and compared.';
COMMENT ON COLUMN backups.id IS 'Its number.';
COMMENT ON COLUMN backups.started_at IS 'When.';
COMMENT ON COLUMN backups.finished_at IS 'When it was whole on disk.';
COMMENT ON COLUMN backups.path IS 'Where.';
COMMENT ON COLUMN backups.bytes IS 'Its size.';
COMMENT ON COLUMN backups.sha256 IS 'Its checksum.';
COMMENT ON COLUMN backups.manifest IS 'Counts and hashes of each table, from the same snapshot.';
COMMENT ON COLUMN backups.state IS 'writing, complete, verified, corrupt, expired.';
COMMENT ON COLUMN backups.verified_at IS 'When it was restored and compared.';
COMMENT ON COLUMN backups.verified_result IS 'What the comparison said.';

CREATE TABLE kpis (
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,63}$'),
    scope text NOT NULL DEFAULT '',
    at instant NOT NULL,
    value double precision NOT NULL,
    unit text NOT NULL,
    PRIMARY KEY (name, scope, at)
);
COMMENT ON TABLE kpis IS 'Key figures over time.';
COMMENT ON COLUMN kpis.name IS 'Which figure.';
COMMENT ON COLUMN kpis.scope IS 'Of what: a job, a calendar, a symbol; empty: of all.';
COMMENT ON COLUMN kpis.at IS 'When it was so.';
COMMENT ON COLUMN kpis.value IS 'How much.';
COMMENT ON COLUMN kpis.unit IS 'Of what unit.';
