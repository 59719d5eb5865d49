-- Which records an import took in, so that it can be taken back whole: records of one batch share what their ids begin with, so that a row
-- stands for up to a batch of them.
CREATE TABLE import_records (
  import TEXT NOT NULL,         -- the operation's id
  prefix TEXT NOT NULL,         -- what the records' ids begin with
  records INTEGER NOT NULL,     -- how many there are
  PRIMARY KEY (import, prefix)
);

-- The form in which a file came, so that its refused rows can be given back in it.
ALTER TABLE import_headings ADD COLUMN format TEXT NOT NULL DEFAULT 'csv';
ALTER TABLE import_headings ADD COLUMN encoding TEXT NOT NULL DEFAULT 'UTF-8';
ALTER TABLE import_headings ADD COLUMN delimiter TEXT NOT NULL DEFAULT ',';
