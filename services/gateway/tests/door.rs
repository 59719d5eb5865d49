//! The door and the identity service from outside, over the real stack, on both databases.
#[path = "door/tokens.rs"]
mod tokens;
#[path = "door/world.rs"]
mod world;

#[test]
fn all_again_on_postgresql() {
    chassis::trial::again_on_postgresql("all_again_on_postgresql");
}
