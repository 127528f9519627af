-- Values that must be read back, each sealed under a master key for its place.
CREATE TABLE secrets (
    -- `platform`, or the organisation whose it is.
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The only origin that plugins' requests may take it to; null for what the host alone uses.
    audience TEXT,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    updated_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (owner, name)
);

-- Who may log in by an address.
CREATE INDEX users_by_address ON users (email, created_at, id);

-- PINs on their way. A row is found by the hash of its challenge's id, and the PIN is hashed with that id: whoever
-- reads this table has neither.
CREATE TABLE login_challenges (
    hash BLOB NOT NULL PRIMARY KEY,
    -- Null where nobody has the address that a PIN was asked for.
    user_id TEXT REFERENCES users (id),
    pin_hash BLOB NOT NULL,
    attempts BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX login_challenges_by_end ON login_challenges (expires_at);
CREATE INDEX login_challenges_by_user ON login_challenges (user_id);

-- How often something was tried for an address or from a network, in a window of time.
CREATE TABLE login_throttles (
    -- A hash of which, and of what.
    subject BLOB NOT NULL,
    begin_at BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (subject, begin_at)
);
CREATE INDEX login_throttles_by_begin ON login_throttles (begin_at);

CREATE TABLE sessions (
    -- SHA-256 of the token.
    hash BLOB NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- Mail that is still to be sent; what was sent is not here any more.
CREATE TABLE mails (
    id TEXT NOT NULL PRIMARY KEY,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    -- False where nobody is to get it: it is here so that asking for a PIN is the same work for any address.
    addressed BOOLEAN NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    claim_id TEXT,
    lease_until BIGINT
);
CREATE INDEX mails_due ON mails (key_id, due_at, id) WHERE addressed;
CREATE INDEX mails_by_end ON mails (expires_at);

-- What operators changed of the configuration while hosts run: a key, and its value as JSON.
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
