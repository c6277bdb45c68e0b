-- A file was read back and found equal to what it was written from.
UPDATE archives SET verified_at = greatest(%(now)s, written_at)
WHERE folder = %(folder)s AND path = %(path)s AND sha256 = %(sha256)s
