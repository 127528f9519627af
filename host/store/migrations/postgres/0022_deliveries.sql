-- Whether the last attempt at a destination took long: such destinations have places of their own.
ALTER TABLE destinations ADD COLUMN is_slow BOOLEAN NOT NULL DEFAULT FALSE;

-- What is given up is found by an index of its own, whose condition no other statement has. By this one PostgreSQL also
-- looked for what is to be claimed, where little was open when it last counted, and read all that waits for all endpoints.
DROP INDEX outbox_by_acceptance;
CREATE INDEX outbox_by_acceptance ON outbox (accepted_at) WHERE ended_at IS NULL;
