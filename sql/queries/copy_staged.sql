-- An answer as text.
COPY staged ("timestamp", session_date, open, high, low, close, volume, wap, trades) FROM STDIN
