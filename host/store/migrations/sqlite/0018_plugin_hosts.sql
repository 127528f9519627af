-- By which host's file a version is here, and whose folder a file is in. All that is in SQLite is one host's.
ALTER TABLE plugins ADD COLUMN host TEXT;
UPDATE plugins SET host = 'this' WHERE source = 'folder';

ALTER TABLE plugin_files RENAME TO plugin_files_of_one;
CREATE TABLE plugin_files (
    host TEXT NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    mtime BIGINT NOT NULL,
    digest TEXT,
    state TEXT NOT NULL,
    reason TEXT,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (host, name)
);
INSERT INTO plugin_files (host, name, size, mtime, digest, state, reason, seen_at)
SELECT 'this', name, size, mtime, digest, state, reason, seen_at FROM plugin_files_of_one;
DROP TABLE plugin_files_of_one;
