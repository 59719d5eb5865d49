//! What the suites share: the real binary in a folder of its own, a fictional world to fill it with, and tables that are filled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests fail loudly")]

pub mod filling;
pub mod process;
pub mod roles;
pub mod world;
