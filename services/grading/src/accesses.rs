//! The access log 查询日志: every look at what is not public, with who, when and what for.
use chassis::{Answer, Context, clock::micros, storage::insert_rows};

use crate::Grading;

/// Notes a look at subjects' grades; an empty code stands for all subjects of a scheme.
pub async fn note(
    app: &Grading,
    context: &Context,
    purpose: &str,
    subjects: &[&str],
    what: &str,
) -> Answer<()> {
    let caller = &context.caller;
    let row = |uscc: &&str| {
        vec![
            micros(context.now).into(),
            caller.name().into(),
            caller.department().into(),
            (*uscc).into(),
            purpose.into(),
            what.into(),
        ]
    };
    let tx = app.store.begin().await?;
    let columns = ["at", "caller", "department", "uscc", "purpose", "what"];
    insert_rows(&*tx, "accesses", &columns, subjects.iter().map(row).collect(), "").await?;
    tx.commit().await
}
