-- Where events of the log go for as long as the row is there. The log is the queue: what is to be delivered stands
-- behind the cursor.
CREATE TABLE destinations (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- On whose behalf the exporter runs, and whose name it is.
    owner_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    name TEXT COLLATE "C" NOT NULL,
    -- Whose events; null for everybody's and the platform's own.
    organization_id TEXT COLLATE "C" REFERENCES organizations (id),
    workspace_id TEXT COLLATE "C",
    -- A JSON array of kinds, or of beginnings that end in `.*`; all kinds where it is empty.
    kinds TEXT NOT NULL,
    -- The binding of an exporter, and what is laid over its settings, as JSON. Secrets among them are in `secrets`,
    -- whose owner is the destination.
    exporter TEXT NOT NULL,
    options TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Why nothing is delivered, where it is parked.
    reason TEXT,
    -- The place in the log up to which every event is settled, and what else is known of how far it is, as JSON.
    cursor BIGINT NOT NULL,
    progress TEXT NOT NULL,
    -- What the exporter keeps with the cursor.
    saved BYTEA,
    -- Attempts in a row that settled nothing.
    failures BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    claim_id TEXT,
    lease_until BIGINT,
    last_error TEXT,
    last_error_at BIGINT,
    delivered BIGINT NOT NULL,
    delivered_at BIGINT,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (owner_id, name)
);
CREATE INDEX destinations_due ON destinations (due_at, id) WHERE state = 'active';
CREATE INDEX destinations_by_organization ON destinations (organization_id, id);

-- Events that a destination will not have, unless somebody asks for them to be offered again.
CREATE TABLE dead_letters (
    destination_id TEXT COLLATE "C" NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    event_id TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Attempts since it is to be offered again.
    attempt BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (destination_id, event_id)
);
CREATE INDEX dead_letters_by_place ON dead_letters (destination_id, seq, event_id);
CREATE INDEX dead_letters_to_replay ON dead_letters (destination_id, seq, event_id) WHERE state = 'again';
