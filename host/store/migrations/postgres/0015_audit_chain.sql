-- The chain of events. A body, the event's canonical bytes, is null once it was purged.
ALTER TABLE events ALTER COLUMN body DROP NOT NULL;

-- SHA-256 of the body, which stays when that is purged.
ALTER TABLE events ADD COLUMN body_hash BYTEA;
-- The place in the log, from 1 without gaps, and the link to the place before; null until the sequencer came by.
ALTER TABLE events ADD COLUMN seq BIGINT;
ALTER TABLE events ADD COLUMN hash BYTEA;
CREATE INDEX events_unnumbered ON events (time, id) WHERE seq IS NULL;
CREATE UNIQUE INDEX events_by_seq ON events (seq) WHERE seq IS NOT NULL;
CREATE INDEX events_of_organization_by_seq ON events (organization_id, seq) WHERE seq IS NOT NULL;

-- What the log is asked for, of what stands in the body; null with it.
ALTER TABLE events ADD COLUMN workspace_id TEXT COLLATE "C";
ALTER TABLE events ADD COLUMN actor_id TEXT COLLATE "C";
ALTER TABLE events ADD COLUMN target_id TEXT COLLATE "C";
ALTER TABLE events ADD COLUMN request_id TEXT COLLATE "C";
CREATE INDEX events_of_request ON events (request_id) WHERE request_id IS NOT NULL;

-- The end of the chain, in its only row: whoever goes on with it holds this row.
CREATE TABLE audit_head (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL
);
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, decode(repeat('00', 32), 'hex'));

-- Signed statements of what the chain was at a place.
CREATE TABLE audit_checkpoints (
    seq BIGINT NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL,
    time BIGINT NOT NULL,
    public_key BYTEA NOT NULL,
    signature BYTEA NOT NULL
);

-- How long an organisation's events keep their bodies, in days, in the place of its plan's.
ALTER TABLE organizations ADD COLUMN audit_retention_days BIGINT;

-- Up to where bodies of an organisation's events were purged.
CREATE TABLE audit_purges (
    organization_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES organizations (id),
    before BIGINT NOT NULL
);
