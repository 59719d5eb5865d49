-- Inspection items 抽查事项清单 and inspectors 执法检查人员名录库, as last put. No natural person's data: inspectors go by number.
CREATE TABLE inspection_items (
  id TEXT PRIMARY KEY,
  department TEXT NOT NULL,       -- who put it, and may change it
  body {blob} NOT NULL            -- the contract's InspectionItem
);
CREATE INDEX inspection_items_department ON inspection_items (department, id);
CREATE TABLE inspectors (
  id TEXT PRIMARY KEY,
  department TEXT NOT NULL,
  body {blob} NOT NULL            -- the contract's Inspector
);
CREATE INDEX inspectors_department ON inspectors (department, id);

-- Plans 抽查计划; immutable once created, as draws rest on them.
CREATE TABLE plans (
  plan_id TEXT PRIMARY KEY,
  scheme TEXT NOT NULL,
  body {blob} NOT NULL            -- the contract's Plan
);
CREATE TABLE plan_departments (
  department TEXT NOT NULL,
  plan_id TEXT NOT NULL,
  PRIMARY KEY (department, plan_id)
);

-- Draws 随机抽取. States and disclosures are the contract's numbers.
CREATE TABLE draws (
  draw_id TEXT PRIMARY KEY,       -- grows with time
  plan TEXT NOT NULL,
  scheme TEXT NOT NULL,
  scheme_version INTEGER NOT NULL,
  disclosure INTEGER NOT NULL,    -- the scheme's when the roster was frozen: who may see the grades in it
  state INTEGER NOT NULL,
  roster_digest TEXT NOT NULL,
  roster_size INTEGER NOT NULL,
  quota_text TEXT NOT NULL,
  commitment TEXT NOT NULL,
  secret TEXT NOT NULL,           -- shown to nobody before the reveal
  entropy_source TEXT NOT NULL,
  committed_at BIGINT NOT NULL,   -- microseconds since 1970
  entropy TEXT NOT NULL,          -- byte for byte as sent; empty until revealed
  seed TEXT NOT NULL,
  revealed_at BIGINT NOT NULL,    -- 0 until revealed
  abandon_reason TEXT NOT NULL
);
-- One open draw a plan: who could keep several and reveal the one that suits would steer the chance.
CREATE UNIQUE INDEX draws_open ON draws (plan) WHERE state = 1;
CREATE INDEX draws_plan ON draws (plan, draw_id);
CREATE INDEX draws_scheme ON draws (scheme, draw_id);

-- The frozen rosters, apart because they are large.
CREATE TABLE rosters (
  draw TEXT PRIMARY KEY,
  roster TEXT NOT NULL,           -- the bytes that were hashed
  names TEXT NOT NULL             -- one line a line of the roster: the subject's name at that time
);

-- Visits 检查任务: one a drawn subject, one more for each that took a place.
CREATE TABLE visits (
  visit_id TEXT PRIMARY KEY,
  draw TEXT NOT NULL,
  place INTEGER NOT NULL,         -- in the order of the draw; those that took a place follow
  uscc TEXT NOT NULL,
  name TEXT NOT NULL,
  stratum TEXT NOT NULL,
  ticket TEXT NOT NULL,
  status INTEGER NOT NULL,        -- the contract's number
  replaces TEXT NOT NULL,         -- the code whose place it took; empty where it was drawn
  replace_reason TEXT NOT NULL,
  replaced_at BIGINT NOT NULL,
  inspected_on TEXT NOT NULL,     -- YYYY-MM-DD; empty until recorded
  publish_due_on TEXT NOT NULL,
  found BOOLEAN NOT NULL,         -- whether any finding is a problem
  published_at BIGINT NOT NULL,   -- 0 until published
  position TEXT NOT NULL          -- of its records in credit's feed, once acknowledged
);
CREATE UNIQUE INDEX visits_draw ON visits (draw, place);
CREATE UNIQUE INDEX visits_subject ON visits (uscc, draw);
CREATE INDEX visits_published ON visits (status, published_at, visit_id);

CREATE TABLE visit_inspectors (
  visit TEXT NOT NULL,
  place INTEGER NOT NULL,         -- tickets ascending
  inspector TEXT NOT NULL,
  PRIMARY KEY (visit, place)
);

-- Who was passed over, and why. What holds for every visit of a draw stands once, under the draw with an empty visit.
CREATE TABLE skipped_inspectors (
  draw TEXT NOT NULL,
  visit TEXT NOT NULL,
  inspector TEXT NOT NULL,
  reason INTEGER NOT NULL,        -- the contract's number
  skill TEXT NOT NULL,
  PRIMARY KEY (visit, draw, inspector)
);

-- Findings 检查结果, and how far each is on its way back to credit: nothing that was published is lost by a crash.
CREATE TABLE findings (
  visit TEXT NOT NULL,
  place INTEGER NOT NULL,
  inspection_item TEXT NOT NULL,
  result_code TEXT NOT NULL,
  text TEXT NOT NULL,
  due INTEGER NOT NULL,           -- 0 not published or acknowledged, 1 to be sent, 2 refused and to be sent again later
  record TEXT NOT NULL,           -- credit's id of it, once acknowledged
  refusal TEXT NOT NULL,          -- what credit said against it
  PRIMARY KEY (visit, place)
);
CREATE INDEX findings_due ON findings (due, visit);

-- Looks at what is not public: who, when, for what purpose, at what.
CREATE TABLE looks (
  seq {serial},
  at BIGINT NOT NULL,
  client TEXT NOT NULL,
  department TEXT NOT NULL,
  purpose TEXT NOT NULL,
  method TEXT NOT NULL,
  subject TEXT NOT NULL           -- a draw's id, or a code
);
CREATE INDEX looks_subject ON looks (subject, seq);
