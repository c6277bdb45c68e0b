-- When the last search for corporate actions began that came to its end; an hour earlier, for transactions under way then.
SELECT max(started_at) - interval '1 hour' FROM job_runs
WHERE job = %(job)s AND scope = %(scope)s AND outcome IN ('done', 'finding', 'nothing-due')
