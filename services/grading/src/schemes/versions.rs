//! Published versions, compiled once a process: they never change.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use chassis::{Answer, storage::corrupt};
use contract::grading::v1::scheme::Disclosure;
use scoring::Compiled;
use sea_orm::ConnectionTrait;

use super::{rows, rules};
use crate::catalogue;

/// A version that grades or has graded.
pub struct Version {
    pub scheme: String,
    pub number: i32,
    pub domain: String,
    pub disclosure: Disclosure,
    pub compiled: Compiled,
}

/// The compiled versions.
#[derive(Default)]
pub struct Versions(Mutex<HashMap<(String, i32), Arc<Version>>>);

impl Versions {
    /// The versions that grade now, in the order of the schemes' ids.
    pub async fn in_force(&self, db: &impl ConnectionTrait) -> Answer<Vec<Arc<Version>>> {
        let mut versions = Vec::new();
        for (scheme, number) in rows::published(db).await? {
            versions.push(self.compiled(db, &scheme, number).await?);
        }
        Ok(versions)
    }

    /// One version that was published, by its scheme and number.
    pub async fn compiled(
        &self,
        db: &impl ConnectionTrait,
        scheme: &str,
        number: i32,
    ) -> Answer<Arc<Version>> {
        let key = (scheme.to_owned(), number);
        let held = self.0.lock().ok().and_then(|held| held.get(&key).cloned());
        if let Some(version) = held {
            return Ok(version);
        }
        let stored = rows::version(db, scheme, number).await?;
        let (content, items) =
            stored.ok_or_else(|| corrupt("scheme", format!("no version {number} of {scheme}")))?;
        let compiled = rules::compile(&content, &catalogue::schemas(&items.items)).map_err(|problems| {
            corrupt("scheme", problems.first().map(ToString::to_string).unwrap_or_default())
        })?;
        let disclosure = content.disclosure();
        let (scheme, domain) = (content.scheme_id, content.domain);
        let compiled = compiled.of_department(content.department);
        let version = Arc::new(Version { scheme, number, domain, disclosure, compiled });
        if let Ok(mut held) = self.0.lock() {
            held.insert(key, version.clone());
        }
        Ok(version)
    }
}
