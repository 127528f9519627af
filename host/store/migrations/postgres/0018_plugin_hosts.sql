-- By which host's file a version is here, and whose folder a file is in.
ALTER TABLE plugins ADD COLUMN host TEXT COLLATE "C";

-- Nobody knows whose files these are, and each host looks at its own again.
DELETE FROM plugin_files;
ALTER TABLE plugin_files DROP CONSTRAINT plugin_files_pkey;
ALTER TABLE plugin_files ADD COLUMN host TEXT COLLATE "C" NOT NULL;
ALTER TABLE plugin_files ADD PRIMARY KEY (host, name);
