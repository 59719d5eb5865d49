-- Feedback: why a measure was not applied, and when it was lifted.

-- The contract's number: 1 applied, 2 not applied, and the text says why.
ALTER TABLE applications ADD COLUMN outcome INTEGER NOT NULL DEFAULT 1;
-- The day on which the measure was lifted; empty while it is applied.
ALTER TABLE applications ADD COLUMN lifted_on TEXT NOT NULL DEFAULT '';
ALTER TABLE applications ADD COLUMN lifted_by TEXT NOT NULL DEFAULT '';
ALTER TABLE applications ADD COLUMN lift_text TEXT NOT NULL DEFAULT '';
CREATE INDEX applications_department ON applications (department, application_id);
