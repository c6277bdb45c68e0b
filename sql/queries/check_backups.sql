-- Backups: the newest that was verified, the newest that was begun and its state, how many are corrupt, and since when there is something to back up.
SELECT (SELECT max(finished_at) FROM backups WHERE state = 'verified'),
       (SELECT max(verified_at) FROM backups WHERE state = 'verified'),
       (SELECT state FROM backups ORDER BY id DESC LIMIT 1),
       (SELECT started_at FROM backups ORDER BY id DESC LIMIT 1),
       (SELECT count(*) FROM backups WHERE state = 'corrupt' AND started_at > %(now)s::timestamptz - interval '7 days'),
       (SELECT min(stamped_at) FROM installation)
