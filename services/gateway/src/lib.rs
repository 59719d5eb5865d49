//! The one public door: REST by transcoding, gRPC and gRPC-Web passed through, and the identities of its own clients.

pub mod identity;
pub mod transcode;
