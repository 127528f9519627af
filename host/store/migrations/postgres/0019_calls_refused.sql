-- Of requests that were refused and cost nothing. There may be any number of them, and they are forgotten in time.
CREATE INDEX call_records_refused ON call_records (time, id) WHERE status IN (402, 403, 429) AND charge = 0;
