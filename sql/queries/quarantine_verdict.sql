-- A person's decision; a row that has one is left as it is.
UPDATE quarantine SET verdict = %(verdict)s, verdict_by = %(by)s, verdict_at = %(now)s, verdict_note = %(note)s
WHERE id = %(id)s AND verdict IS NULL
