-- What the payment provider and we know of each other. Ids of its things are its own.

-- Who an organisation is there. It may have been several, the last of which is used.
CREATE TABLE payment_customers (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    created_at BIGINT NOT NULL
);
CREATE INDEX payment_customers_by_organization ON payment_customers (organization_id, created_at, id);

-- Notices that were acted upon, each in the transaction of its effect: the same one does nothing again.
CREATE TABLE payment_notices (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE INDEX payment_notices_by_time ON payment_notices (received_at);

-- Payments of credits, and what of them went back.
CREATE TABLE payments (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- Null as long as only a refund was heard of: notices come in any order.
    organization_id TEXT COLLATE "C" REFERENCES organizations (id),
    -- Bought, in micro-credits.
    credits BIGINT NOT NULL,
    -- In the smallest unit of the money that was paid in, as the last refund told.
    paid BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    -- Of the credits: taken back, or found missing when they were to be.
    taken_back BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Subscriptions of plans.
CREATE TABLE payment_subscriptions (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    -- What it gives while it is paid.
    plan TEXT COLLATE "C",
    is_paid BOOLEAN NOT NULL,
    -- Raised with each change. Who asked the provider before the last one knows too little.
    revision BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX payment_subscriptions_by_organization ON payment_subscriptions (organization_id, plan) WHERE is_paid;
