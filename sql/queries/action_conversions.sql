-- When the bars of a symbol were converted for other actions.
SELECT DISTINCT at FROM restatements WHERE symbol_id = %(symbol_id)s AND method = 'converted' AND action_id <> %(id)s
