-- The schemes of the departments 评价制度, each version for itself. A published version is never rewritten, only retired.
CREATE TABLE scheme_versions (
  scheme TEXT NOT NULL,
  version INTEGER NOT NULL,     -- from 1
  state TEXT NOT NULL,          -- DRAFT, PUBLISHED or RETIRED
  domain TEXT NOT NULL,         -- D01 to D22
  department TEXT NOT NULL,     -- whose rule it is
  disclosure TEXT NOT NULL,     -- DEPARTMENTS, SUBJECT or PUBLIC
  etag TEXT NOT NULL,           -- changes with each change of the draft
  content {blob} NOT NULL,      -- the version as the contract's message, without its measures
  catalogue {blob} NOT NULL,    -- credit's items that the model names, as they were when it was judged: it is compiled
                                -- against these for ever, so that a change of the catalogue can't break it
  PRIMARY KEY (scheme, version)
);
CREATE UNIQUE INDEX scheme_versions_one_draft ON scheme_versions (scheme) WHERE state = 'DRAFT';
CREATE UNIQUE INDEX scheme_versions_one_published ON scheme_versions (scheme) WHERE state = 'PUBLISHED';

-- What supervision follows from each grade 差异化监管措施; may change while the scheme stays.
CREATE TABLE measures (
  scheme TEXT PRIMARY KEY,
  content {blob} NOT NULL       -- the contract's SchemeMeasures
);

-- One compact fact sheet a subject 事实表, kept current from credit's feed.
CREATE TABLE sheets (
  uscc TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  region TEXT NOT NULL,
  industry TEXT NOT NULL,
  domains TEXT NOT NULL,        -- codes joined by commas; empty: not classified yet, so that every scheme grades it
  status TEXT NOT NULL,
  taken BIGINT NOT NULL,        -- how many versions of records came in: the next one's place in the recording order
  facts {blob} NOT NULL         -- scoring's stored form
);

-- The grade of each subject under each scheme, as of its last evaluation.
CREATE TABLE grades (
  uscc TEXT NOT NULL,
  scheme TEXT NOT NULL,
  version INTEGER NOT NULL,     -- of the scheme
  grade TEXT NOT NULL,          -- or UNGRADED
  score TEXT,                   -- a decimal; null where the grade does not come from one
  as_of TEXT NOT NULL,          -- the day that it was last evaluated for; it holds until next_change_on
  next_change_on TEXT,          -- the next day on which time alone could change it; null: none
  PRIMARY KEY (uscc, scheme)
);
CREATE INDEX grades_of_scheme ON grades (scheme, grade);
CREATE INDEX grades_due ON grades (scheme, next_change_on);

-- Every change of a grade, score or version; append-only.
CREATE TABLE grade_history (
  seq {serial},
  uscc TEXT NOT NULL,
  scheme TEXT NOT NULL,
  version INTEGER NOT NULL,
  grade TEXT NOT NULL,          -- UNGRADED also where the subject left the scheme's domain
  score TEXT,
  as_of TEXT NOT NULL,
  recorded_at BIGINT NOT NULL   -- microseconds since 1970
);
CREATE INDEX grade_history_of ON grade_history (uscc, scheme, seq);

-- Who looked at whose grades, and what for 查询日志; append-only.
CREATE TABLE accesses (
  seq {serial},
  at BIGINT NOT NULL,           -- microseconds since 1970
  caller TEXT NOT NULL,
  department TEXT NOT NULL,
  uscc TEXT NOT NULL,           -- empty: all subjects of a scheme, as the last column says
  purpose TEXT NOT NULL,
  what TEXT NOT NULL
);
CREATE INDEX accesses_of ON accesses (uscc, seq);
