-- By check, its status and since when, as bin/health saw it last.
SELECT name, status, since FROM health_checks
