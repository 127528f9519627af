-- Webhook endpoints, and what is to be delivered to them. Signing secrets are sealed, in `secrets`.
CREATE TABLE webhook_endpoints (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    -- A JSON array of names and patterns.
    events TEXT NOT NULL,
    is_enabled BOOLEAN NOT NULL,
    -- Why it was switched off, where it was not by somebody.
    disabled_reason TEXT,
    -- How long the secret before the present one signs as well.
    previous_until BIGINT,
    -- How it has been doing: see domain/webhook/breaker.rs.
    failures BIGINT NOT NULL,
    probe_at BIGINT,
    recovered_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX webhook_endpoints_by_organization ON webhook_endpoints (organization_id, created_at, id);

-- Nothing was ever queued in it.
DROP TABLE outbox;
CREATE TABLE outbox (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    event_id TEXT COLLATE "C" NOT NULL REFERENCES events (id),
    destination TEXT COLLATE "C" NOT NULL,
    -- The event's.
    kind TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    -- When its schedule began; again when it is replayed.
    accepted_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    attempted_at BIGINT,
    claim_id TEXT,
    lease_until BIGINT,
    ended_at BIGINT,
    last_error TEXT,
    -- The latest, a JSON array.
    attempts TEXT NOT NULL
);
CREATE INDEX outbox_due ON outbox (destination, due_at, id) WHERE state = 'open';
CREATE INDEX outbox_by_event ON outbox (event_id, id);
CREATE INDEX outbox_by_destination ON outbox (destination, created_at, id);
CREATE INDEX outbox_by_acceptance ON outbox (accepted_at) WHERE state = 'open';
CREATE INDEX outbox_by_end ON outbox (ended_at) WHERE ended_at IS NOT NULL;
