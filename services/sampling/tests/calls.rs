//! Every call through the real stack, beside the real credit and grading services, on SQLite or PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]
mod calls {
    mod bundles;
    mod caps;
    mod draws;
    mod fairness;
    mod orders;
    mod plans;
    mod register;
    mod returns;
    mod visits;
    pub mod world;
}
