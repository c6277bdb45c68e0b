-- The words: domains, and the stamp that says which world this database belongs to.
-- Time never comes from the server's clock: every instant is a parameter, so that an accelerated clock and a test are
-- ordinary. Names are found through the search path, which migrate sets on the database.

CREATE DOMAIN instant AS timestamptz CHECK (VALUE >= '1970-01-01Z' AND VALUE < '2200-01-01Z');
COMMENT ON DOMAIN instant IS 'A point in time; finite.';

CREATE DOMAIN ticker AS text CHECK (VALUE ~ '^[A-Z0-9][A-Z0-9 ./_-]{0,31}$');
COMMENT ON DOMAIN ticker IS 'A symbol: capitals, digits, and . / _ - or a space inside. Nothing that a shell, a path or a spreadsheet would read as more.';

CREATE DOMAIN timeframe AS text COLLATE "C"
    CHECK (VALUE IN ('5sec', '30sec', '1min', '5min', '15min', '30min', '1hour', '4hour', '1day'));
COMMENT ON DOMAIN timeframe IS 'A bar size, as users name it.';

CREATE TABLE installation (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    mode text NOT NULL CHECK (mode IN ('live', 'paper', 'replay')),
    stamped_at instant NOT NULL
);
COMMENT ON TABLE installation IS 'One row, written once: the mode whose data lie here. Every job of another mode is refused.';
COMMENT ON COLUMN installation.singleton IS 'Keeps it at one row.';
COMMENT ON COLUMN installation.mode IS 'live, paper or replay.';
COMMENT ON COLUMN installation.stamped_at IS 'When the first job stamped it.';
