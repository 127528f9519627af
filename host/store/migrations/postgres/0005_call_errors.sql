-- The error's message, as the client saw it.
ALTER TABLE call_records ADD COLUMN error_message TEXT;
