-- What a file brought before hosts were told apart is nobody's since then, so it would never go with its file. The first
-- host that has such a file says that it is its own. What an operator brought back since is here by their word.
UPDATE plugins SET host = 'unclaimed'
WHERE host IS NULL AND source = 'folder'
    AND created_at < (SELECT applied_at FROM migrations WHERE version = 18)
    AND (approved_at IS NULL OR approved_at < (SELECT applied_at FROM migrations WHERE version = 18));

-- What is noted is no news: these are looked at again.
DELETE FROM plugin_files WHERE digest IN (SELECT digest FROM plugins WHERE host = 'unclaimed');
