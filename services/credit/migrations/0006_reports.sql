-- Credit reports as they were issued: what was seen can always be shown again, to the byte.
CREATE TABLE reports (
  uscc TEXT NOT NULL,
  report_id TEXT NOT NULL,      -- grows with time
  number TEXT NOT NULL,         -- printed on it 报告编号
  check_code TEXT NOT NULL,     -- printed on it 校验码
  audience TEXT NOT NULL,       -- SUBJECT, DEPARTMENT or OFFICE
  client TEXT NOT NULL,         -- for whom it was issued
  department TEXT NOT NULL,     -- the client's; empty where it has none
  purpose TEXT NOT NULL,
  issued_at BIGINT NOT NULL,
  snapshot {blob} NOT NULL,     -- xinheng.credit.v1.Report
  pdf {blob} NOT NULL,
  shown_digest TEXT NOT NULL,   -- of the subject and records shown, to find out whether they have changed since
  PRIMARY KEY (uscc, report_id)
);
CREATE UNIQUE INDEX reports_id ON reports (report_id);
CREATE UNIQUE INDEX reports_number ON reports (number);
