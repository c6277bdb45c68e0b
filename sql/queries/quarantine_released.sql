-- By which request an accepted bar entered bars.
UPDATE quarantine SET released_request_id = %(request_id)s WHERE id = %(id)s AND released_request_id IS NULL
