-- What of each subject stands in the figures that are kept: who is changed is counted again, and what differs from this is added.
CREATE TABLE counted_subjects (
  uscc TEXT PRIMARY KEY,
  domains TEXT NOT NULL,          -- as in subjects
  records TEXT NOT NULL           -- effective records by item and day: "item=20260302,20260304x2;item=…"
);
