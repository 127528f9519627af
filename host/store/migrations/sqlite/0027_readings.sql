-- Whether a document is to be read is asked twice a second, however many vectors are to be made.
CREATE INDEX ingestions_readings ON ingestions (due_at, id) WHERE generation = 0;
