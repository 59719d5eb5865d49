-- Three administrators who are not one: clients that are locked, and refused calls for whoever audits.

ALTER TABLE clients ADD COLUMN locked_at BIGINT NOT NULL DEFAULT 0; -- microseconds since 1970; 0: it is not

-- Calls that were refused. Those that are alike and come together are one row; kept for 200 days.
CREATE TABLE denials (
  seq {serial},
  at BIGINT NOT NULL,          -- microseconds since 1970
  caller TEXT NOT NULL,
  method TEXT NOT NULL,
  reason TEXT NOT NULL,
  address TEXT NOT NULL,
  calls BIGINT NOT NULL
);
CREATE INDEX denials_caller ON denials (caller, seq);
CREATE INDEX denials_at ON denials (at);
