-- A person's word on a candidate.
UPDATE corporate_actions
SET state = %(state)s, decided_at = %(now)s, ex_date = %(ex_date)s, ratio_new = %(new)s, ratio_old = %(old)s,
    effective_at = %(effective_at)s
WHERE id = %(id)s AND state = %(former)s
