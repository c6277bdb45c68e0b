-- The bars of an answer that was refused as another contract's, as they were received.
SELECT session_date, raw FROM quarantine WHERE request_id = %(request_id)s AND rule = 'another_contract' ORDER BY session_date
