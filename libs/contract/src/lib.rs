//! The contract as Rust: what is generated from `proto/`, and the descriptor set that it was generated from.

mod encoded;

#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::allow_attributes_without_reason,
    rustdoc::all,
    reason = "generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/contract.rs"));
}

pub use encoded::Encoded;
pub use generated::{google, xinheng::*};

/// The encoded `google.protobuf.FileDescriptorSet` of every proto and its imports, options and comments included.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
