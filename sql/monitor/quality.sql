-- The last report of each of the newest sessions, and the hard faults of the last two weeks: psql -f sql/monitor/quality.sql
SELECT r.session_date, r.timeframe, r.series, r.expected, r.stored, r.explained, r.missing, r.quarantined, r.wrong, r.doubted, r.revised, r.score
FROM quality_reports r
WHERE r.id = (SELECT max(n.id) FROM quality_reports n WHERE n.session_date = r.session_date AND n.timeframe = r.timeframe AND n.origin = r.origin)
ORDER BY r.session_date DESC, r.timeframe
LIMIT 20;

SELECT f.session_date, r.timeframe, coalesce(s.symbol, '*') AS symbol, f.rule, f.evidence
FROM quality_findings f
JOIN quality_reports r ON r.id = f.report_id
LEFT JOIN symbols s ON s.id = f.symbol_id
WHERE f.severity = 'hard' AND f.session_date > (SELECT max(session_date) - 14 FROM quality_reports)
ORDER BY f.session_date DESC, symbol
LIMIT 50;
