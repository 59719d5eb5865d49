//! Every call through the real stack, beside the real credit service, on SQLite or PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]
mod calls {
    pub mod city;
    mod disclosure;
    mod grades;
    mod runs;
    mod schemes;
    mod time;
}
