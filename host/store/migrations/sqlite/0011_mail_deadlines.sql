-- Mail that nobody is to get is taken from the queue like any other; what is soonest worth nothing goes first.
DROP INDEX mails_due;
CREATE INDEX mails_due ON mails (key_id, due_at, id);
CREATE INDEX mails_by_deadline ON mails (key_id, expires_at, id);
