//! The door and the identity service from outside, over the real stack, on both databases.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

#[path = "door/administrators.rs"]
mod administrators;
#[path = "door/foreign.rs"]
mod foreign;
#[path = "door/http.rs"]
mod http_rules;
#[path = "door/identity.rs"]
mod identity;
#[path = "door/slow.rs"]
mod slow;
#[path = "door/tokens.rs"]
mod tokens;
#[path = "door/world.rs"]
mod world;

#[test]
fn all_again_on_postgresql() {
    chassis::trial::again_on_postgresql("all_again_on_postgresql");
}
