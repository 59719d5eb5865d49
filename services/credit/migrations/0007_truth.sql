-- The catalogue's dated rules, and whether a wording is the one that came with the program.
ALTER TABLE items ADD COLUMN publication_rules TEXT NOT NULL DEFAULT '[]'; -- JSON list
ALTER TABLE items ADD COLUMN effective_from TEXT NOT NULL DEFAULT '';
ALTER TABLE items ADD COLUMN effective_to TEXT NOT NULL DEFAULT '';
ALTER TABLE items ADD COLUMN verification TEXT NOT NULL DEFAULT '';
ALTER TABLE items ADD COLUMN built_in BOOLEAN NOT NULL DEFAULT FALSE;
-- Until now only the program itself put first wordings in for the office.
UPDATE items SET built_in = TRUE WHERE version = 1 AND owner = 'credit-office';
