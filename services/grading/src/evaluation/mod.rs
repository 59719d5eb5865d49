//! Evaluation 评价: sheets under versions at a day; and the passing of days, which alone may change a grade.
pub mod rows;
pub mod rules;

use std::{collections::HashMap, sync::Arc};

use chassis::{
    Answer, Tx,
    clock::{business_day, micros},
};
use jiff::{Timestamp, civil::Date};
use tokio_util::sync::CancellationToken;

use crate::{
    Grading,
    days::Days,
    figures::Moves,
    schemes::{self, Version},
    sheets::{self, Sheet, rules::in_population},
};
use rules::Stands;

/// The grade of a sheet under a version at a day; none where the version does not grade the subject.
pub fn evaluate(sheet: &Sheet, version: &Version, day: Date) -> Option<rows::Row> {
    if !in_population(&sheet.row.domains, &version.domain) {
        return None;
    }
    let outcome = version.compiled.grade(&sheet.facts, day);
    Some(rules::row((&sheet.row.uscc, sheet.row.revision), (&version.scheme, version.number), outcome, day))
}

/// The grades of some subjects while their sheets change, and what the history will tell of the way. The transaction holds the sheets.
pub struct Book {
    lines: HashMap<(String, String), Line>,
    history: Vec<rows::Row>,
    // Where the subjects are, by their codes, and how the figures change.
    regions: HashMap<String, String>,
    moves: Moves,
    /// How many evaluations there were.
    pub evaluated: u64,
}

#[derive(Default)]
struct Line {
    stands: Option<rows::Row>,
    touched: bool,
}

impl Book {
    /// Opens it on what stands.
    pub async fn open(tx: &Tx, codes: &[&str]) -> Answer<Self> {
        let standing = rows::of_subjects(tx, codes).await?;
        let line = |row: rows::Row| {
            ((row.uscc.clone(), row.scheme.clone()), Line { stands: Some(row), touched: false })
        };
        let lines = standing.into_iter().map(line).collect();
        Ok(Self {
            lines,
            history: Vec::new(),
            regions: HashMap::new(),
            moves: Moves::default(),
            evaluated: 0,
        })
    }

    /// Says where a subject is: first as it stood, then after each change of its sheet.
    pub fn place(&mut self, sheet: &sheets::rows::Row, day: Date) {
        let Some(before) = self.regions.insert(sheet.uscc.clone(), sheet.region.clone()) else { return };
        if before == sheet.region {
            return;
        }
        for ((uscc, scheme), line) in &self.lines {
            if let (true, Some(row)) = (*uscc == sheet.uscc, &line.stands) {
                self.moves.relocate(day, scheme, (&before, &sheet.region), &row.grade);
            }
        }
    }

    /// Grades a sheet as it is now under a version at a day.
    pub fn grade(&mut self, sheet: &Sheet, version: &Version, day: Date) {
        let line = self.lines.entry((sheet.row.uscc.clone(), version.scheme.clone())).or_default();
        let region = &sheet.row.region;
        let Some(after) = evaluate(sheet, version, day) else {
            if let Some(before) = line.stands.take() {
                self.moves.add(day, &version.scheme, region, &before.grade, "");
                self.history.push(rules::left(before, day));
                line.touched = true;
            }
            return;
        };
        self.evaluated += 1;
        let effect = rules::effect(line.stands.as_ref().map(Stands::from), Stands::from(&after));
        if effect.told {
            self.history.push(after.clone());
        }
        let before = line.stands.as_ref().map_or("", |row| &row.grade);
        self.moves.add(day, &version.scheme, region, before, &after.grade);
        if effect.stored {
            *line = Line { stands: Some(after), touched: true };
        }
    }

    /// Stores what changed.
    pub async fn close(self, tx: &Tx, now: Timestamp) -> Answer<()> {
        let (mut stored, mut removed) = (Vec::new(), Vec::new());
        for (key, line) in self.lines {
            match line.stands {
                Some(row) if line.touched => stored.push(row),
                None if line.touched => removed.push(key),
                _ => {}
            }
        }
        // In one order, so that two who write meet as a wait and not as a deadlock.
        stored.sort_unstable_by(|a, b| (&a.uscc, &a.scheme).cmp(&(&b.uscc, &b.scheme)));
        rows::put(tx, &stored).await?;
        rows::remove(tx, &removed).await?;
        rows::remember(tx, &self.history, micros(now)).await?;
        self.moves.keep(tx).await
    }
}

const BATCH: usize = 1_000;

/// Grades that the passing of time alone may change.
pub fn of_grades() -> Days {
    Days::new(|day| {
        let en = format!("the grades of {day} are still being evaluated; try again shortly");
        (en, format!("{day}的等级仍在重新评价；请稍后重试"))
    })
}

/// Re-grades, day after day, whom the passing of time alone may have changed.
pub async fn pass_days(app: Arc<Grading>, stopping: CancellationToken) {
    app.due.follow(&app.clock, &stopping, || pass_to(&app)).await;
}

async fn pass_to(app: &Grading) -> Answer<()> {
    let db = app.store.read();
    for (scheme, _) in schemes::rows::published(db).await? {
        // A look costs no write lock; only where grades fell due are they held and graded.
        while rows::any_due(db, &scheme, app.clock.today()).await? {
            if !pass_batch(app, &scheme).await? {
                break;
            }
        }
    }
    Ok(())
}

// Whether anybody was graded: a scheme that was retired in the meantime grades nobody any more.
async fn pass_batch(app: &Grading, scheme: &str) -> Answer<bool> {
    let tx = app.store.begin().await?;
    schemes::rows::hold(&tx).await?;
    sheets::rows::hold(&tx).await?;
    let now = app.clock.now();
    let today = business_day(now);
    let mut versions = app.versions.in_force(&tx).await?;
    versions.retain(|version| version.scheme == scheme);
    let codes = rows::due(&tx, scheme, today, BATCH).await?;
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let mut book = Book::open(&tx, &codes).await?;
    for row in sheets::rows::find(&tx, &codes).await? {
        book.place(&row, today);
        let sheet = Sheet::read(row)?;
        for version in &versions {
            book.grade(&sheet, version, today);
        }
    }
    let evaluated = book.evaluated;
    book.close(&tx, now).await?;
    tx.commit().await?;
    app.evaluations.add("day", evaluated);
    Ok(evaluated > 0)
}
