-- Of rows that are equal in everything, all but one.
DELETE FROM staged s
USING staged other
WHERE s."timestamp" = other."timestamp" AND s.ctid > other.ctid
  AND (s.session_date, s.open, s.high, s.low, s.close, s.volume, s.wap, s.trades)
      IS NOT DISTINCT FROM
      (other.session_date, other.open, other.high, other.low, other.close, other.volume, other.wap, other.trades)
