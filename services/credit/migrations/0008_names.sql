-- The key by which names are looked up 名称匹配: a hash of what tells a name apart (libs/names). NULL until it is made: rows from before this
-- migration get theirs at the next start, batch by batch.
ALTER TABLE subjects ADD COLUMN name_key BIGINT;
CREATE INDEX subjects_name_key ON subjects (name_key);

-- Other names of a subject, a JSON object of lists: former 曾用名, second 第二名称. Empty where there are none.
ALTER TABLE subjects ADD COLUMN other_names TEXT NOT NULL DEFAULT '';

-- The keys of other names, those in the cell of the registered name included. A key that no name has any more does no harm: names are
-- judged again whenever they are found.
CREATE TABLE other_name_keys (
  name_key BIGINT NOT NULL,
  uscc TEXT NOT NULL,
  PRIMARY KEY (name_key, uscc)
);

-- Which way of making keys is stored (KEY_VERSION of libs/names); another one makes them all anew.
CREATE TABLE name_key_version (
  version INTEGER PRIMARY KEY
);
