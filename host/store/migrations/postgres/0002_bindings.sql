-- Bindings that operators made by command or over the API, beside those of the configuration.
CREATE TABLE plugin_bindings (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    plugin_id TEXT COLLATE "C" NOT NULL,
    settings TEXT NOT NULL,
    -- Manifest name to the name of a configured secret; never a value.
    secrets TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX plugin_bindings_by_plugin ON plugin_bindings (plugin_id, name);

-- Whether a plugin is open to organisations for which plugin_enablement notes nothing.
CREATE TABLE plugin_openness (
    plugin_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    enabled BOOLEAN NOT NULL
);
