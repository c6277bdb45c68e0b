-- The mode that the database is stamped with; no row: not stamped yet.
SELECT mode FROM installation
