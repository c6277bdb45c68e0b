-- Every version of the bar that covers an instant, of each origin: the newest first, with who brought it and what was done.
SELECT v."timestamp", v.session_date, v.open, v.high, v.low, v.close, v.volume, v.wap, v.trades, v.flags, v.revision, v.known_from,
       v.known_to, o.kind, o.source, o.regular_hours, o.is_official, o.price_basis, v.request_id, r.outcome, r.timeframe AS asked_timeframe,
       r.start_date, r.end_date, r.window_start, r.window_end, r.attempt, r.started_at, r.completed_at, r.records_collected, r.stored,
       r.revised, r.unchanged, r.quarantined, r.duplicates, r.unfinished, encode(r.payload_sha256, 'hex') AS payload_sha256, j.id AS run_id,
       j.job, j.scope, j.started_at AS run_started_at, j.outcome AS run_outcome, j.code_version, j.host, j.pid, j.log_id,
       b.method AS restated, b.id AS batch, b.action_id
FROM (
    SELECT symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, wap, trades, flags, revision,
           request_id, known_from, NULL::timestamptz AS known_to
    FROM bars
    UNION ALL
    SELECT symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, wap, trades, flags, revision,
           request_id, known_from, known_to
    FROM bars_history
) v
JOIN origins o ON o.id = v.origin
LEFT JOIN collection_logs r ON r.id = v.request_id
LEFT JOIN job_runs j ON j.id = r.run_id
LEFT JOIN restatements b ON b.symbol_id = v.symbol_id AND b.timeframe = v.timeframe AND b.origin = v.origin AND v.revision > 0
    AND ((b.method = 'converted' AND b.at = v.known_from) OR (b.method = 'fetched' AND b.request_id = v.request_id))
WHERE v.symbol_id = %(symbol_id)s AND v.timeframe = %(timeframe)s
  AND v."timestamp" > %(at)s::timestamptz - make_interval(secs => %(seconds)s) AND v."timestamp" <= %(at)s::timestamptz
ORDER BY o.is_official DESC, o.kind, o.source, v."timestamp", v.revision DESC
