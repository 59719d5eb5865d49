//! Which codes are registered, and those of them that need not be asked for again: subjects are never removed.
use std::{
    collections::HashSet,
    sync::{PoisonError, RwLock},
};

use chassis::Answer;
use sea_orm::ConnectionTrait;

use super::rows;

/// Codes that were found registered, at most so many as a province has. What a transaction sees before it commits is no part of it.
#[derive(Default)]
pub struct Registered(RwLock<HashSet<Code>>);

type Code = [u8; 18];

const MOST: usize = 1 << 20;

fn packed(code: &str) -> Option<Code> {
    code.as_bytes().try_into().ok()
}

impl Registered {
    /// Those of these codes that are not registered.
    pub async fn strangers<'a>(
        &self,
        committed: &impl ConnectionTrait,
        codes: impl IntoIterator<Item = &'a str>,
    ) -> Answer<HashSet<&'a str>> {
        let asked: HashSet<&str> = {
            let found = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let is_found = |code: &str| packed(code).is_some_and(|code| found.contains(&code));
            codes.into_iter().filter(|code| !is_found(code)).collect()
        };
        if asked.is_empty() {
            return Ok(HashSet::new());
        }
        let asked: Vec<&str> = asked.into_iter().collect();
        let known = rows::known(committed, &asked).await?;
        let mut found = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let room = MOST.saturating_sub(found.len());
        found.extend(known.iter().filter_map(|code| packed(code)).take(room));
        Ok(asked.into_iter().filter(|code| !known.contains(*code)).collect())
    }
}

/// Those of these codes that are not registered, as a transaction sees it.
pub async fn strangers<'a>(
    db: &impl ConnectionTrait,
    codes: impl IntoIterator<Item = &'a str>,
) -> Answer<HashSet<&'a str>> {
    let codes: HashSet<&str> = codes.into_iter().collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    let known = rows::known(db, &codes).await?;
    Ok(codes.into_iter().filter(|code| !known.contains(*code)).collect())
}
