//! What every service is built on: settings, serving, access, faults, storage, the feed, operations, telemetry. No domain knowledge.

pub mod access;
mod age;
mod answers;
pub mod bulk;
pub mod call;
pub mod clock;
pub mod decisions;
pub mod fault;
pub mod feed;
pub mod figures;
pub mod file;
mod floods;
pub mod gathered;
pub mod health;
pub mod ids;
mod lanes;
pub mod language;
pub mod operations;
pub mod page;
pub mod peers;
pub mod serve;
pub mod settings;
pub mod signer;
pub mod storage;
pub mod telemetry;
pub mod tls;
#[cfg(feature = "trial")]
pub mod trial;
pub mod upkeep;
pub mod upstream;
pub mod validation;
mod wire;

pub use call::{App, Context, call, mutate, mutate_prepared};
pub use fault::{Answer, Fault};
pub use gathered::Gathered;
pub use storage::{Store, Tx};
pub use tonic::async_trait;
