-- What waits for a person: refused bars, corporate actions, days of the calendar, differences between sources, hard faults of the newest reports; each with its oldest.
SELECT 'refused bars', count(*), min(first_seen_at) FROM quarantine WHERE verdict IS NULL
UNION ALL
SELECT 'corporate actions', count(*), min(noticed_at) FROM corporate_actions WHERE state = 'candidate'
UNION ALL
SELECT 'calendar days', count(*), min(found_at) FROM session_candidates WHERE state = 'waiting'
UNION ALL
SELECT 'contradictions', count(*), min(checked_at) FROM reconciliations
WHERE wrong IN ('ours', 'unknown') AND session_date > %(now)s::date - 30
UNION ALL
SELECT 'hard faults', count(*), min(r.made_at)
FROM quality_findings f
JOIN (SELECT DISTINCT ON (session_date, timeframe, origin) id, made_at FROM quality_reports
      WHERE session_date > %(now)s::date - 14 ORDER BY session_date, timeframe, origin, id DESC) r ON r.id = f.report_id
WHERE f.severity = 'hard'
