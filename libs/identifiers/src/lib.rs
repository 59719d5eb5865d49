//! Codes that name things: enterprises, regions, industries, the plan's domains and departments. Pure.
#![deny(clippy::float_arithmetic)]

pub mod department;
pub mod domain;
mod fault;
pub mod industry;
pub mod personal;
pub mod region;
pub mod uscc;

pub use department::Department;
pub use domain::Domain;
pub use fault::Fault;
pub use industry::Industry;
pub use region::Region;
pub use uscc::{CodeFault, CodeStatus, Uscc};
