-- When a version last became active, so that one that served is told from one that never did wherever it is now.
ALTER TABLE plugins ADD COLUMN served_at BIGINT;
-- Of those that were superseded, the ones that never served have a reason.
UPDATE plugins SET served_at = updated_at
WHERE state IN ('active', 'paused') OR (state = 'superseded' AND reason IS NULL);
