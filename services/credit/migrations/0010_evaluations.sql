-- Scales of grades of the national evaluation, every wording that ever held: the one in force has no replaced_at.
CREATE TABLE evaluation_scales (
  scale_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  grades TEXT NOT NULL,         -- JSON list of {code, name, rank}, the best first
  valid_from TEXT NOT NULL,
  valid_to TEXT NOT NULL,
  basis TEXT NOT NULL,
  verification TEXT NOT NULL,
  built_in BOOLEAN NOT NULL,    -- whether it came with the program
  recorded_at BIGINT NOT NULL,
  replaced_at BIGINT,
  PRIMARY KEY (scale_id, version)
);
CREATE UNIQUE INDEX evaluation_scales_in_force ON evaluation_scales (scale_id) WHERE replaced_at IS NULL;

-- Lists handed in for the national evaluation 评价主体名单. A list never changes but for what becomes of it.
CREATE TABLE evaluation_lists (
  list_id TEXT PRIMARY KEY,     -- grows with time
  domain TEXT NOT NULL,
  department TEXT NOT NULL,
  scale_id TEXT NOT NULL,       -- empty until the first results tell
  scale_version INTEGER NOT NULL, -- the wording of the scale by which the last results were judged
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL,     -- the client
  entries INTEGER NOT NULL,
  repeated INTEGER NOT NULL,    -- codes handed in more than once
  answered INTEGER NOT NULL,    -- of its entries
  answered_at BIGINT,           -- when the last new result came
  exported_at BIGINT,           -- first
  exported_by TEXT NOT NULL     -- the client
);
CREATE INDEX evaluation_lists_department ON evaluation_lists (department, list_id);

-- The enterprises on a list.
CREATE TABLE evaluation_entries (
  list_id TEXT NOT NULL,
  uscc TEXT NOT NULL,
  name TEXT NOT NULL,           -- when the list was handed in
  answered BOOLEAN NOT NULL,
  PRIMARY KEY (list_id, uscc)
);
CREATE INDEX evaluation_entries_unanswered ON evaluation_entries (list_id, uscc) WHERE NOT answered;

-- Results as they were last received; what they said before lies in the versions of their records.
CREATE TABLE evaluation_results (
  list_id TEXT NOT NULL,
  uscc TEXT NOT NULL,
  period TEXT NOT NULL,
  grade TEXT NOT NULL,
  score TEXT NOT NULL,          -- the shortest decimal; empty where none was given
  evaluated_on TEXT NOT NULL,
  record TEXT NOT NULL,         -- of national-evaluation
  received_at BIGINT NOT NULL,
  PRIMARY KEY (list_id, uscc, period)
);

-- The classes of severity that an item's records may have.
ALTER TABLE items ADD COLUMN severity_classes TEXT NOT NULL DEFAULT '[]'; -- JSON list
