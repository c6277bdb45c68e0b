-- Of the newest report of each bar size: bars expected, and of these refused or wrong.
SELECT timeframe, expected, quarantined + wrong
FROM (SELECT DISTINCT ON (timeframe) timeframe, expected, quarantined, wrong
      FROM quality_reports WHERE session_date > %(now)s::date - 14
      ORDER BY timeframe, session_date DESC, id DESC) newest
WHERE expected > 0
ORDER BY timeframe
