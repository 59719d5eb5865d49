-- Suggestions that an official look at something.

-- The suggestion that a case took up; empty where there was none.
ALTER TABLE cases ADD COLUMN suggestion TEXT NOT NULL DEFAULT '';

-- Rules: so many records of an item within so many months.
CREATE TABLE suggestion_rules (
  rule_id TEXT PRIMARY KEY,
  item TEXT NOT NULL,
  body {blob} NOT NULL          -- the contract's SuggestionRule
);

-- Records of items that rules speak of, as credit's feed tells of them.
CREATE TABLE watched_records (
  record TEXT PRIMARY KEY,
  uscc TEXT NOT NULL,
  item TEXT NOT NULL,
  occurred_on TEXT NOT NULL,
  severity INTEGER NOT NULL,
  department TEXT NOT NULL,
  ended BOOLEAN NOT NULL        -- withdrawn or repaired
);
CREATE INDEX watched_records_subject ON watched_records (uscc, item);
CREATE INDEX watched_records_item ON watched_records (item, occurred_on);

-- How far credit's feed was followed for a set of items; another set begins anew, and what comes twice does no harm.
CREATE TABLE watched_feed (
  items TEXT PRIMARY KEY,       -- between commas
  position TEXT NOT NULL
);

CREATE TABLE suggestions (
  suggestion_id TEXT PRIMARY KEY, -- grows with time
  rule_id TEXT NOT NULL,
  list_id TEXT NOT NULL,
  uscc TEXT NOT NULL,
  records {blob} NOT NULL,      -- the contract's Suggestion with its records only
  basis TEXT NOT NULL,
  state TEXT NOT NULL,          -- OPEN, TAKEN_UP, DISMISSED or LAPSED
  made_at BIGINT NOT NULL,
  handled_by TEXT NOT NULL,
  handled_at BIGINT,
  reason TEXT NOT NULL,
  case_id TEXT NOT NULL
);
CREATE UNIQUE INDEX suggestions_open ON suggestions (rule_id, uscc) WHERE state = 'OPEN';
CREATE INDEX suggestions_list ON suggestions (list_id, suggestion_id);
