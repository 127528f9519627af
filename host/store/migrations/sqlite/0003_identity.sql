-- Parts of an organisation that keys may be bound to.
CREATE TABLE workspaces (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX workspaces_by_name ON workspaces (organization_id, name);
CREATE INDEX workspaces_by_organization ON workspaces (organization_id, created_at, id);

CREATE INDEX organizations_by_time ON organizations (created_at, id);

-- The only workspace that a key may be used in; null for all of them.
ALTER TABLE api_keys ADD COLUMN workspace_id TEXT REFERENCES workspaces (id);
-- Requests; null leaves it to the plan.
ALTER TABLE api_keys ADD COLUMN rate_limit_per_minute BIGINT;
ALTER TABLE api_keys ADD COLUMN rate_limit_per_hour BIGINT;
CREATE INDEX api_keys_by_workspace ON api_keys (workspace_id, archived_at);
