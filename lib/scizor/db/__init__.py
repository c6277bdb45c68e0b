"""Floor 4: the room that knows PostgreSQL, and nobody else does: psycopg is imported here only.

Connections are autocommit, and every change stands in an explicit `with connection.transaction()`: in psycopg a
transaction block after an implicit BEGIN is only a savepoint, and nothing would ever be committed. SQL lies in
sql/queries, one statement a file, read by name (sql.py); the schema in sql/schema, numbered and never edited
(migrate.py). No statement asks the server for the time: `now` is a parameter. The collector's login adds rows and
updates named columns; it deletes and alters nothing.

connect who we are to the server, and what its refusals mean · migrate the schema · symbols, watchlist, calendar what is
wanted · windows one transaction a window: requests, bars, coverage (answer in memory, staging and its rules, bars into the
table) · writers several windows side by side · runs jobs and their fence · ledger the pacing budget · outbox what a person
must hear · contents, scratch, backups what a
database holds, the empty ones that a backup is brought back into, and the table of them · embedded the server for trying and testing.
"""
