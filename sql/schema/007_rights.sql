-- Least privilege. The collector adds rows and updates the columns named here; he deletes, truncates and alters nothing.
-- Readers read. The backup reads everything, sequences too.

GRANT USAGE ON SCHEMA scizor TO scizor_collector, scizor_reader, scizor_backup;
GRANT SELECT ON ALL TABLES IN SCHEMA scizor TO scizor_collector, scizor_reader, scizor_backup;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA scizor TO scizor_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA scizor GRANT SELECT ON TABLES TO scizor_collector, scizor_reader, scizor_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA scizor GRANT SELECT ON SEQUENCES TO scizor_backup;

GRANT USAGE ON SEQUENCE collection_logs_id_seq TO scizor_collector;  -- a request's number is known before its row is written
GRANT INSERT ON installation, symbols, symbol_codes, watchlist, sessions, session_overrides, job_locks, job_runs, origins,
    collection_logs, pacing_holders, pacing_requests, connection_events, bars, quarantine, coverage, coverage_gaps,
    historical_data_metadata, corporate_actions, alerts, alert_deliveries, backups, kpis TO scizor_collector;

GRANT UPDATE (name, exchange, primary_exchange, calendar, currency, sec_type, sector, code, con_id, qualified_at, active,
    priority, listed_from, listed_to, successor, refused, refused_until, tick_size, as_of) ON symbols TO scizor_collector;
GRANT UPDATE (symbol_id, valid_to, successor, note) ON symbol_codes TO scizor_collector;
GRANT UPDATE (priority, collect_5min, collect_1min, collect_depth, daily_years, intraday_days, active, notes, added_at)
    ON watchlist TO scizor_collector;
GRANT UPDATE (open, close, last, is_half_day, source, loaded_at) ON sessions TO scizor_collector;
GRANT UPDATE (epoch, run_id) ON job_locks TO scizor_collector;
GRANT UPDATE (started_at, heartbeat_at, finished_at, outcome, exit_status, times, targets, succeeded, failed, rows_stored,
    error_class, error_message, arguments, log_id, code_version, host, pid, boot_id, lock_epoch) ON job_runs TO scizor_collector;
GRANT UPDATE (is_official) ON origins TO scizor_collector;
GRANT UPDATE (outcome, ib_code, error_message, is_permanent, records_collected, stored, revised, unchanged, quarantined,
    duplicates, unfinished, payload_sha256, completed_at) ON collection_logs TO scizor_collector;
GRANT UPDATE (holder_id, counted_at, closed_at, noticed_dead) ON pacing_requests TO scizor_collector;
GRANT UPDATE (session_date, open, high, low, close, volume, wap, trades, flags, request_id, known_from) ON bars TO scizor_collector;
GRANT UPDATE (verdict, verdict_by, verdict_at) ON quarantine TO scizor_collector;
GRANT UPDATE (complete, refetched_to, checked_at) ON coverage TO scizor_collector;
GRANT UPDATE (days, why, attempts, next_at, since, request_id, empty_request_id, quarantine_id, calendar, closed_on, resolved_at)
    ON coverage_gaps TO scizor_collector;
GRANT UPDATE (start_date, end_date, bar_count, last_updated) ON historical_data_metadata TO scizor_collector;
GRANT UPDATE (state, ratio_new, ratio_old, amount, evidence, decided_at) ON corporate_actions TO scizor_collector;
GRANT UPDATE (severity, subject, body, labels, last_at, times, resolved_at) ON alerts TO scizor_collector;
GRANT UPDATE (attempts, sent_at, given_up_at, last_error, due_at) ON alert_deliveries TO scizor_collector;
GRANT UPDATE (finished_at, bytes, sha256, manifest, state, verified_at, verified_result) ON backups TO scizor_collector;

GRANT EXECUTE ON FUNCTION make_bar_partitions, prune_pacing_requests TO scizor_collector;
