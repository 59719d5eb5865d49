-- Figures 统计数据 as they are kept: counts of what happened, changed in the transaction of what they count, so that no call counts a population
-- anew. Each count stands three times, by day, month and year: a sum over any days reads few rows. What the keys say, each figure tells.
CREATE TABLE figures (
  figure TEXT NOT NULL,
  grain TEXT NOT NULL,        -- DAY, MONTH or YEAR
  span TEXT NOT NULL,         -- YYYY-MM-DD, YYYY-MM or YYYY, of business days
  k1 TEXT NOT NULL,
  k2 TEXT NOT NULL,
  k3 TEXT NOT NULL,
  k4 TEXT NOT NULL,
  counted BIGINT NOT NULL,
  PRIMARY KEY (figure, grain, span, k1, k2, k3, k4)
);
