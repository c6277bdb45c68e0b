-- Adds sessions, and corrects those that are stored otherwise.
INSERT INTO sessions (calendar, session_date, open, close, last, is_half_day, source, loaded_at)
SELECT given.*, %(source)s, %(now)s
FROM unnest(%(calendars)s::text[], %(dates)s::date[], %(opens)s::timestamptz[], %(closes)s::timestamptz[],
            %(lasts)s::timestamptz[], %(halves)s::boolean[]) AS given (calendar, session_date, open, close, last, is_half_day)
WHERE NOT EXISTS (
    SELECT FROM sessions s
    WHERE s.calendar = given.calendar AND s.session_date = given.session_date
      AND (s.open, s.close, s.last, s.is_half_day) = (given.open, given.close, given.last, given.is_half_day))
ON CONFLICT (calendar, session_date) DO UPDATE
SET open = excluded.open, close = excluded.close, last = excluded.last, is_half_day = excluded.is_half_day,
    source = excluded.source, loaded_at = excluded.loaded_at
