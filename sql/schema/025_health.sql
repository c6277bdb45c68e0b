-- What bin/health saw last, so that psql shows it: checks, key figures with their limits, latencies. Bounded: one row a check, one a
-- figure, 35 days of hours. The figures' history is kpis, which bin/prune keeps short.

CREATE TABLE health_checks (
    name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,63}$'),
    status text NOT NULL CHECK (status IN ('ok', 'warning', 'critical', 'unknown')),
    value text NOT NULL CHECK (length(value) <= 1000),
    threshold text NOT NULL CHECK (length(threshold) <= 200),
    hint text NOT NULL CHECK (length(hint) <= 500),
    since instant NOT NULL,
    checked_at instant NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE health_checks IS 'One row a check of bin/check, as bin/health saw it last.';
COMMENT ON COLUMN health_checks.name IS 'The check: bin/check --only NAME.';
COMMENT ON COLUMN health_checks.status IS 'ok, warning, critical; unknown: it could not be looked at.';
COMMENT ON COLUMN health_checks.value IS 'What was seen.';
COMMENT ON COLUMN health_checks.threshold IS 'What it is held against.';
COMMENT ON COLUMN health_checks.hint IS 'What to do next; empty while it is ok.';
COMMENT ON COLUMN health_checks.since IS 'Since when it has been ok, or since when it has not.';
COMMENT ON COLUMN health_checks.checked_at IS 'When it was looked at.';

CREATE TABLE kpi_limits (
    name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,63}$'),
    unit text NOT NULL,
    is_less_better boolean NOT NULL,
    target double precision,
    alert double precision,
    critical double precision,
    meaning text NOT NULL,
    recorded_at instant NOT NULL
);
COMMENT ON TABLE kpi_limits IS 'What each key figure is held against: written by bin/health from the code''s one table.';
COMMENT ON COLUMN kpi_limits.name IS 'As in kpis.';
COMMENT ON COLUMN kpi_limits.unit IS 'Of value and limits.';
COMMENT ON COLUMN kpi_limits.is_less_better IS 'true: the limits are upper ones.';
COMMENT ON COLUMN kpi_limits.target IS 'What was promised.';
COMMENT ON COLUMN kpi_limits.alert IS 'Beyond it somebody is told.';
COMMENT ON COLUMN kpi_limits.critical IS 'Beyond it at once.';
COMMENT ON COLUMN kpi_limits.meaning IS 'What it measures; or why it cannot be measured yet.';
COMMENT ON COLUMN kpi_limits.recorded_at IS 'When it was written.';

CREATE TABLE kpis_now (
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,63}$'),
    scope text NOT NULL DEFAULT '',
    value double precision NOT NULL,
    unit text NOT NULL,
    grade text NOT NULL CHECK (grade IN ('target', 'fair', 'alert', 'critical', 'none')),
    at instant NOT NULL,
    stored_at instant NOT NULL,
    PRIMARY KEY (name, scope)
) WITH (fillfactor = 50);
COMMENT ON TABLE kpis_now IS 'The newest value of each key figure. kpis has its history: every five minutes, and whenever the grade changes.';
COMMENT ON COLUMN kpis_now.name IS 'As in kpis.';
COMMENT ON COLUMN kpis_now.scope IS 'Of what: a calendar, a rule of pacing; empty: the whole.';
COMMENT ON COLUMN kpis_now.value IS 'The figure.';
COMMENT ON COLUMN kpis_now.unit IS 'Its unit.';
COMMENT ON COLUMN kpis_now.grade IS 'target: as promised; fair: between target and alert; alert; critical; none: it has no limits.';
COMMENT ON COLUMN kpis_now.at IS 'When it was measured.';
COMMENT ON COLUMN kpis_now.stored_at IS 'The newest row of it in kpis.';

CREATE TABLE latencies (
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,63}$'),
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 839),
    hour instant NOT NULL,
    samples bigint NOT NULL CHECK (samples > 0),
    p50_ms double precision NOT NULL,
    p95_ms double precision NOT NULL,
    p99_ms double precision NOT NULL,
    highest_ms double precision NOT NULL,
    histogram text NOT NULL CHECK (length(histogram) <= 100000),
    PRIMARY KEY (name, slot)
);
COMMENT ON TABLE latencies IS 'Our own times, by hour, as histograms that can be added up. A ring of 35 days: the slot of an hour is used again.';
COMMENT ON COLUMN latencies.name IS 'Of what: database_write, gateway_answer.';
COMMENT ON COLUMN latencies.slot IS 'The hour''s number since 1970, modulo 840.';
COMMENT ON COLUMN latencies.hour IS 'The hour''s beginning, UTC.';
COMMENT ON COLUMN latencies.samples IS 'How many.';
COMMENT ON COLUMN latencies.p50_ms IS 'Half were faster.';
COMMENT ON COLUMN latencies.p95_ms IS '95 of 100 were faster.';
COMMENT ON COLUMN latencies.p99_ms IS '99 of 100 were faster.';
COMMENT ON COLUMN latencies.highest_ms IS 'The slowest.';
COMMENT ON COLUMN latencies.histogram IS 'An HDR histogram, three digits, microseconds, in the base64 form of that library.';

CREATE TABLE recorded_limits (
    name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,63}$'),
    value double precision NOT NULL,
    recorded_at instant NOT NULL
);
COMMENT ON TABLE recorded_limits IS 'Settings that psql needs for its percentages: [pacing] of the configuration, written by bin/health when they change.';
COMMENT ON COLUMN recorded_limits.name IS 'pacing_requests_max, pacing_window_seconds, pacing_open_max.';
COMMENT ON COLUMN recorded_limits.value IS 'As configured.';
COMMENT ON COLUMN recorded_limits.recorded_at IS 'When it was written.';

GRANT INSERT ON health_checks, kpi_limits, kpis_now, latencies, recorded_limits TO scizor_collector;
GRANT UPDATE (status, value, threshold, hint, since, checked_at) ON health_checks TO scizor_collector;
GRANT UPDATE (unit, is_less_better, target, alert, critical, meaning, recorded_at) ON kpi_limits TO scizor_collector;
GRANT UPDATE (value, unit, grade, at, stored_at) ON kpis_now TO scizor_collector;
GRANT UPDATE (hour, samples, p50_ms, p95_ms, p99_ms, highest_ms, histogram) ON latencies TO scizor_collector;
GRANT UPDATE (value, recorded_at) ON recorded_limits TO scizor_collector;
