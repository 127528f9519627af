-- All that is in SQLite is one host's, and was marked as such when hosts were told apart: nothing is unclaimed.
SELECT 1;
