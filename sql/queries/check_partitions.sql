-- The years that bars has a partition for.
SELECT substring(c.relname FROM '^bars_([0-9]{4})$')::integer
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'scizor.bars'::regclass AND c.relname ~ '^bars_[0-9]{4}$'
