-- Cases are listed by their state, open terms by their day, listings by their list: without these the whole table was read for it.
CREATE INDEX cases_state ON cases (state, case_id);
CREATE INDEX cases_open_due ON cases (due_on, department, case_id) WHERE due_on <> '';
CREATE INDEX listings_list ON listings (list_id, from_on, case_id);
