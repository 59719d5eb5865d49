-- Libraries of objects 检查对象名录库, as last put, and the members of the special ones.
CREATE TABLE object_libraries (
  id TEXT PRIMARY KEY,
  department TEXT NOT NULL,       -- who put it, and may change it
  body {blob} NOT NULL            -- the contract's ObjectLibrary
);
CREATE INDEX object_libraries_department ON object_libraries (department, id);
CREATE TABLE library_members (
  library TEXT NOT NULL,
  uscc TEXT NOT NULL,
  note TEXT NOT NULL,             -- what the list says of it; no natural person's data
  PRIMARY KEY (library, uscc)
);

-- Annual plans 年度抽查计划: every version stays, with who put and who approved it.
CREATE TABLE annual_plans (
  annual_plan TEXT NOT NULL,
  version INTEGER NOT NULL,
  state INTEGER NOT NULL,         -- the contract's number
  year INTEGER NOT NULL,
  department TEXT NOT NULL,
  body {blob} NOT NULL,           -- the contract's AnnualPlan
  PRIMARY KEY (annual_plan, version)
);
CREATE INDEX annual_plans_state ON annual_plans (state, annual_plan);
