//! What is going on about grades 标注: overrides in force, objections that are open. It stands with the grade in every answer.
use std::collections::{HashMap, HashSet};

use chassis::Answer;
use contract::grading::v1::GradeMark;
use jiff::civil::Date;
use sea_orm::ConnectionTrait;

use crate::{
    objections,
    overrides::rows::{Row, in_force},
    schemes::Version,
};

/// What is going on about the grades of some subjects.
pub struct Notes {
    overrides: HashMap<(String, String), Row>,
    objected: HashSet<(String, String)>,
}

impl Notes {
    /// As of a day.
    pub async fn of(db: &impl ConnectionTrait, codes: &[&str], today: Date) -> Answer<Self> {
        let overrides = in_force(db, codes, today).await?;
        let overrides =
            overrides.into_iter().map(|row| ((row.uscc.clone(), row.scheme.clone()), row)).collect();
        Ok(Self { overrides, objected: objections::rows::open(db, codes).await? })
    }

    /// The override that stands over a subject's grade. One whose grade the version no longer knows stands over nothing.
    pub fn held(&self, version: &Version, uscc: &str) -> Option<&Row> {
        // Of most pages nothing is going on, and a key costs more than the look.
        if self.overrides.is_empty() {
            return None;
        }
        let row = self.overrides.get(&(uscc.to_owned(), version.scheme.clone()))?;
        version.knows(&row.grade).then_some(row)
    }

    /// Whether a grade is objected to.
    pub fn objected(&self, scheme: &str, uscc: &str) -> bool {
        !self.objected.is_empty() && self.objected.contains(&(uscc.to_owned(), scheme.to_owned()))
    }

    /// What the grade bears.
    pub fn marks(&self, version: &Version, uscc: &str) -> Vec<i32> {
        marks(self.objected(&version.scheme, uscc), self.held(version, uscc).is_some())
    }
}

/// The marks, in their order.
pub fn marks(objected: bool, overridden: bool) -> Vec<i32> {
    let given = [(objected, GradeMark::UnderObjection), (overridden, GradeMark::Overridden)];
    given.into_iter().filter(|(holds, _)| *holds).map(|(_, mark)| mark as i32).collect()
}
