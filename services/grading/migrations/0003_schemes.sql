-- A version may be published for a later day, on which it takes over 待施行 (state SCHEDULED).
ALTER TABLE scheme_versions ADD COLUMN effective_from TEXT NOT NULL DEFAULT ''; -- of what is published; empty in drafts
CREATE UNIQUE INDEX scheme_versions_one_scheduled ON scheme_versions (scheme) WHERE state = 'SCHEDULED';

-- What supervision follows from each grade, every version that was ever put; append-only. The one in force on a day is the newest of those
-- whose first day is not after it.
CREATE TABLE measure_versions (
  scheme TEXT NOT NULL,
  version INTEGER NOT NULL,     -- from 1
  effective_from TEXT NOT NULL, -- the first day in force
  content {blob} NOT NULL,      -- the contract's SchemeMeasures, with who put it, when and why
  PRIMARY KEY (scheme, version)
);
INSERT INTO measure_versions (scheme, version, effective_from, content) SELECT scheme, 1, '', content FROM measures;
DROP TABLE measures;

-- Drafts that grade along in shadow 影子运行. What a shadow evaluates lies in scheme_versions under the key "scheme~number" in state SHADOW
-- (ENDED when it is over), its grades under the same key in grades; no scheme's id holds that sign.
CREATE TABLE shadows (
  scheme TEXT NOT NULL,
  number INTEGER NOT NULL,      -- from 1, of the scheme's shadows
  version INTEGER NOT NULL,     -- of the draft
  etag TEXT NOT NULL,           -- of the draft when it began
  started_at BIGINT NOT NULL,
  started_by TEXT NOT NULL,
  until TEXT NOT NULL,          -- the last day
  ended_at BIGINT,              -- null while it runs
  comparison {blob},            -- the contract's SimulationResponse as of the end
  PRIMARY KEY (scheme, number)
);
CREATE UNIQUE INDEX shadows_running ON shadows (scheme) WHERE ended_at IS NULL;

-- Objections to grades 等级异议.
CREATE TABLE grade_objections (
  objection TEXT PRIMARY KEY,   -- grows with time
  uscc TEXT NOT NULL,
  scheme TEXT NOT NULL,
  version INTEGER NOT NULL,     -- of the scheme, when it was filed; with grade and score
  grade TEXT NOT NULL,
  score TEXT,
  department TEXT NOT NULL,     -- of the scheme
  reason TEXT NOT NULL,
  evidence TEXT NOT NULL,
  state TEXT NOT NULL,          -- OPEN, UPHELD or REJECTED
  filed_at BIGINT NOT NULL,
  filed_by TEXT NOT NULL,       -- the client
  filed_for TEXT NOT NULL,      -- its department; empty where the enterprise itself filed
  due_on TEXT NOT NULL,
  due_provisional BOOLEAN NOT NULL,
  basis TEXT NOT NULL,          -- the rule by which the term was reckoned
  decided_at BIGINT,
  decided_by TEXT NOT NULL,
  explanation TEXT NOT NULL,
  override_id TEXT NOT NULL     -- that the decision proposed; empty: none
);
CREATE UNIQUE INDEX grade_objections_open ON grade_objections (uscc, scheme) WHERE state = 'OPEN';
CREATE INDEX grade_objections_subject ON grade_objections (uscc, scheme, objection);

-- Grades that two officers set for a time 人工调整. What the model gives stays in grades; this stands over it while it is in force.
CREATE TABLE grade_overrides (
  override_id TEXT PRIMARY KEY, -- grows with time
  uscc TEXT NOT NULL,
  scheme TEXT NOT NULL,
  department TEXT NOT NULL,     -- of the scheme
  grade TEXT NOT NULL,          -- that it sets
  evaluated_grade TEXT NOT NULL, -- that the model gave when it was proposed
  reason TEXT NOT NULL,
  evidence TEXT NOT NULL,
  until TEXT NOT NULL,          -- the last day on which it holds
  state TEXT NOT NULL,          -- PROPOSED, CONFIRMED, ENDED or DECLINED
  objection TEXT NOT NULL,      -- that led to it; empty: none
  proposed_at BIGINT NOT NULL,
  proposed_by TEXT NOT NULL,
  confirmed_at BIGINT,
  confirmed_by TEXT NOT NULL,
  ended_at BIGINT,              -- when somebody ended or declined it, or its day had passed
  ended_by TEXT NOT NULL,       -- empty where its day had passed
  end_reason TEXT NOT NULL
);
CREATE UNIQUE INDEX grade_overrides_open ON grade_overrides (uscc, scheme) WHERE state IN ('PROPOSED', 'CONFIRMED');
CREATE INDEX grade_overrides_subject ON grade_overrides (uscc, scheme, override_id);
CREATE INDEX grade_overrides_scheme ON grade_overrides (scheme, state, uscc);
