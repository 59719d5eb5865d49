//! Discipline through its real stack, beside the real credit: each call good, bad and denied.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]
mod calls {
    mod after;
    mod bases;
    mod check;
    mod deadlines;
    mod directory;
    mod feed;
    mod feedback;
    mod kept;
    mod papers;
    mod procedure;
    mod races;
    mod return_to_credit;
    mod suggestions;
    mod variants;
    mod wordings;
    pub mod world;
}

#[test]
fn all_again_on_postgresql() {
    chassis::trial::again_on_postgresql("all_again_on_postgresql");
}
