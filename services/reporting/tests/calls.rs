//! Reporting through its real stack, beside four services that answer what each test says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]
mod calls {
    mod assessments;
    mod attachments;
    mod cases;
    mod coverage;
    mod figures;
    mod glance;
    mod kept;
    mod plans;
    mod reminders;
    mod summaries;
    pub mod world;
}

#[test]
fn all_again_on_postgresql() {
    chassis::trial::again_on_postgresql("all_again_on_postgresql");
}
