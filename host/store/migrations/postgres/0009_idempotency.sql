-- What was asked under an Idempotency-Key, and the answer, to be given again for a day.
CREATE TABLE idempotency (
    -- The request that holds the name, or held it last.
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL,
    -- Whose names these are: a key of the organisation, or a session. No foreign key: it may be deleted.
    key_id TEXT COLLATE "C" NOT NULL,
    -- The header's text.
    name TEXT COLLATE "C" NOT NULL,
    -- SHA-256 of what was asked.
    fingerprint BYTEA NOT NULL,
    state TEXT NOT NULL,
    -- While it runs: if this is over, the host that ran it is gone.
    lease_until BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- Of the answer, once there is one: the headers as a JSON array of pairs.
    status BIGINT,
    headers TEXT,
    body BYTEA
);
CREATE UNIQUE INDEX idempotency_by_name ON idempotency (organization_id, key_id, name);
CREATE INDEX idempotency_by_end ON idempotency (expires_at, id);
