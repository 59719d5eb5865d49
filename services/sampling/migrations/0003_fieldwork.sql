-- The rule that set a visit's last day to publish, with its status, as it was when the visit was recorded.
ALTER TABLE visits ADD COLUMN publish_basis TEXT NOT NULL DEFAULT '';
CREATE INDEX visits_due ON visits (status, publish_due_on);
CREATE INDEX visit_inspectors_inspector ON visit_inspectors (inspector, visit);

-- Keys that this service signs with, each made when it is first needed.
CREATE TABLE signing_keys (
  name TEXT PRIMARY KEY,
  secret TEXT NOT NULL            -- 32 random bytes in hex; shown to nobody
);

-- Arrival codes 入企码, each good once. What a code says stands in its own text, under the signature.
CREATE TABLE arrival_codes (
  code_id TEXT PRIMARY KEY,       -- grows with time
  expires_at BIGINT NOT NULL,     -- microseconds since 1970
  used_at BIGINT NOT NULL,        -- 0 until used
  visit TEXT NOT NULL             -- whose arrival it was used for
);

-- Who arrived at a visit 扫码入企, and when.
CREATE TABLE arrivals (
  visit TEXT NOT NULL,
  inspector TEXT NOT NULL,
  arrived_at BIGINT NOT NULL,
  code_id TEXT NOT NULL,
  PRIMARY KEY (visit, inspector)
);

-- Photos and papers of a visit 现场附件; the same file once.
CREATE TABLE attachments (
  attachment_id TEXT PRIMARY KEY, -- grows with time
  visit TEXT NOT NULL,
  title TEXT NOT NULL,
  inspection_item TEXT NOT NULL,
  content_type TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  attached_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX attachments_file ON attachments (visit, sha256);
CREATE INDEX attachments_visit ON attachments (visit, attachment_id);
-- Their bytes, in parts of a message's size.
CREATE TABLE attachment_parts (
  attachment TEXT NOT NULL,
  part INTEGER NOT NULL,
  body {blob} NOT NULL,
  PRIMARY KEY (attachment, part)
);

-- Signatures 签字确认 under the record of a visit: which text, by which side. No natural person's data.
CREATE TABLE signatures (
  visit TEXT NOT NULL,
  digest TEXT NOT NULL,           -- of the text that was signed
  signer INTEGER NOT NULL,        -- the contract's number
  inspector TEXT NOT NULL,        -- empty for the representative
  refused BOOLEAN NOT NULL,
  refusal_reason TEXT NOT NULL,
  attachment TEXT NOT NULL,
  signed_at BIGINT NOT NULL,
  PRIMARY KEY (visit, digest, signer, inspector)
);

-- Orders to put right what a visit found 责令改正, one a visit, and the checks that followed 复查.
CREATE TABLE rectifications (
  visit TEXT PRIMARY KEY,
  state INTEGER NOT NULL,         -- the contract's number
  document_number TEXT NOT NULL,
  text TEXT NOT NULL,
  ordered_on TEXT NOT NULL,       -- YYYY-MM-DD, as all days here
  due_on TEXT NOT NULL,
  reported_on TEXT NOT NULL,
  recheck_due_on TEXT NOT NULL,
  recheck_basis TEXT NOT NULL
);
CREATE INDEX rectifications_due ON rectifications (state, due_on);
CREATE TABLE rechecks (
  visit TEXT NOT NULL,
  place INTEGER NOT NULL,
  rechecked_on TEXT NOT NULL,
  corrected BOOLEAN NOT NULL,
  text TEXT NOT NULL,
  inspectors TEXT NOT NULL,       -- ids, one a line
  next_due_on TEXT NOT NULL,
  PRIMARY KEY (visit, place)
);

-- Suggestions to look whether a case is to be opened 案源线索. None opens one.
CREATE TABLE case_suggestions (
  suggestion_id TEXT PRIMARY KEY, -- grows with time
  visit TEXT NOT NULL,
  to_department TEXT NOT NULL,
  state INTEGER NOT NULL,         -- the contract's number
  body {blob} NOT NULL            -- the contract's CaseSuggestion
);
CREATE UNIQUE INDEX case_suggestions_once ON case_suggestions (visit, to_department);
CREATE INDEX case_suggestions_department ON case_suggestions (to_department, state, suggestion_id);
