-- What differed at an earlier look and does not any more.
UPDATE reconciliations
SET wrong = 'neither', reason = 'the sources agree since', checked_at = %(now)s, run_id = %(run_id)s
WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND against = %(against)s
  AND session_date >= %(first)s AND session_date <= %(last)s AND checked_at < %(now)s AND reason <> 'the sources agree since'
