//! Every call through the real stack, beside the real credit and grading services, on SQLite, and again on PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]
mod calls {
    mod annual;
    mod bundles;
    mod caps;
    mod draws;
    mod fairness;
    mod fieldwork;
    mod figures;
    mod followup;
    mod orders;
    mod plans;
    mod register;
    mod registers;
    mod returns;
    mod visits;
    pub mod world;
}

#[test]
fn all_again_on_postgresql() {
    chassis::trial::again_on_postgresql("all_again_on_postgresql");
}
