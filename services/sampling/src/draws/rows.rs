//! The tables of draws and their rosters.
use chassis::{
    Answer, Tx,
    clock::{from_micros, wire},
    page::Page,
    storage::{Filters, placeholders, sql},
};
use contract::{
    grading::v1::scheme::Disclosure,
    sampling::v1::{Draw, draw::State},
};
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

/// A draw as stored. The secret is in it whatever its state.
#[derive(FromQueryResult)]
pub struct Stored {
    pub draw_id: String,
    pub plan: String,
    pub scheme: String,
    pub scheme_version: i32,
    pub disclosure: i32,
    pub state: i32,
    pub roster_digest: String,
    pub roster_size: i32,
    pub quota_text: String,
    pub commitment: String,
    pub secret: String,
    pub entropy_source: String,
    pub committed_at: i64,
    pub entropy: String,
    pub seed: String,
    pub revealed_at: i64,
    pub abandon_reason: String,
    pub reveal_not_before: i64,
    pub attempt: i32,
    pub excluded: i32,
    pub exclusions_digest: String,
    pub cap_text: String,
    pub strata_text: String,
    pub measures_version: i32,
}

const COLUMNS: &str = "draw_id, plan, scheme, scheme_version, disclosure, state, roster_digest, roster_size, quota_text, \
                       commitment, secret, entropy_source, committed_at, entropy, seed, revealed_at, abandon_reason, reveal_not_before, attempt, excluded, \
                       exclusions_digest, cap_text, strata_text, measures_version";

impl Stored {
    /// Where the draw stands.
    pub fn state(&self) -> State {
        State::try_from(self.state).unwrap_or_default()
    }

    /// Who may see the grades.
    pub fn disclosure(&self) -> Disclosure {
        Disclosure::try_from(self.disclosure).unwrap_or_default()
    }

    /// The earliest time of the reveal, where one was named.
    pub fn reveal_not_before(&self) -> Option<Timestamp> {
        (self.reveal_not_before > 0).then(|| from_micros(self.reveal_not_before))
    }

    /// The secret, once it is open.
    pub fn open_secret(&self) -> &str {
        if self.state() == State::Revealed { &self.secret } else { "" }
    }

    /// The contract's message, without what other tables hold.
    pub fn wire(&self) -> Draw {
        Draw {
            draw_id: self.draw_id.clone(),
            plan: self.plan.clone(),
            scheme: self.scheme.clone(),
            scheme_version: self.scheme_version,
            state: self.state,
            roster_digest: self.roster_digest.clone(),
            roster_size: self.roster_size,
            quota_text: self.quota_text.clone(),
            commitment: self.commitment.clone(),
            entropy_source: self.entropy_source.clone(),
            committed_at: Some(wire(from_micros(self.committed_at))),
            seed: self.seed.clone(),
            secret: self.open_secret().to_owned(),
            entropy: self.entropy.clone(),
            revealed_at: (self.revealed_at > 0).then(|| wire(from_micros(self.revealed_at))),
            abandon_reason: self.abandon_reason.clone(),
            reveal_not_before: self.reveal_not_before().map(wire),
            attempt: self.attempt,
            excluded: self.excluded,
            exclusions_digest: self.exclusions_digest.clone(),
            cap_text: self.cap_text.clone(),
            measures_version: self.measures_version,
            ..Default::default()
        }
    }
}

/// A draw.
pub async fn find(db: &impl ConnectionTrait, draw: &str) -> Answer<Option<Stored>> {
    let text = format!("SELECT {COLUMNS} FROM draws WHERE draw_id = $1");
    Ok(Stored::find_by_statement(sql(db, &text, [draw.into()])).one(db).await?)
}

/// The plan's open draw.
pub async fn pending(db: &impl ConnectionTrait, plan: &str) -> Answer<Option<Stored>> {
    let text = format!("SELECT {COLUMNS} FROM draws WHERE plan = $1 AND state = {}", State::Committed as i32);
    Ok(Stored::find_by_statement(sql(db, &text, [plan.into()])).one(db).await?)
}

/// Which draws to list; instants in microseconds.
pub struct Filter<'a> {
    pub plan: &'a str,
    pub scheme: &'a str,
    pub from: Option<i64>,
    pub before: Option<i64>,
}

/// A page of draws, the latest first.
pub async fn page(db: &impl ConnectionTrait, filter: &Filter<'_>, page: &Page) -> Answer<Vec<Stored>> {
    let mut of = Filters::new()
        .given("draw_id < $1", &page.after)
        .given("plan = $1", filter.plan)
        .given("scheme = $1", filter.scheme);
    if let Some(from) = filter.from {
        of = of.and("committed_at >= $1", [from.into()]);
    }
    if let Some(before) = filter.before {
        of = of.and("committed_at < $1", [before.into()]);
    }
    let order = format!("ORDER BY draw_id DESC LIMIT {}", page.fetch());
    let statement = of.sql(db, &format!("SELECT {COLUMNS} FROM draws"), &order);
    Ok(Stored::find_by_statement(statement).all(db).await?)
}

/// How many draws a plan has had.
pub async fn attempts(db: &impl ConnectionTrait, plan: &str) -> Answer<i32> {
    let row = db.query_one_raw(sql(db, "SELECT COUNT(*) AS n FROM draws WHERE plan = $1", [plan.into()]));
    let count: i64 = row.await?.map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(i32::try_from(count).unwrap_or(i32::MAX))
}

/// Inserts a draw; a violated index comes back as it is.
pub async fn insert(tx: &Tx, draw: &Stored) -> Result<(), DbErr> {
    let text = format!("INSERT INTO draws ({COLUMNS}) VALUES ({})", placeholders(1, 24));
    let values = [
        draw.draw_id.as_str().into(),
        draw.plan.as_str().into(),
        draw.scheme.as_str().into(),
        draw.scheme_version.into(),
        draw.disclosure.into(),
        draw.state.into(),
        draw.roster_digest.as_str().into(),
        draw.roster_size.into(),
        draw.quota_text.as_str().into(),
        draw.commitment.as_str().into(),
        draw.secret.as_str().into(),
        draw.entropy_source.as_str().into(),
        draw.committed_at.into(),
        draw.entropy.as_str().into(),
        draw.seed.as_str().into(),
        draw.revealed_at.into(),
        draw.abandon_reason.as_str().into(),
        draw.reveal_not_before.into(),
        draw.attempt.into(),
        draw.excluded.into(),
        draw.exclusions_digest.as_str().into(),
        draw.cap_text.as_str().into(),
        draw.strata_text.as_str().into(),
        draw.measures_version.into(),
    ];
    tx.execute_raw(sql(&**tx, &text, values)).await?;
    Ok(())
}

/// Opens a committed draw; whether it still was one.
pub async fn reveal(tx: &Tx, draw: &Stored) -> Answer<bool> {
    let text = format!(
        "UPDATE draws SET state = {}, entropy = $2, seed = $3, revealed_at = $4 WHERE draw_id = $1 AND state = {}",
        State::Revealed as i32,
        State::Committed as i32
    );
    let values = [
        draw.draw_id.as_str().into(),
        draw.entropy.as_str().into(),
        draw.seed.as_str().into(),
        draw.revealed_at.into(),
    ];
    Ok(tx.execute_raw(sql(&**tx, &text, values)).await?.rows_affected() == 1)
}

/// Gives a committed draw up; whether it still was one.
pub async fn abandon(tx: &Tx, draw: &str, reason: &str) -> Answer<bool> {
    let text = format!(
        "UPDATE draws SET state = {}, abandon_reason = $2 WHERE draw_id = $1 AND state = {}",
        State::Abandoned as i32,
        State::Committed as i32
    );
    Ok(tx.execute_raw(sql(&**tx, &text, [draw.into(), reason.into()])).await?.rows_affected() == 1)
}

/// Holds the draw's row to the end of the transaction, so that replacements follow one another.
pub async fn lock(tx: &Tx, draw: &str) -> Answer<()> {
    tx.execute_raw(sql(&**tx, "UPDATE draws SET state = state WHERE draw_id = $1", [draw.into()])).await?;
    Ok(())
}
