-- What could be brought back if the disk died now: the recovery point, how long it takes, and what became of the last backups.
-- Plain psql, no parameters:  bin/psql -f sql/monitor/backups.sql

\echo 'What would be lost, and how long bringing the rest back takes'
SELECT taken_at AS recovery_point, now() - taken_at AS lost_at_most, restore_took AS back_within, path
FROM v_backups
WHERE is_recovery_point;

\echo 'The last backups'
SELECT id, state, taken_at, verified_at, pg_size_pretty(bytes) AS size, rows, restore_took, is_encrypted AS encrypted, why
FROM v_backups
WHERE state <> 'expired'
LIMIT 20;

\echo 'How many there are'
SELECT state, count(*), min(taken_at) AS oldest, max(taken_at) AS newest, pg_size_pretty(sum(bytes)) AS size
FROM v_backups
GROUP BY state
ORDER BY state;
