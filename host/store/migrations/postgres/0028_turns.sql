-- Readings and vectors have turns of their own: an organisation that has many vectors made is read no later for that.
ALTER TABLE ingestion_turns RENAME COLUMN turn_at TO vectors_turn_at;
ALTER TABLE ingestion_turns ADD COLUMN reading_turn_at BIGINT NOT NULL DEFAULT 0;
UPDATE ingestion_turns SET reading_turn_at = vectors_turn_at;
CREATE INDEX ingestion_turns_by_reading ON ingestion_turns (reading_turn_at, organization_id);

-- And what is next of the one is not looked for among what waits of the other.
DROP INDEX ingestions_in_turn;
CREATE INDEX ingestions_readings_in_turn ON ingestions (organization_id, is_large, due_at, id) WHERE generation = 0;
CREATE INDEX ingestions_vectors_in_turn ON ingestions (organization_id, is_large, due_at, id) WHERE generation > 0;
DROP INDEX ingestions_due;
CREATE INDEX ingestions_vectors ON ingestions (due_at, id) WHERE generation > 0;
