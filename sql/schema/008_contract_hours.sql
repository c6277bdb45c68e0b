-- What the Gateway says about a contract beside its identity: IB's own hours, the second source for our calendar.

ALTER TABLE symbols
    ADD COLUMN time_zone text NOT NULL DEFAULT '',
    ADD COLUMN trading_hours text NOT NULL DEFAULT '',
    ADD COLUMN liquid_hours text NOT NULL DEFAULT '';
COMMENT ON COLUMN symbols.time_zone IS 'Of the contract, as IB spells it (Australia/NSW); empty: never asked.';
COMMENT ON COLUMN symbols.trading_hours IS 'IB''s string at qualified_at: all sessions of the coming days, local to time_zone.';
COMMENT ON COLUMN symbols.liquid_hours IS 'The same for regular hours.';

GRANT UPDATE (time_zone, trading_hours, liquid_hours) ON symbols TO scizor_collector;
