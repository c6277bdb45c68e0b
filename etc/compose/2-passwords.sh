# Run once by the PostgreSQL image, on an empty data directory: the passwords of the two logins that the jobs use. psql reads and
# quotes them itself: they stand in no command line and in no log. Who else is to log in (scizor_reader) gets a \password later.
psql --quiet --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set collector `cat /run/secrets/collector_password`
\set owner `cat /run/secrets/owner_password`
SET log_statement TO 'none';
ALTER ROLE scizor_collector PASSWORD :'collector';
ALTER ROLE scizor_owner PASSWORD :'owner';
SQL
