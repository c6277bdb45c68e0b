-- Where IB's history begins, as it said of the contracts that the symbols have now.
SELECT h.symbol_id, o.kind, o.source, o.regular_hours, h.head, h.asked_at
FROM head_timestamps h
JOIN symbols s ON s.id = h.symbol_id AND s.con_id = h.con_id
JOIN origins o ON o.id = h.origin
