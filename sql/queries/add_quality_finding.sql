-- What a report found.
INSERT INTO quality_findings (report_id, symbol_id, session_date, "timestamp", rule, severity, is_confirmed, evidence)
VALUES (%(report_id)s, %(symbol_id)s, %(session_date)s, %(timestamp)s, %(rule)s, %(severity)s, %(is_confirmed)s, %(evidence)s)
