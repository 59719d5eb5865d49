//! Published versions, compiled once a process: they never change.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use chassis::{Answer, storage::corrupt};
use contract::grading::v1::{
    Scheme,
    scheme::{Disclosure, Scale},
};
use scoring::Compiled;
use sea_orm::ConnectionTrait;

use super::{rows, rules};
use crate::catalogue;

/// A version that grades or has graded.
pub struct Version {
    /// The scheme's id; of a draft in shadow the shadow's key.
    pub scheme: String,
    pub number: i32,
    pub domain: String,
    pub disclosure: Disclosure,
    pub scale: Scale,
    /// The grades in their order, each with what it is called; none where a DIRECT scheme lists none.
    pub grades: Vec<(String, String)>,
    pub compiled: Compiled,
}

impl Version {
    /// A version made ready to grade, under the key that its grades bear.
    pub fn of(key: &str, content: &Scheme, compiled: Compiled) -> Self {
        let model = content.model.as_ref();
        let named = |grade: &contract::grading::v1::Grade| (grade.grade.clone(), grade.label.clone());
        Self {
            scheme: key.to_owned(),
            number: content.version,
            domain: content.domain.clone(),
            disclosure: rules::disclosure(content),
            scale: content.scale(),
            grades: model.map(|model| model.grades.iter().map(named).collect()).unwrap_or_default(),
            // Records under the subject's grant count where it is to the scheme's own department.
            compiled: compiled.of_department(content.department.as_str()),
        }
    }

    /// What a grade is called; empty where the scheme does not say.
    pub fn label(&self, grade: &str) -> &str {
        self.grades.iter().find(|(name, _)| name == grade).map_or("", |(_, label)| label)
    }

    /// Whether a grade is one of the scheme's; a DIRECT scheme that lists none takes any.
    pub fn knows(&self, grade: &str) -> bool {
        self.grades.is_empty() || self.grades.iter().any(|(name, _)| name == grade)
    }
}

/// The compiled versions.
#[derive(Default)]
pub struct Versions(Mutex<HashMap<(String, i32), Arc<Version>>>);

impl Versions {
    /// The versions that grade now, those in shadow among them, in the order of their keys.
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
        let version = Arc::new(Version::of(scheme, &content, compiled));
        if let Ok(mut held) = self.0.lock() {
            held.insert(key, version.clone());
        }
        Ok(version)
    }
}
