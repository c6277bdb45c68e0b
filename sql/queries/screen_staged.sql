-- One look at the answer: first and last start, the session dates that its rows claim, the starts that the rules must
-- look at (and those before them, their neighbours), and whether a start stands there twice.
SELECT min("timestamp"), max("timestamp"), array_agg(session_date),
       array_agg("timestamp") FILTER (WHERE doubtful), array_agg(before) FILTER (WHERE doubtful), bool_or("timestamp" = before)
FROM (
    SELECT "timestamp", session_date, lag("timestamp") OVER w AS before,
           ({screen}) IS NOT TRUE OR {unfinished} OR lag(volume) OVER w IS NULL OR (volume = lag(volume) OVER w AND volume > 0)
               AS doubtful
    FROM staged
    WINDOW w AS (ORDER BY "timestamp")
) s
