-- The roles and the database, as bin/migrate --print-setup prints them (a test compares). Run once, on an empty data directory.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'scizor_owner') THEN
        CREATE ROLE "scizor_owner" LOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- somebody else made it just now
END $$;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'scizor_collector') THEN
        CREATE ROLE "scizor_collector" LOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- somebody else made it just now
END $$;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'scizor_reader') THEN
        CREATE ROLE "scizor_reader" LOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- somebody else made it just now
END $$;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'scizor_backup') THEN
        CREATE ROLE "scizor_backup" LOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- somebody else made it just now
END $$;
ALTER ROLE "scizor_reader" SET default_transaction_read_only TO on;
ALTER ROLE "scizor_backup" SET default_transaction_read_only TO on;
ALTER ROLE "scizor_reader" SET statement_timeout TO '60s';
SELECT 'CREATE DATABASE "scizor" OWNER "scizor_owner" ENCODING ''UTF8'' TEMPLATE template0' WHERE NOT EXISTS
    (SELECT FROM pg_database WHERE datname = 'scizor') \gexec
