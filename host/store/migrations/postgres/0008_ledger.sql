-- Money, in micro-credits. The books are in ledger_entries; what is here beside them is kept in the same transactions,
-- so that no request has to sum them up.
CREATE TABLE credit_accounts (
    organization_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES organizations (id),
    -- What no host has leased.
    available BIGINT NOT NULL,
    -- Whether no more than that may be spent.
    prepaid BOOLEAN NOT NULL,
    -- The month that committed is of: leased and not given back.
    period_begin BIGINT NOT NULL,
    committed BIGINT NOT NULL,
    spend_cap BIGINT,
    soft_cap BIGINT,
    -- Whether it was told this month that the soft cap is reached.
    soft_cap_told BOOLEAN NOT NULL DEFAULT FALSE,
    approval_threshold BIGINT
);

-- What hosts lease ahead, to reserve from in memory. A lease's row is its account in the books until it is closed.
CREATE TABLE credit_leases (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    granted BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    period_begin BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    is_open BOOLEAN NOT NULL
);
CREATE INDEX credit_leases_open ON credit_leases (expires_at, id) WHERE is_open;
CREATE INDEX credit_leases_by_organization ON credit_leases (organization_id) WHERE is_open;

-- Double entry: the amounts of a transfer add up to nothing.
CREATE TABLE ledger_entries (
    transfer_id TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    amount BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    time BIGINT NOT NULL,
    PRIMARY KEY (transfer_id, account)
);
CREATE INDEX ledger_entries_by_organization ON ledger_entries (organization_id, time, transfer_id, account);

-- What long requests have cost so far: charged by whoever closes the lease where their host does not come to it.
CREATE TABLE credit_progress (
    request_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    lease_id TEXT COLLATE "C" NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX credit_progress_by_lease ON credit_progress (lease_id);

-- Somebody's yes to one request above the approval threshold.
CREATE TABLE spend_approvals (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    most BIGINT NOT NULL,
    approved_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    request_id TEXT COLLATE "C"
);

-- What models cost, as it was: a version is named by what is in it.
CREATE TABLE rate_versions (
    version TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    rates TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- What a request cost, and by which version of the rates; null where it was not charged.
ALTER TABLE call_records ADD COLUMN charge BIGINT NOT NULL DEFAULT 0;
ALTER TABLE call_records ADD COLUMN rates TEXT COLLATE "C";
