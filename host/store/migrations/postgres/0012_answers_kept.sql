-- What is kept of answers for an organisation is bounded: how many bytes each has, zero where it is not kept.
ALTER TABLE idempotency ADD COLUMN size BIGINT NOT NULL DEFAULT 0;
UPDATE idempotency SET size = LENGTH(headers) + LENGTH(body) WHERE state = 'answered';
UPDATE idempotency SET state = 'not_kept' WHERE state = 'too_long';
CREATE INDEX idempotency_kept ON idempotency (organization_id, expires_at, id, size) WHERE size > 0;
