-- Takes what was refused out of the answer. A conflict takes all rows of its start.
DELETE FROM staged WHERE "timestamp" = ANY (%(starts)s)
