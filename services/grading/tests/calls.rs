//! Every call through the real stack, beside the real credit service, on SQLite, and again on PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]
mod calls {
    mod adjustments;
    pub mod city;
    mod crash;
    mod disclosure;
    mod engine;
    mod examples;
    pub mod figures;
    mod grades;
    mod grants;
    mod measures;
    mod publication;
    mod replay;
    mod runs;
    mod schemes;
    mod simulations;
    mod time;
}

#[test]
fn all_again_on_postgresql() {
    chassis::trial::again_on_postgresql("all_again_on_postgresql");
}
