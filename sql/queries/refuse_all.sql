-- Takes the whole answer out of the way, under one rule.
DELETE FROM staged
RETURNING "timestamp", session_date, %(rule)s, format('%%s,%%s,%%s,%%s,%%s,%%s,%%s', open, high, low, close, volume, wap, trades)
