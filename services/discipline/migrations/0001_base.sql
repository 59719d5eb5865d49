-- Lists and measures are both wordings with versions: what a case began with stays readable.
CREATE TABLE directory (
  shelf TEXT NOT NULL,          -- list or measure
  id TEXT NOT NULL,
  version INTEGER NOT NULL,     -- the wording in force
  department TEXT NOT NULL,     -- who put it first, and may change it
  PRIMARY KEY (shelf, id)
);
CREATE TABLE directory_versions (
  shelf TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  body {blob} NOT NULL,         -- the contract's List or Measure
  put_by TEXT NOT NULL,
  department TEXT NOT NULL,
  put_at BIGINT NOT NULL,
  PRIMARY KEY (shelf, id, version)
);

-- Cases. States and outcomes are the contract's numbers.
CREATE TABLE cases (
  case_id TEXT PRIMARY KEY,     -- grows with time
  list_id TEXT NOT NULL,
  list_version INTEGER NOT NULL, -- the wording that the case was opened under, and goes by to its end
  uscc TEXT NOT NULL,
  name TEXT NOT NULL,           -- as credit knew it when the case was proposed
  region TEXT NOT NULL,         -- the subject's, whose own holidays the terms keep
  state INTEGER NOT NULL,
  facts TEXT NOT NULL,
  evidence TEXT NOT NULL,       -- a JSON array of texts
  proposer TEXT NOT NULL,
  department TEXT NOT NULL,
  hearing_requested BOOLEAN NOT NULL,
  outcome INTEGER NOT NULL,
  opened_on TEXT NOT NULL,
  dropped_on TEXT NOT NULL,     -- empty unless it was dropped
  steps INTEGER NOT NULL,       -- how many; guards against two steps at once
  position TEXT NOT NULL        -- of the listing's record in credit's feed, once acknowledged
);
CREATE INDEX cases_subject ON cases (uscc, case_id);
CREATE INDEX cases_list ON cases (list_id, case_id);

-- The steps of a case: appended, never changed.
CREATE TABLE case_steps (
  case_id TEXT NOT NULL,
  number INTEGER NOT NULL,      -- from 1, the proposal
  kind INTEGER NOT NULL,
  done_by TEXT NOT NULL,
  department TEXT NOT NULL,
  done_on TEXT NOT NULL,        -- the day that the document names; recorded_at tells when we learnt of it
  document_number TEXT NOT NULL,
  text TEXT NOT NULL,
  recorded_at BIGINT NOT NULL,
  PRIMARY KEY (case_id, number)
);

-- Listings, one a case that was published. Whether one holds is judged by its last day, not by its state alone.
CREATE TABLE listings (
  case_id TEXT PRIMARY KEY,
  list_id TEXT NOT NULL,
  list_version INTEGER NOT NULL,
  list_name TEXT NOT NULL,
  kind INTEGER NOT NULL,
  uscc TEXT NOT NULL,
  name TEXT NOT NULL,
  department TEXT NOT NULL,     -- that decided
  document_number TEXT NOT NULL,
  facts TEXT NOT NULL,
  decided_on TEXT NOT NULL,
  from_on TEXT NOT NULL,
  until_on TEXT NOT NULL,       -- the last day; empty: without end
  state INTEGER NOT NULL
);
CREATE INDEX listings_subject ON listings (uscc, state);
CREATE INDEX listings_latest ON listings (from_on, case_id);
CREATE INDEX listings_term ON listings (state, until_on);

-- Listings on their way back to credit, until credit has acknowledged them.
CREATE TABLE outgoing (
  case_id TEXT PRIMARY KEY,     -- the record's own number at credit, which makes sending twice harmless
  record {blob} NOT NULL,       -- credit's RecordInput
  attempts INTEGER NOT NULL,
  next_at BIGINT NOT NULL,      -- when to try again
  error TEXT NOT NULL           -- why the last attempt failed, for the operator
);
CREATE INDEX outgoing_due ON outgoing (next_at);

-- Measures that departments report as applied.
CREATE TABLE applications (
  application_id TEXT PRIMARY KEY, -- grows with time
  listing TEXT NOT NULL,
  measure TEXT NOT NULL,
  applied_on TEXT NOT NULL,
  text TEXT NOT NULL,
  uscc TEXT NOT NULL,
  department TEXT NOT NULL,
  list_id TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX applications_listing ON applications (listing, application_id);

-- Looks at what is not public: who, when, for what purpose, at whom. Append-only.
CREATE TABLE looks (
  seq {serial},
  at BIGINT NOT NULL,
  client TEXT NOT NULL,
  department TEXT NOT NULL,
  purpose TEXT NOT NULL,
  method TEXT NOT NULL,
  subjects TEXT NOT NULL        -- the codes, one a line
);
