//! The suite put together: `up` runs every role in one process, `serve` one of them, `demo` tells the story on a fictional city.

pub mod client;
pub mod command;
mod demo;
pub mod suite;
mod verify;
