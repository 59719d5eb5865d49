//! Marks 标注 that procedures which run elsewhere put on the records that tell of them.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx};
use contract::credit::v1::{self as api, record::Mark};

use super::{mark, own_effective};
use crate::{Credit, filings};

/// Puts a mark on a record, or takes it off.
pub async fn mark_as_asked(
    _: &Arc<Credit>,
    context: &Context,
    tx: &Tx,
    request: api::MarkRecordRequest,
) -> Answer<api::Record> {
    if request.mark() == Mark::Unspecified {
        return Err(Fault::field("mark", "is one of the marks of a record", "应为记录标注之一"));
    }
    let present = own_effective(tx, context, &request.record).await?;
    let mut marks = present.record.marks.clone();
    if request.off {
        // What an objection or a repair filed here still needs stays.
        let mut needed = present.record.clone();
        filings::mark_as_at(&**tx, &present.record.uscc, context.now, [&mut needed]).await?;
        marks.retain(|held| *held != request.mark || needed.marks.contains(held));
    } else if !marks.contains(&request.mark) {
        marks.push(request.mark);
    }
    if marks == present.record.marks {
        return Ok(present.record);
    }
    Ok(mark(tx, context, &present, marks).await?.record)
}
