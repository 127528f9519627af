-- Why the vectors of a document's edition were given up: it goes with the generation that they were to be of.
ALTER TABLE vector_coverage ADD COLUMN reason TEXT;
