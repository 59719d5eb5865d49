-- What a list's own procedure asks for, and the papers.

-- What a step says beside its text: the contract's Step with service, notice, answer, review and consequences only; none of steps before.
ALTER TABLE case_steps ADD COLUMN particulars {blob};

-- By when the department has to take the case further; empty where no term is set. The step is the contract's number.
ALTER TABLE cases ADD COLUMN due_on TEXT NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN due_step INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN due_basis TEXT NOT NULL DEFAULT '';
CREATE INDEX cases_due ON cases (department, due_on, case_id);

-- The contract's Consequences where the decision lets less follow than the list says; none: what the list says.
ALTER TABLE listings ADD COLUMN consequences {blob};

-- Papers as they were written. Kinds are the contract's numbers.
CREATE TABLE papers (
  seq {serial},                   -- in the order in which they were written
  paper_id TEXT NOT NULL UNIQUE,
  case_id TEXT NOT NULL,
  uscc TEXT NOT NULL,
  step INTEGER NOT NULL,          -- the number of the case's step; 0: of what happened to the listing
  kind INTEGER NOT NULL,
  title TEXT NOT NULL,
  document_number TEXT NOT NULL,
  template TEXT NOT NULL,         -- with its version
  done_on TEXT NOT NULL,
  written_at BIGINT NOT NULL,
  pdf {blob} NOT NULL,
  docx {blob} NOT NULL,
  pdf_digest TEXT NOT NULL,       -- SHA-256 in hex
  docx_digest TEXT NOT NULL,
  unprintable TEXT NOT NULL       -- U+XXXX between commas
);
CREATE INDEX papers_case ON papers (case_id, seq);
