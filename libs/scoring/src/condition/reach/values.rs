//! What is known of one value of a record that is only supposed: each question narrows it, and answers whether
//! anything is left.
use std::cmp::Ordering;

use jiff::civil::date;

use crate::{
    condition::{Comparison, Literal, TextTest},
    day::Day,
    decimal::Decimal,
    schema::{FieldType, Limits},
};

/// A value that may be absent, of another type than the catalogue's, or one of some.
#[derive(Clone)]
pub(super) struct Seen<'q> {
    absent: bool,
    strange: bool,
    values: Values<'q>,
}

#[derive(Clone)]
enum Values<'q> {
    None,
    Numbers(Span),
    Dates(Span),
    Texts(Words<'q>),
    Truths { yes: bool, no: bool },
}

impl<'q> Seen<'q> {
    /// Nothing can be there.
    pub(super) fn nothing() -> Self {
        Self { absent: true, strange: false, values: Values::None }
    }

    pub(super) fn severity() -> Self {
        let (least, most) = (Decimal::whole(i32::MIN).scaled(), Decimal::whole(i32::MAX).scaled());
        let step = Decimal::whole(1).scaled();
        Self {
            absent: false,
            strange: false,
            values: Values::Numbers(Span { least, most, step, ..Span::ALL }),
        }
    }

    pub(super) fn day() -> Self {
        Self { absent: false, strange: false, values: Values::Dates(Span::ALL) }
    }

    pub(super) fn amount() -> Self {
        Self { absent: true, strange: false, values: Values::Numbers(Span::ALL) }
    }

    /// A field of this type. Records older than the catalogue may lack what it asks for now, and hold it in
    /// another type.
    pub(super) fn field(kind: FieldType, limits: Option<&'q Limits>) -> Self {
        let bounds = |read: fn(&str) -> Option<i64>| {
            let bound = |text: fn(&Limits) -> &String| limits.and_then(|limits| read(text(limits)));
            Span {
                least: bound(|limits| &limits.minimum).unwrap_or(i64::MIN),
                most: bound(|limits| &limits.maximum).unwrap_or(i64::MAX),
                ..Span::ALL
            }
        };
        let values = match kind {
            FieldType::Number => {
                Values::Numbers(bounds(|text| Decimal::parse(text).ok().map(Decimal::scaled)))
            }
            FieldType::Date => {
                Values::Dates(bounds(|text| text.parse().ok().map(|date| number(Day::of(date)))))
            }
            FieldType::Text => Values::Texts(Words::of(limits.map_or(&[], |limits| &limits.vocabulary))),
            FieldType::Bool => Values::Truths { yes: true, no: true },
        };
        Self { absent: true, strange: true, values }
    }

    fn is_possible(&self) -> bool {
        self.absent
            || self.strange
            || match &self.values {
                Values::None => false,
                Values::Numbers(span) | Values::Dates(span) => span.is_possible(),
                Values::Texts(words) => words.is_possible(),
                Values::Truths { yes, no } => *yes || *no,
            }
    }

    /// It is there, or it is not.
    pub(super) fn has(&mut self, holds: bool) -> bool {
        if holds {
            self.absent = false;
        } else {
            (self.strange, self.values) = (false, Values::None);
        }
        self.is_possible()
    }

    /// It is there, in the catalogue's type.
    pub(super) fn typed(&mut self) -> bool {
        (self.absent, self.strange) = (false, false);
        self.is_possible()
    }

    /// A truth that is true, or is not.
    pub(super) fn is_true(&mut self, holds: bool) -> bool {
        if let Values::Truths { yes, no } = &mut self.values {
            *(if holds { no } else { yes }) = false;
        }
        if holds { self.typed() } else { self.is_possible() }
    }

    /// It is one of these, or none of them.
    pub(super) fn among(&mut self, list: &[&'q Literal], holds: bool) -> bool {
        match &mut self.values {
            Values::None => {}
            Values::Numbers(span) | Values::Dates(span) => {
                let list = list.iter().filter_map(|literal| number_of(literal)).collect();
                if holds { span.narrow(list) } else { span.without.extend(list) }
            }
            Values::Texts(words) => {
                let list = list.iter().filter_map(|literal| text_of(literal)).collect();
                if holds { words.narrow(list) } else { words.without.extend(list) }
            }
            Values::Truths { yes, no } => {
                *yes &= list.contains(&&Literal::Bool(true)) == holds;
                *no &= list.contains(&&Literal::Bool(false)) == holds;
            }
        }
        if holds { self.typed() } else { self.is_possible() }
    }

    /// It compares so with the literal, or does not.
    pub(super) fn compared(&mut self, comparison: Comparison, literal: &'q Literal, holds: bool) -> bool {
        let comparison = if holds { comparison } else { comparison.opposite() };
        match (comparison, &mut self.values) {
            (Comparison::Equal, _) => self.narrowed(literal, true),
            (Comparison::NotEqual, _) => self.narrowed(literal, false),
            (_, Values::Numbers(span) | Values::Dates(span)) => {
                if let Some(bound) = number_of(literal) {
                    span.bound(comparison, bound);
                }
            }
            (_, Values::Texts(words)) => words.bounds.extend(text_of(literal).map(|text| (comparison, text))),
            (_, Values::None | Values::Truths { .. }) => {}
        }
        if holds { self.typed() } else { self.is_possible() }
    }

    fn narrowed(&mut self, literal: &'q Literal, holds: bool) {
        let (absent, strange) = (self.absent, self.strange);
        self.among(&[literal], holds);
        (self.absent, self.strange) = (absent, strange);
    }

    /// A text passes the test, or does not.
    pub(super) fn tested(&mut self, test: TextTest, part: &'q str, holds: bool) -> bool {
        if let Values::Texts(words) = &mut self.values {
            words.tests.push((test, part, holds));
        }
        if holds { self.typed() } else { self.is_possible() }
    }
}

fn number_of(literal: &Literal) -> Option<i64> {
    match literal {
        Literal::Number(number) => Some(number.scaled()),
        Literal::Date(day) => Some(number(*day)),
        Literal::Text(_) | Literal::Bool(_) => None,
    }
}

fn text_of(literal: &Literal) -> Option<&str> {
    if let Literal::Text(text) = literal { Some(text) } else { None }
}

/// A day as a number of days: packed ones leave gaps between months.
pub(super) fn number(day: Day) -> i64 {
    day.date().map_or(i64::MAX, |day| day.duration_since(date(1970, 1, 1)).as_hours() / 24)
}

/// Whole numbers between two, in steps.
#[derive(Clone)]
struct Span {
    least: i64,
    most: i64,
    step: i64,
    only: Option<Vec<i64>>,
    without: Vec<i64>,
}

impl Span {
    const ALL: Self = Self { least: i64::MIN, most: i64::MAX, step: 1, only: None, without: Vec::new() };

    fn narrow(&mut self, list: Vec<i64>) {
        match &mut self.only {
            None => self.only = Some(list),
            Some(only) => only.retain(|number| list.contains(number)),
        }
    }

    fn bound(&mut self, comparison: Comparison, bound: i64) {
        match comparison {
            Comparison::Less => self.most = self.most.min(bound.saturating_sub(1)),
            Comparison::LessOrEqual => self.most = self.most.min(bound),
            Comparison::Greater => self.least = self.least.max(bound.saturating_add(1)),
            Comparison::GreaterOrEqual => self.least = self.least.max(bound),
            Comparison::Equal | Comparison::NotEqual => {}
        }
    }

    fn admits(&self, number: i64) -> bool {
        (self.least..=self.most).contains(&number)
            && number % self.step == 0
            && !self.without.contains(&number)
    }

    fn is_possible(&self) -> bool {
        if let Some(only) = &self.only {
            return only.iter().any(|number| self.admits(*number));
        }
        let step = i128::from(self.step);
        let least = (i128::from(self.least) + step - 1).div_euclid(step);
        let count = i128::from(self.most).div_euclid(step) - least + 1;
        // Beyond as many as are left out there is one left.
        let looked_at = count.min(self.without.len() as i128 + 1);
        (0..looked_at)
            .any(|index| i64::try_from((least + index) * step).is_ok_and(|number| self.admits(number)))
    }
}

/// Texts, of a vocabulary if there is one.
#[derive(Clone)]
pub(super) struct Words<'q> {
    vocabulary: &'q [String],
    only: Option<Vec<&'q str>>,
    without: Vec<&'q str>,
    bounds: Vec<(Comparison, &'q str)>,
    tests: Vec<(TextTest, &'q str, bool)>,
}

impl<'q> Words<'q> {
    fn of(vocabulary: &'q [String]) -> Self {
        Self { vocabulary, only: None, without: Vec::new(), bounds: Vec::new(), tests: Vec::new() }
    }

    fn narrow(&mut self, list: Vec<&'q str>) {
        match &mut self.only {
            None => self.only = Some(list),
            Some(only) => only.retain(|word| list.contains(word)),
        }
    }

    fn is_possible(&self) -> bool {
        match &self.only {
            Some(only) => only.iter().any(|word| self.admits(word)),
            None => !self.bounds_exclude_each_other() && !self.tests_exclude_each_other(),
        }
    }

    fn admits(&self, word: &str) -> bool {
        spells(self.vocabulary, word)
            && !self.without.contains(&word)
            && self.bounds.iter().all(|(comparison, bound)| comparison.accepts(word.cmp(bound)))
            && self.tests.iter().all(|(test, part, holds)| test.holds(word, part) == *holds)
    }

    fn bounds_exclude_each_other(&self) -> bool {
        let above = |comparison: Comparison| comparison.accepts(Ordering::Greater);
        let lows = self.bounds.iter().filter(|(comparison, _)| above(*comparison));
        lows.into_iter().any(|(low, least)| {
            let highs = self.bounds.iter().filter(|(comparison, _)| !above(*comparison));
            highs.into_iter().any(|(high, most)| match least.cmp(most) {
                Ordering::Less => false,
                Ordering::Equal => {
                    !low.accepts(Ordering::Equal) || !high.accepts(Ordering::Equal) || !self.admits(least)
                }
                Ordering::Greater => true,
            })
        })
    }

    fn tests_exclude_each_other(&self) -> bool {
        let held = |wanted: TextTest| {
            self.tests
                .iter()
                .filter(move |(test, _, holds)| *holds && *test == wanted)
                .map(|(_, part, _)| *part)
        };
        let begins = |a: &str, b: &str| !a.starts_with(b) && !b.starts_with(a);
        let ends = |a: &str, b: &str| !a.ends_with(b) && !b.ends_with(a);
        held(TextTest::StartsWith).any(|a| held(TextTest::StartsWith).any(|b| begins(a, b)))
            || held(TextTest::EndsWith).any(|a| held(TextTest::EndsWith).any(|b| ends(a, b)))
            || self.tests.iter().any(|(test, part, holds)| self.tests.contains(&(*test, *part, !holds)))
    }
}

/// Whether a vocabulary lets a field hold the text: one of its words, or several with signs between them, each
/// with a note after a hyphen if need be, as the catalogue takes them.
pub(crate) fn spells(vocabulary: &[String], text: &str) -> bool {
    let known = |word: &str| {
        let word = word.trim();
        let noted = word.split_once(['-', '－', '—']).map_or(word, |(word, _)| word.trim_end());
        vocabulary.iter().any(|allowed| allowed == word || allowed == noted)
    };
    let mut words = text.split([';', '；', ',', '，', '、']).filter(|word| !word.trim().is_empty());
    vocabulary.is_empty() || known(text) || words.all(known)
}
