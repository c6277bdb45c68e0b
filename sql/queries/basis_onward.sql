-- What became of a share of a company's former code by session date, as function continuous has it: the successor's shares for one, and
-- the successor's splits since.
SELECT u.session_date, product(a.ratio_new), product(a.ratio_old)
FROM unnest(%(days)s::date[]) AS u (session_date)
LEFT JOIN (
    SELECT a.ex_date, a.ratio_new, a.ratio_old
    FROM lineage(%(symbol)s) n
    JOIN corporate_actions a ON a.symbol_id = n.symbol_id AND a.state = 'confirmed' AND a.ratio_new IS NOT NULL AND a.ratio_old IS NOT NULL
    WHERE a.ex_date <= %(as_of)s::date
      AND ((a.type = 'code-change' AND n.generation BETWEEN 1 AND %(generation)s) OR (a.type = 'split' AND n.generation < %(generation)s))
) a ON a.ex_date > u.session_date
GROUP BY 1
