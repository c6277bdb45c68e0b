-- A new origin.
INSERT INTO origins (kind, source, regular_hours)
VALUES (%(kind)s, %(source)s, %(regular_hours)s)
ON CONFLICT (kind, source, regular_hours) DO NOTHING
