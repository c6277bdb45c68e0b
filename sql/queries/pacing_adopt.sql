-- Requests of a process that lost its connection and has a new one: they are open after all.
UPDATE pacing_requests
SET holder_id = %(holder)s, closed_at = NULL, noticed_dead = false
WHERE id = ANY (%(ids)s)
