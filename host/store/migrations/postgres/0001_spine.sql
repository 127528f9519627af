-- Times are microseconds since the Unix epoch, ids and JSON are text. The same tables as in
-- ../sqlite; only types and collations differ.

CREATE TABLE organizations (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    plan TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    label TEXT NOT NULL,
    role TEXT NOT NULL,
    -- SHA-256 of the key's text; the text itself is nowhere.
    hash BYTEA NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    scopes TEXT NOT NULL,
    livemode BOOLEAN NOT NULL,
    expires_at BIGINT,
    archived_at BIGINT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX api_keys_by_organization ON api_keys (organization_id, created_at, id);

-- One row, raised by every change to plugins, grants and enablement.
CREATE TABLE desired_state (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    revision BIGINT NOT NULL
);
INSERT INTO desired_state (only_row, revision) VALUES (1, 0);

CREATE TABLE plugins (
    id TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    version TEXT NOT NULL,
    kind TEXT NOT NULL,
    size BIGINT NOT NULL,
    manifest TEXT NOT NULL,
    source TEXT NOT NULL,
    file_name TEXT,
    state TEXT NOT NULL,
    reason TEXT,
    approved_by TEXT,
    approved_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (id, digest)
);
CREATE UNIQUE INDEX plugins_one_active ON plugins (id) WHERE state = 'active';

CREATE TABLE plugin_files (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    mtime BIGINT NOT NULL,
    digest TEXT,
    state TEXT NOT NULL,
    reason TEXT,
    seen_at BIGINT NOT NULL
);

CREATE TABLE plugin_grants (
    binding TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    plugin_id TEXT COLLATE "C" NOT NULL,
    permissions TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    granted_at BIGINT NOT NULL
);

CREATE TABLE plugin_enablement (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    plugin_id TEXT COLLATE "C" NOT NULL,
    enabled BOOLEAN NOT NULL,
    PRIMARY KEY (organization_id, plugin_id)
);

CREATE TABLE kv (
    binding TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    value BYTEA NOT NULL,
    PRIMARY KEY (binding, organization_id, key)
);

-- What each namespace of kv holds, so that a quota is checked without counting.
CREATE TABLE kv_usage (
    binding TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    keys BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (binding, organization_id)
);

-- Grows with every request: three trees, all appended to or nearly so, and no foreign keys.
CREATE TABLE call_records (
    id TEXT COLLATE "C" NOT NULL,
    request_id TEXT NOT NULL,
    time BIGINT NOT NULL,
    organization_id TEXT COLLATE "C",
    key_id TEXT COLLATE "C",
    method TEXT NOT NULL,
    route TEXT NOT NULL,
    status BIGINT NOT NULL,
    error_type TEXT,
    duration_us BIGINT NOT NULL,
    model TEXT,
    binding TEXT,
    plugin TEXT,
    plugin_version TEXT,
    input_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    streamed BOOLEAN NOT NULL,
    deltas BIGINT NOT NULL,
    bytes_sent BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (time, id)
);
CREATE INDEX call_records_by_organization ON call_records (organization_id, time, id);
CREATE INDEX call_records_by_key ON call_records (key_id, time, id);

CREATE TABLE events (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    time BIGINT NOT NULL,
    organization_id TEXT COLLATE "C",
    kind TEXT NOT NULL,
    -- The event's canonical bytes, as auditors and exporters get them.
    body BYTEA NOT NULL
);
CREATE INDEX events_by_time ON events (time, id);
CREATE INDEX events_by_organization ON events (organization_id, time, id);

CREATE TABLE outbox (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    event_id TEXT COLLATE "C" NOT NULL REFERENCES events (id),
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    claim_id TEXT,
    lease_until BIGINT,
    last_error TEXT
);
CREATE INDEX outbox_due ON outbox (due_at, id) WHERE state = 'open';
CREATE INDEX outbox_by_event ON outbox (event_id, id);
