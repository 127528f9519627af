-- An organisation's own limits, in the place of its plan's, as JSON; null where it has none.
ALTER TABLE organizations ADD COLUMN rates TEXT;

-- Hosts that hold places for requests at once. Who takes a row away has ended that host's hold on all it had.
CREATE TABLE place_holders (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

-- How many places of which limit each holds.
CREATE TABLE place_leases (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    meter TEXT COLLATE "C" NOT NULL,
    holder TEXT COLLATE "C" NOT NULL REFERENCES place_holders (id) ON DELETE CASCADE,
    held BIGINT NOT NULL,
    PRIMARY KEY (organization_id, meter, holder)
);
CREATE INDEX place_leases_by_holder ON place_leases (holder);
