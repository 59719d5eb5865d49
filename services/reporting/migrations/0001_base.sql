-- Work plans of the departments. A department may draft several for a year, and submit one.
CREATE TABLE work_plans (
  work_plan_id TEXT PRIMARY KEY, -- grows with time
  department TEXT NOT NULL,
  year INTEGER NOT NULL,
  body {blob} NOT NULL,          -- the contract's WorkPlan, without its state
  created_at BIGINT NOT NULL,
  submitted_on TEXT NOT NULL,    -- the business day; empty: a draft
  submitted_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX work_plans_submitted ON work_plans (department, year) WHERE submitted_on <> '';
CREATE INDEX work_plans_latest ON work_plans (year, work_plan_id);

-- Summaries as they were composed: their figures stay.
CREATE TABLE summaries (
  summary_id TEXT PRIMARY KEY,
  domain TEXT NOT NULL,
  from_on TEXT NOT NULL,
  to_on TEXT NOT NULL,
  department TEXT NOT NULL,
  composed_on TEXT NOT NULL,     -- the business day
  body {blob} NOT NULL           -- the contract's Summary, its figures without names
);
CREATE INDEX summaries_domain ON summaries (domain, from_on);

-- Cases of effect.
CREATE TABLE effect_cases (
  effect_case_id TEXT PRIMARY KEY,
  domain TEXT NOT NULL,
  department TEXT NOT NULL,
  happened_on TEXT NOT NULL,
  body {blob} NOT NULL           -- the contract's EffectCase
);
CREATE INDEX effect_cases_latest ON effect_cases (happened_on, effect_case_id);
CREATE INDEX effect_cases_domain ON effect_cases (domain, happened_on);
