-- Credit's tables. The enterprise's code leads every key that grows with the population, so that a cluster may spread by it.

-- Enterprises and other market entities as they are registered here now; their earlier states lie in the outbox.
CREATE TABLE subjects (
  uscc TEXT PRIMARY KEY,        -- unified social credit code, normalised
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  industry TEXT NOT NULL,       -- GB/T 4754, canonical: digits, else the section's letter
  region TEXT NOT NULL,         -- GB/T 2260, current or retired
  domains TEXT NOT NULL,        -- ",D01,D09,": between commas, so that one LIKE finds a domain; empty where there is none
  registered_on TEXT NOT NULL,
  status TEXT NOT NULL,
  conforming BOOLEAN NOT NULL,  -- whether the code's check digit holds
  recorded_at BIGINT NOT NULL,
  position TEXT NOT NULL        -- in the feed, not below this state's own
);

-- The catalogue 公共信用信息目录, every wording that ever held: the one in force has no replaced_at.
CREATE TABLE items (
  item TEXT NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  category TEXT NOT NULL,
  nature TEXT NOT NULL,         -- PUBLIC, SHARED or AUTHORIZED
  departments TEXT NOT NULL,    -- JSON list; empty: any may submit
  legal_basis TEXT NOT NULL,
  fields TEXT NOT NULL,         -- JSON list of {key, name, type, required}
  publication_months INTEGER NOT NULL,
  owner TEXT NOT NULL,          -- the department that put the item in; it and the credit office may change it
  recorded_at BIGINT NOT NULL,
  replaced_at BIGINT,
  PRIMARY KEY (item, version)
);
CREATE UNIQUE INDEX items_in_force ON items (item) WHERE replaced_at IS NULL;

-- Records as they stand now.
CREATE TABLE records (
  uscc TEXT NOT NULL,           -- of a registered subject, judged with each batch; subjects are never removed
  record TEXT NOT NULL,
  item TEXT NOT NULL,
  item_version INTEGER NOT NULL, -- the wording of the catalogue by which it was judged
  department TEXT NOT NULL,
  source_id TEXT NOT NULL,      -- the department's own number
  occurred_on TEXT NOT NULL,
  severity INTEGER NOT NULL,
  amount TEXT NOT NULL,
  fields TEXT NOT NULL,         -- JSON object
  valid_until TEXT NOT NULL,
  status TEXT NOT NULL,         -- EFFECTIVE, WITHDRAWN or REPAIRED
  version INTEGER NOT NULL,
  recorded_at BIGINT NOT NULL,
  position TEXT NOT NULL,       -- in the feed, not below this version's own
  first_digest TEXT NOT NULL,   -- of what was first sent, so that a file sent again is known after a correction too
  digest TEXT NOT NULL,         -- of what it says now
  PRIMARY KEY (uscc, record)
);
CREATE UNIQUE INDEX records_record ON records (record);
CREATE UNIQUE INDEX records_source ON records (department, item, source_id);

-- What records said before: valid time in occurred_on and valid_until, recorded time from recorded_at until replaced_at.
CREATE TABLE record_versions (
  uscc TEXT NOT NULL,
  record TEXT NOT NULL,
  version INTEGER NOT NULL,
  item TEXT NOT NULL,
  item_version INTEGER NOT NULL,
  department TEXT NOT NULL,
  source_id TEXT NOT NULL,
  occurred_on TEXT NOT NULL,
  severity INTEGER NOT NULL,
  amount TEXT NOT NULL,
  fields TEXT NOT NULL,
  valid_until TEXT NOT NULL,
  status TEXT NOT NULL,         -- how it ended: CORRECTED, or the status that it had
  recorded_at BIGINT NOT NULL,
  replaced_at BIGINT NOT NULL,
  replaced_by TEXT NOT NULL,    -- the client
  reason TEXT NOT NULL,         -- why, in the client's words
  PRIMARY KEY (uscc, record, version)
);

-- Who looked at what is not public 查询日志; the subject may read it.
CREATE TABLE accesses (
  uscc TEXT NOT NULL,
  id TEXT NOT NULL,             -- grows with time
  at BIGINT NOT NULL,
  client TEXT NOT NULL,
  department TEXT NOT NULL,
  purpose TEXT NOT NULL,
  what TEXT NOT NULL,
  PRIMARY KEY (uscc, id)
);

-- Files being taken in: stored whole before the call is answered, removed when the last row is through.
CREATE TABLE import_chunks (
  import TEXT NOT NULL,         -- the operation's id
  seq INTEGER NOT NULL,
  bytes {blob} NOT NULL,
  received_at BIGINT NOT NULL,
  PRIMARY KEY (import, seq)
);

-- Rows of files that were refused, to be corrected and sent again. Identity numbers of persons are masked.
CREATE TABLE import_rejects (
  import TEXT NOT NULL,
  row_number BIGINT NOT NULL,   -- among the rows of the file, from 1
  line BIGINT NOT NULL,         -- in the file, where the headings are line 1
  reason TEXT NOT NULL,
  field TEXT NOT NULL,
  message_en TEXT NOT NULL,
  message_zh TEXT NOT NULL,
  cells TEXT NOT NULL,          -- JSON list, as sent
  PRIMARY KEY (import, row_number)
);

-- The headings of a file, for its list of refused rows.
CREATE TABLE import_headings (
  import TEXT PRIMARY KEY,
  cells TEXT NOT NULL           -- JSON list
);
