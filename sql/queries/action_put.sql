-- A candidate, or what more is known of one. What was decided stays decided, but for a suspicion that was rejected before an
-- overlap showed the same.
INSERT INTO corporate_actions AS a (symbol_id, ex_date, type, ratio_new, ratio_old, amount, evidence, noticed_at, effective_at)
VALUES (%(symbol_id)s, %(ex_date)s, %(type)s, %(new)s, %(old)s, %(amount)s, %(evidence)s, %(now)s, %(effective_at)s)
ON CONFLICT (symbol_id, ex_date, type) DO UPDATE
SET ratio_new = excluded.ratio_new, ratio_old = excluded.ratio_old, amount = excluded.amount, evidence = excluded.evidence,
    effective_at = excluded.effective_at, state = 'candidate', decided_at = NULL
WHERE (a.state = 'candidate'
       AND (a.ratio_new, a.ratio_old, a.amount) IS DISTINCT FROM (excluded.ratio_new, excluded.ratio_old, excluded.amount))
   OR (a.state <> 'confirmed' AND a.evidence ->> 'method' = 'gap' AND excluded.evidence ->> 'method' = 'overlap')
RETURNING id, xmax = 0
