-- What comparisons said of a session, of this bar size or against it.
SELECT r.timeframe, r.against, r.field, r.ours, r.theirs, r.wrong, r.reason, r.checked_at, r.run_id
FROM reconciliations r
WHERE r.symbol_id = %(symbol_id)s AND r.session_date = %(day)s AND (r.timeframe = %(timeframe)s OR r.against = %(timeframe)s)
ORDER BY r.timeframe, r.against, r.field
