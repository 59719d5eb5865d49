-- What departments report. Each row keeps the contract's message whole, beside the columns that it is found by.

CREATE TABLE work_plans (
  id TEXT PRIMARY KEY,
  department TEXT NOT NULL,
  year INTEGER NOT NULL,
  submitted BOOLEAN NOT NULL,
  content {blob} NOT NULL,
  UNIQUE (department, year)     -- one plan a department and year 工作方案
);

-- A summary keeps the figures as they were when it was made; a later one does not change it.
CREATE TABLE summaries (
  id TEXT PRIMARY KEY,
  domain TEXT NOT NULL,
  department TEXT NOT NULL,
  to_day TEXT NOT NULL,         -- the last day that it covers
  created_on TEXT NOT NULL,
  content {blob} NOT NULL
);
CREATE INDEX summaries_domain ON summaries (domain, created_on);

CREATE TABLE effect_cases (
  id TEXT PRIMARY KEY,
  domain TEXT NOT NULL,
  department TEXT NOT NULL,
  happened_on TEXT NOT NULL,
  content {blob} NOT NULL
);
CREATE INDEX effect_cases_domain ON effect_cases (domain, happened_on);
