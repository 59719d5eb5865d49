//! The suite put together: `up` runs every role in one process, `serve` one of them, `demo` tells the story on a fictional city,
//! `upkeep` and `clients` are the operator's.

pub mod client;
mod clients;
pub mod command;
mod demo;
pub mod suite;
mod upkeep;
mod verify;
