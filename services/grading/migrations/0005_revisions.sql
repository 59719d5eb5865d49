-- A sheet counts how often it was written, and a grade tells at which count it was evaluated: a run evaluates nobody whose facts are still those that the
-- grade rests on. Whoever writes a sheet grades it in the same transaction, so that what stands before this is at the same count.
ALTER TABLE sheets ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE grades ADD COLUMN revision INTEGER NOT NULL DEFAULT 0; -- of the sheet
ALTER TABLE run_shards ADD COLUMN held INTEGER NOT NULL DEFAULT 0; -- of those evaluated: whose grade was seen to hold on

-- Counts and divides a scheme's population, and tells the revisions, without reading the facts.
CREATE INDEX sheets_revisions ON sheets (uscc, domains, revision);
DROP INDEX sheets_population;
