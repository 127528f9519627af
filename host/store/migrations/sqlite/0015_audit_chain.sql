-- The chain of events. SQLite lets no column lose its NOT NULL: the bytes move to one that never had it.
ALTER TABLE events RENAME COLUMN body TO body_before;
-- The event's canonical bytes, as auditors and exporters get them; null once they were purged.
ALTER TABLE events ADD COLUMN body BLOB;
UPDATE events SET body = body_before;
ALTER TABLE events DROP COLUMN body_before;

-- SHA-256 of the body, which stays when that is purged.
ALTER TABLE events ADD COLUMN body_hash BLOB;
-- The place in the log, from 1 without gaps, and the link to the place before; null until the sequencer came by.
ALTER TABLE events ADD COLUMN seq BIGINT;
ALTER TABLE events ADD COLUMN hash BLOB;
CREATE INDEX events_unnumbered ON events (time, id) WHERE seq IS NULL;
CREATE UNIQUE INDEX events_by_seq ON events (seq) WHERE seq IS NOT NULL;
CREATE INDEX events_of_organization_by_seq ON events (organization_id, seq) WHERE seq IS NOT NULL;

-- What the log is asked for, of what stands in the body; null with it.
ALTER TABLE events ADD COLUMN workspace_id TEXT;
ALTER TABLE events ADD COLUMN actor_id TEXT;
ALTER TABLE events ADD COLUMN target_id TEXT;
ALTER TABLE events ADD COLUMN request_id TEXT;
CREATE INDEX events_of_request ON events (request_id) WHERE request_id IS NOT NULL;

-- The end of the chain, in its only row: whoever goes on with it holds this row.
CREATE TABLE audit_head (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    hash BLOB NOT NULL
);
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, zeroblob(32));

-- Signed statements of what the chain was at a place.
CREATE TABLE audit_checkpoints (
    seq BIGINT NOT NULL PRIMARY KEY,
    hash BLOB NOT NULL,
    time BIGINT NOT NULL,
    public_key BLOB NOT NULL,
    signature BLOB NOT NULL
);

-- How long an organisation's events keep their bodies, in days, in the place of its plan's.
ALTER TABLE organizations ADD COLUMN audit_retention_days BIGINT;

-- Up to where bodies of an organisation's events were purged.
CREATE TABLE audit_purges (
    organization_id TEXT NOT NULL PRIMARY KEY REFERENCES organizations (id),
    before BIGINT NOT NULL
);
