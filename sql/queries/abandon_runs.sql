-- Runs of this job and scope that died: their successor holds the lock.
UPDATE job_runs
SET outcome = 'abandoned', finished_at = %(now)s
WHERE job = %(job)s AND scope = %(scope)s AND outcome = 'running'
