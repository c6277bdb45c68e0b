-- The series of which anything is known: bar size and origin.
SELECT DISTINCT c.timeframe, o.kind, o.source, o.regular_hours, o.id
FROM coverage c
JOIN origins o ON o.id = c.origin
ORDER BY c.timeframe, o.id
