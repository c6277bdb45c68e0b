-- How many rows of the answer each rule refused.
SELECT rule, count(*) FROM refused GROUP BY rule ORDER BY rule
