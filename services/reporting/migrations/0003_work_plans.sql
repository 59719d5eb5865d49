-- A plan that is handed in is a version of its department's plan of the year; at most one of them stands, the returned ones stay.
ALTER TABLE work_plans ADD COLUMN state INTEGER NOT NULL DEFAULT 1;         -- the contract's number
ALTER TABLE work_plans ADD COLUMN version INTEGER NOT NULL DEFAULT 0;       -- 0: a draft
ALTER TABLE work_plans ADD COLUMN etag TEXT NOT NULL DEFAULT '';
ALTER TABLE work_plans ADD COLUMN submitted_by TEXT NOT NULL DEFAULT '';
ALTER TABLE work_plans ADD COLUMN returned_on TEXT NOT NULL DEFAULT '';     -- the business day; empty: not returned
ALTER TABLE work_plans ADD COLUMN review {blob};                            -- the contract's Review; NULL: none yet
UPDATE work_plans SET state = 2, version = 1 WHERE submitted_on <> '';
DROP INDEX work_plans_submitted;
CREATE UNIQUE INDEX work_plans_standing ON work_plans (department, year) WHERE state IN (2, 3);
CREATE UNIQUE INDEX work_plans_version ON work_plans (department, year, version) WHERE version > 0;

-- Tasks of plans that were reported as done; the last report counts.
CREATE TABLE task_reports (
  work_plan TEXT NOT NULL,
  task INTEGER NOT NULL,         -- the task's number in the plan, from 1
  done_on TEXT NOT NULL,
  text TEXT NOT NULL,
  reported_at BIGINT NOT NULL,
  reported_by TEXT NOT NULL,
  PRIMARY KEY (work_plan, task)
);

-- Files of plans, summaries and cases.
CREATE TABLE attachments (
  attachment_id TEXT PRIMARY KEY, -- grows with time
  parent TEXT NOT NULL,           -- workPlans/…, summaries/… or effectCases/…
  name TEXT NOT NULL,
  role INTEGER NOT NULL,          -- the contract's number
  content_type TEXT NOT NULL,     -- told by the bytes
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  attached_at BIGINT NOT NULL,
  attached_by TEXT NOT NULL
);
CREATE UNIQUE INDEX attachments_file ON attachments (parent, sha256);
CREATE INDEX attachments_parent ON attachments (parent, attachment_id);
-- Their bytes, in parts of a message's size.
CREATE TABLE attachment_parts (
  attachment TEXT NOT NULL,
  part INTEGER NOT NULL,
  body {blob} NOT NULL,
  PRIMARY KEY (attachment, part)
);

-- Reminders of deadlines, written once for each working day that is named before and after the day.
CREATE TABLE reminders (
  reminder_id TEXT PRIMARY KEY,   -- grows with time
  matter TEXT NOT NULL,           -- what is owed: a duty of a year, or a task of a plan
  department TEXT NOT NULL,
  due_on TEXT NOT NULL,
  working_days INTEGER NOT NULL,  -- before the day: negative
  title_en TEXT NOT NULL,
  title_zh TEXT NOT NULL,
  owner TEXT NOT NULL,
  work_plan TEXT NOT NULL,
  basis TEXT NOT NULL,
  state INTEGER NOT NULL,         -- the contract's number
  created_at BIGINT NOT NULL,
  acknowledged_at BIGINT NOT NULL,
  acknowledged_by TEXT NOT NULL
);
CREATE UNIQUE INDEX reminders_once ON reminders (matter, department, due_on, working_days);
CREATE INDEX reminders_of ON reminders (department, state, reminder_id);
