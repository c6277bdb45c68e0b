-- The next number at the fence of a job and scope.
INSERT INTO job_locks (job, scope, epoch)
VALUES (%(job)s, %(scope)s, 1)
ON CONFLICT (job, scope) DO UPDATE SET epoch = job_locks.epoch + 1
RETURNING epoch
