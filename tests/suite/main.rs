//! The suites that cross services, in one binary. Those that need a process run the real one; both databases are part of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests fail loudly")]

mod bad_input;
mod cancel;
mod circle;
mod contract_style;
mod crash;
mod crash_looks;
mod crash_stream;
mod downloads;
mod exactly_once;
mod failover;
mod feed_order;
mod manifests;
mod mtls;
mod operator;
mod plans;
mod replicas;
mod retries;
mod rollout;
mod tidy;
mod traces;
