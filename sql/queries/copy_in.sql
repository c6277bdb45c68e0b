-- The bars of a file, in the columns of archive.table.VALUES; whose they are says the statement that inserts them.
COPY returned ("timestamp", session_date, open, high, low, close, volume, wap, trades, flags, revision, request_id, known_from)
FROM STDIN (FORMAT csv)
