//! Every call through the real stack, beside the real credit and grading services, on SQLite or PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]
mod calls {
    mod bundles;
    mod draws;
    mod plans;
    mod register;
    mod returns;
    mod visits;
    pub mod world;
}
