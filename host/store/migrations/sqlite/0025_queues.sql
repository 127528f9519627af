-- SQLite removes entries of its indexes with what they are of: nothing is to be done here.
SELECT 1;
