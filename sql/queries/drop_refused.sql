-- Takes what was refused out of the answer. A conflict takes all rows of its start.
DELETE FROM staged s
USING refused r
WHERE s."timestamp" IS NOT DISTINCT FROM r."timestamp"
