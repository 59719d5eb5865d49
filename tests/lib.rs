//! What the suites share: the real binary in a folder of its own, and a fictional world to fill it with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests fail loudly")]

pub mod process;
pub mod world;
