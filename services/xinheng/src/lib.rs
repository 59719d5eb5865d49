//! The suite put together: `up` runs every role in one process, `serve` one of them, `demo` tells the story on a fictional city,
//! `upkeep` is the operator's.

pub mod client;
pub mod command;
mod demo;
pub mod suite;
mod upkeep;
mod verify;
