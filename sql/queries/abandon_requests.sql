-- Requests that a run of this job and scope left behind when it died: nobody waits for their answers.
UPDATE collection_logs
SET outcome = 'cancelled', completed_at = %(now)s, error_message = 'its process died'
WHERE outcome = 'pending'
  AND run_id IN (SELECT id FROM job_runs WHERE job = %(job)s AND scope = %(scope)s AND outcome = 'running')
