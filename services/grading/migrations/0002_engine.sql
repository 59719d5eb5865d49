-- The parts of a run over the population 全量评价分片: ranges of subjects that any worker claims under a lease. What a part has come to stands
-- here, written in the transaction of its effect, so that whoever takes it over counts nothing twice. Rows of runs that ended are removed
-- when the next one is planned.
CREATE TABLE run_shards (
  run TEXT NOT NULL,              -- the operation
  shard INTEGER NOT NULL,         -- from 0, in the order of the codes
  scheme TEXT NOT NULL,
  grading BOOLEAN NOT NULL,       -- false: it reports on another day and stores no grade
  reached TEXT NOT NULL,          -- the last subject evaluated; at first the last one before the range
  ends_with TEXT NOT NULL,        -- the last code of the range
  evaluated INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  distribution {blob} NOT NULL,   -- how many have each grade, as a private message
  done BOOLEAN NOT NULL,
  failures INTEGER NOT NULL,      -- how often in a row it could not go on
  lease_owner TEXT NOT NULL,
  lease_until BIGINT NOT NULL,    -- microseconds since 1970 by the database's clock
  planned_at BIGINT NOT NULL,     -- likewise
  PRIMARY KEY (run, shard)
);

-- Counts and divides a scheme's population without reading the facts.
CREATE INDEX sheets_population ON sheets (uscc, domains);
