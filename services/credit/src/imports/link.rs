//! Rows without a code, linked to a subject by the name 名称匹配.
use std::collections::BTreeSet;

use chassis::{Answer, Tx, fault::Violation, language::Text};

use super::cells::{RecordRow, person_not_taken};
use crate::matching;

/// Gives each row that has a name and no code the code of the subject that the name surely means, or refuses it. Answers, row by row, why a
/// name that is not the registered one to the letter was linked.
pub async fn link(tx: &Tx, found: &mut [Result<RecordRow, Violation>]) -> Answer<Vec<Option<Text>>> {
    let open = |row: &RecordRow| row.input.uscc.trim().is_empty() && !row.name.is_empty();
    let mut because = vec![None; found.len()];
    let names: BTreeSet<String> =
        found.iter().flatten().filter(|row| open(row)).map(|row| row.name.clone()).collect();
    if names.is_empty() {
        return Ok(because);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let meant = matching::look_up(&**tx, &names).await?;
    for (slot, because) in found.iter_mut().zip(&mut because) {
        if let Ok(row) = slot
            && open(row)
        {
            let candidates = meant.get(&row.name).map_or(&[][..], Vec::as_slice);
            let linked = if names::is_like_a_person(&row.name) {
                Err(person_not_taken("name"))
            } else {
                matching::link(&row.name, candidates)
            };
            match linked {
                Ok(linked) => {
                    row.input.uscc = linked.uscc;
                    *because = linked.because;
                }
                Err(violation) => *slot = Err(violation),
            }
        }
    }
    Ok(because)
}
