-- Formulae by which departments are assessed 考核办法: every version stays as it was published.
CREATE TABLE formulas (
  formula TEXT NOT NULL,
  version INTEGER NOT NULL,      -- from 1; built-in ones have version 0 and stand in the program
  effective_from TEXT NOT NULL,  -- the first day in force
  published_by TEXT NOT NULL,
  body {blob} NOT NULL,          -- the contract's Formula
  PRIMARY KEY (formula, version)
);

-- Assessments as they were made, with every count that they were reckoned from.
CREATE TABLE assessments (
  assessment_id TEXT PRIMARY KEY, -- grows with time
  formula TEXT NOT NULL,
  version INTEGER NOT NULL,
  from_on TEXT NOT NULL,
  to_on TEXT NOT NULL,
  body {blob} NOT NULL            -- the contract's Assessment
);
