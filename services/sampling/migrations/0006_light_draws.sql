-- A draw writes a visit for each subject: what is made or published is found by indexes that the others are not in.
DROP INDEX visits_published;
CREATE INDEX visits_published ON visits (published_at, visit_id) WHERE status = 3; -- PUBLISHED
DROP INDEX visits_due;
CREATE INDEX visits_due ON visits (publish_due_on) WHERE status = 2;               -- RECORDED
-- A roster is written once and read in order: to press it costs more than its room.
{postgresql} ALTER TABLE roster_parts ALTER COLUMN roster SET STORAGE EXTERNAL;
{postgresql} ALTER TABLE roster_parts ALTER COLUMN names SET STORAGE EXTERNAL;
