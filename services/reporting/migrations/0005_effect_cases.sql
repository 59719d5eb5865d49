-- A case waits for its review; an accepted one may be published without telling who the enterprise is.
ALTER TABLE effect_cases ADD COLUMN state INTEGER NOT NULL DEFAULT 1;        -- the contract's number
ALTER TABLE effect_cases ADD COLUMN etag TEXT NOT NULL DEFAULT '';
ALTER TABLE effect_cases ADD COLUMN words TEXT NOT NULL DEFAULT '';          -- all its texts in lower case, for search
ALTER TABLE effect_cases ADD COLUMN public_words TEXT NOT NULL DEFAULT '';   -- of the publication; empty: nothing is published
CREATE INDEX effect_cases_public ON effect_cases (happened_on, effect_case_id) WHERE public_words <> '';

-- Who looked at what is not public, and for which purpose 查询日志.
CREATE TABLE looks (
  seq {serial},
  at BIGINT NOT NULL,
  client TEXT NOT NULL,
  department TEXT NOT NULL,
  purpose TEXT NOT NULL,
  method TEXT NOT NULL,
  subject TEXT NOT NULL           -- a case's id; empty: a list
);
CREATE INDEX looks_subject ON looks (subject, seq);
