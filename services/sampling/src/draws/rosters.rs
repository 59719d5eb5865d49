//! The tables of frozen rosters and of who was left out of them. A roster is kept in parts, so that a bundle leaves, and a line is found,
//! without the whole in memory.
use chassis::{Answer, Tx, storage::sql};
use contract::sampling::v1::Exclusion;
use draw::Roster;
use sea_orm::{ConnectionTrait, FromQueryResult};

const PART_BYTES: usize = 256 * 1024;

/// A roster with the names beside it, one line a line.
#[derive(Default, FromQueryResult)]
pub struct Kept {
    pub roster: String,
    pub names: String,
}

/// Keeps a frozen roster.
pub async fn insert(tx: &Tx, draw: &str, roster: &Roster, names: &str) -> Answer<()> {
    let text = "INSERT INTO roster_parts (draw, part, first_code, roster, names) VALUES ($1, $2, $3, $4, $5)";
    let mut rest = names;
    for (part, lines) in (0_i32..).zip(roster.parts(PART_BYTES)) {
        let first = lines.split(',').next().unwrap_or_default();
        let count = lines.bytes().filter(|byte| *byte == b'\n').count();
        let ends = rest.match_indices('\n').nth(count.saturating_sub(1)).map_or(rest.len(), |(at, _)| at + 1);
        let (names, others) = rest.split_at(ends);
        rest = others;
        let values = [draw.into(), part.into(), first.into(), lines.into(), names.into()];
        tx.execute_raw(sql(&**tx, text, values)).await?;
    }
    Ok(())
}

/// A part of a draw's roster; nothing after the last.
pub async fn part(db: &impl ConnectionTrait, draw: &str, part: i32) -> Answer<Option<Kept>> {
    let text = "SELECT roster, names FROM roster_parts WHERE draw = $1 AND part = $2";
    Ok(Kept::find_by_statement(sql(db, text, [draw.into(), part.into()])).one(db).await?)
}

/// The whole roster of a draw.
pub async fn whole(db: &impl ConnectionTrait, draw: &str) -> Answer<Kept> {
    let mut kept = Kept::default();
    let mut next = 0;
    while let Some(part) = part(db, draw, next).await? {
        kept.roster.push_str(&part.roster);
        kept.names.push_str(&part.names);
        next += 1;
    }
    Ok(kept)
}

/// A subject's line of a draw's roster, line feed included.
pub async fn line(db: &impl ConnectionTrait, draw: &str, uscc: &str) -> Answer<Option<String>> {
    // The databases' collations agree on digits and capitals, of which codes consist.
    let text = "SELECT roster, names FROM roster_parts WHERE draw = $1 AND first_code <= $2 \
                ORDER BY part DESC LIMIT 1";
    let part = Kept::find_by_statement(sql(db, text, [draw.into(), uscc.into()])).one(db).await?;
    let Some(part) = part else { return Ok(None) };
    let own = |line: &&str| line.strip_prefix(uscc).is_some_and(|rest| rest.starts_with(','));
    Ok(part.roster.lines().find(own).map(|line| format!("{line}\n")))
}

/// Keeps who was left out, in the order of the codes.
pub async fn insert_exclusions(tx: &Tx, draw: &str, exclusions: &[Exclusion]) -> Answer<()> {
    let row = |(place, one): (i32, &Exclusion)| {
        vec![
            draw.into(),
            place.into(),
            one.uscc.as_str().into(),
            one.reason.into(),
            one.detail.as_str().into(),
        ]
    };
    let rows = (0..).zip(exclusions).map(row).collect();
    tx.add("exclusions", &["draw", "place", "uscc", "reason", "detail"], rows).await
}

#[derive(FromQueryResult)]
struct Excluded {
    place: i32,
    uscc: String,
    reason: i32,
    detail: String,
}

/// Who was left out, after a place, each with its own.
pub async fn exclusions(
    db: &impl ConnectionTrait,
    draw: &str,
    after: i32,
    limit: u64,
) -> Answer<Vec<(i32, Exclusion)>> {
    let text = format!(
        "SELECT place, uscc, reason, detail FROM exclusions WHERE draw = $1 AND place > $2 ORDER BY place LIMIT {limit}"
    );
    let rows = Excluded::find_by_statement(sql(db, &text, [draw.into(), after.into()])).all(db).await?;
    let wire =
        |row: Excluded| (row.place, Exclusion { uscc: row.uscc, reason: row.reason, detail: row.detail });
    Ok(rows.into_iter().map(wire).collect())
}
