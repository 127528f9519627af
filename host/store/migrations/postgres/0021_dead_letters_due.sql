-- When a dead letter that is offered again may be next: one that is put off keeps nothing else waiting.
ALTER TABLE dead_letters ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;
DROP INDEX dead_letters_to_replay;
CREATE INDEX dead_letters_to_replay ON dead_letters (destination_id, due_at, seq) WHERE state = 'again';
