-- How a request ended, and what became of its bars.
UPDATE collection_logs
SET outcome = %(outcome)s, ib_code = %(ib_code)s, error_message = %(text)s, is_permanent = %(is_permanent)s,
    payload_sha256 = %(sha256)s, completed_at = %(now)s, records_collected = %(records_collected)s, stored = %(stored)s,
    revised = %(revised)s, unchanged = %(unchanged)s, quarantined = %(quarantined)s, duplicates = %(duplicates)s,
    unfinished = %(unfinished)s
WHERE id = %(id)s
