-- A scheme's grades are read in pages and parts by the codes. Without an index of both, a database that has counted nothing looks all grades of the
-- scheme through for each page. How many have which grade is kept as figures.
CREATE INDEX grades_by_code ON grades (scheme, uscc);
DROP INDEX grades_of_scheme;
