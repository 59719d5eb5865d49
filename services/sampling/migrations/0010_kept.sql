-- What is kept of draws and of visits as they change, so that nothing is counted anew.

-- What came of each draw.
CREATE TABLE draw_counts (
  draw TEXT PRIMARY KEY,
  drawn BIGINT NOT NULL,          -- subjects drawn; those who took a place are not among them
  visited BIGINT NOT NULL,        -- visits recorded
  found BIGINT NOT NULL           -- visits that found something
);

-- How often each enterprise was visited in a calendar year under plans of a scheme.
CREATE TABLE enterprise_visits (
  scheme TEXT NOT NULL,
  version TEXT NOT NULL,          -- of the scheme that the draws were made by; empty: all, with what was ordered
  year TEXT NOT NULL,             -- YYYY
  uscc TEXT NOT NULL,
  visits BIGINT NOT NULL,
  PRIMARY KEY (uscc, scheme, year, version)
);
