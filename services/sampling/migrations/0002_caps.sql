-- A draw names the earliest time of its reveal, its place among the draws of its plan, the caps that it keeps to and how many it left out.
ALTER TABLE draws ADD COLUMN reveal_not_before BIGINT NOT NULL DEFAULT 0;   -- microseconds since 1970; 0: any time
ALTER TABLE draws ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;            -- among the draws of the plan, from 1
ALTER TABLE draws ADD COLUMN excluded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE draws ADD COLUMN exclusions_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE draws ADD COLUMN strata_text TEXT NOT NULL DEFAULT '';          -- one line `stratum,N` each: the members on the roster
ALTER TABLE draws ADD COLUMN cap_text TEXT NOT NULL DEFAULT '';             -- one line `stratum,n` each that has a cap
UPDATE draws SET attempt = (SELECT COUNT(*) FROM draws d WHERE d.plan = draws.plan AND d.draw_id <= draws.draw_id);

-- The frozen rosters in parts of some hundred kilobytes: a bundle leaves, and a line is found, without the whole in memory.
CREATE TABLE roster_parts (
  draw TEXT NOT NULL,
  part INTEGER NOT NULL,
  first_code TEXT NOT NULL,       -- of the part's first line
  roster TEXT NOT NULL,           -- whole lines; all parts after one another are the bytes that were hashed
  names TEXT NOT NULL,            -- one line a line of the part: the subject's name at that time
  PRIMARY KEY (draw, part)
);
INSERT INTO roster_parts (draw, part, first_code, roster, names) SELECT draw, 0, '', roster, names FROM rosters;
DROP TABLE rosters;

-- Who was in the plan's scope and left the roster before the commit, in the order of the codes.
CREATE TABLE exclusions (
  draw TEXT NOT NULL,
  place INTEGER NOT NULL,
  uscc TEXT NOT NULL,
  reason INTEGER NOT NULL,        -- the contract's number
  detail TEXT NOT NULL,
  PRIMARY KEY (draw, place)
);

-- Orders 检查任务单 of visits that are not drawn. They share the visits' table, whose column `draw` holds their id.
CREATE TABLE orders (
  order_id TEXT PRIMARY KEY,      -- grows with time
  plan TEXT NOT NULL,
  seed TEXT NOT NULL,             -- by which the visits' inspectors were drawn
  ordered_at BIGINT NOT NULL
);
ALTER TABLE visits ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;              -- the contract's number of the plan's kind
ALTER TABLE visits ADD COLUMN order_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE visits ADD COLUMN over_cap BOOLEAN NOT NULL DEFAULT FALSE;
-- A bundle without strata leaves in the order of the tickets alone.
CREATE INDEX visits_ticket ON visits (draw, ticket);

-- How often each subject is visited a year, by all departments. A draw holds the rows of those whom it visits, in the order of their codes,
-- from the reading to its end: so the cap holds under draws at once, and none waits in a circle.
CREATE TABLE visit_counts (
  uscc TEXT NOT NULL,
  year INTEGER NOT NULL,          -- in which the plan's period begins
  drawn INTEGER NOT NULL,
  directed INTEGER NOT NULL,
  drawn_on TEXT NOT NULL,         -- the last day of a reveal that drew it, YYYY-MM-DD; empty: none
  PRIMARY KEY (uscc, year)
);
CREATE INDEX visit_counts_year ON visit_counts (year);
-- Visits from before the counting: by the year of the visit or, where it is not made yet, that of its draw in 365.2425 days a year.
INSERT INTO visit_counts (uscc, year, drawn, directed, drawn_on)
  SELECT uscc, year, COUNT(*), 0, '' FROM (
    SELECT v.uscc, CASE WHEN v.inspected_on <> '' THEN CAST(SUBSTR(v.inspected_on, 1, 4) AS INTEGER)
      ELSE 1970 + (d.revealed_at / 1000000 + 28800) / 31556952 END AS year
    FROM visits v JOIN draws d ON d.draw_id = v.draw WHERE v.status <> 4
  ) AS counted GROUP BY uscc, year;

-- Exemptions 免检, as last put: one a subject and department.
CREATE TABLE exemptions (
  id TEXT PRIMARY KEY,            -- the code, a space, the department
  department TEXT NOT NULL,       -- empty where it holds for all
  body {blob} NOT NULL            -- the contract's Exemption
);
CREATE INDEX exemptions_department ON exemptions (department, id);
