-- Of each exchange that is collected, the symbol with the least turnover in its newest daily bars. Those that have some only.
SELECT DISTINCT ON (venue) venue, symbol
FROM (
    SELECT coalesce(nullif(s.primary_exchange, ''), s.exchange) AS venue, s.symbol, avg(b.close * b.volume) AS turnover
    FROM symbols s
    JOIN bars b ON b.symbol_id = s.id AND b.timeframe = '1day' AND b."timestamp" >= %(since)s AND b.volume > 0
    WHERE s.active AND s.refused = '' AND s.sec_type = 'STK'
    GROUP BY 1, 2
) each_symbol
ORDER BY venue, turnover, symbol
