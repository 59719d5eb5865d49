-- The version of the scheme's measures that was in force when a draw was committed; 0 where none were put, or from before this was kept.
ALTER TABLE draws ADD COLUMN measures_version INTEGER NOT NULL DEFAULT 0;
