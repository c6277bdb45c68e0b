-- The server: its clock, whether it is a standby, connections in use and allowed, the database's size, its version.
SELECT clock_timestamp(), pg_is_in_recovery(), (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer,
       pg_database_size(current_database()), current_setting('server_version_num')::integer
