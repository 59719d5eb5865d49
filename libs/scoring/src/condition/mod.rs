//! Conditions over a record (CONDITIONS.md): a subset of CEL, type-checked when a draft is saved, so that a
//! published scheme cannot fail on a record.
mod eval;
mod flat;
#[cfg(test)]
mod fuzz;
mod lexer;
mod parser;
mod reach;
#[cfg(test)]
mod tests;

use flat::Test;
pub(crate) use reach::{Question, spells};

use jiff::civil::Date;

use crate::{day::Day, decimal::Decimal, schema::Schema, text::Bilingual};

/// The characters of one condition at most.
pub const MAX_LENGTH: usize = 2_000;
/// How deep parentheses and `!` may stand in each other.
pub const MAX_DEPTH: u32 = 16;
/// How many different fields of items one condition may name.
pub const MAX_FIELDS: usize = 16;

/// What is wrong with a condition, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionFault {
    /// The column, in characters from 1.
    pub column: u32,
    /// What is wrong and what to do.
    pub message: Bilingual,
}

impl ConditionFault {
    fn new(column: u32, en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { column, message: Bilingual::new(en, zh) }
    }
}

/// A condition that is known to fit its items. Judging a record by it neither fails nor allocates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    root: Node,
    /// The same as the tree says: all of these hold.
    tests: Vec<Test>,
    /// The keys that [`Operand::Field`] counts into.
    fields: Vec<String>,
}

impl Condition {
    /// Reads a condition over the fields of a schema; an empty one is true.
    pub(crate) fn compile(source: &str, schema: &Schema<'_>) -> Result<Self, ConditionFault> {
        if source.chars().count() > MAX_LENGTH {
            return Err(ConditionFault::new(
                MAX_LENGTH as u32 + 1,
                format!("the condition is longer than {MAX_LENGTH} characters: split the indicator in two"),
                format!("条件超过 {MAX_LENGTH} 个字符：请拆分为两个指标"),
            ));
        }
        if source.trim().is_empty() {
            return Ok(Self::always());
        }
        parser::parse(source, schema)
    }

    /// What is true of records of the days after one.
    pub(crate) fn after(date: Date) -> Self {
        let day = Operand::Literal(Literal::Date(Day::of(date)));
        Self::only(Node::Compare(Operand::OccurredOn, Comparison::Greater, day), Vec::new())
    }

    /// What is true of records whose field is this text.
    pub(crate) fn text_is(key: &str, text: &str) -> Self {
        let text = Operand::Literal(Literal::Text(text.to_owned()));
        Self::only(Node::Compare(Operand::Field(0), Comparison::Equal, text), vec![key.to_owned()])
    }

    /// What is true of records of an amount below zero, or of one above it.
    pub(crate) fn amount_below_zero(below: bool) -> Self {
        let comparison = if below { Comparison::Less } else { Comparison::Greater };
        let zero = Operand::Literal(Literal::Number(Decimal::ZERO));
        Self::only(Node::Compare(Operand::Amount, comparison, zero), Vec::new())
    }

    fn only(root: Node, fields: Vec<String>) -> Self {
        Self { tests: Test::all(&root), root, fields }
    }

    /// What is true of every record.
    pub(crate) fn always() -> Self {
        Self::only(Node::All(Vec::new()), Vec::new())
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    /// A field or literal that is itself true or false.
    True(Operand),
    Compare(Operand, Comparison, Operand),
    In(Operand, Vec<Literal>),
    Text(Operand, TextTest, Operand),
    Has(Operand),
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Literal(Literal),
    Severity,
    Amount,
    OccurredOn,
    Field(usize),
}

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Number(Decimal),
    Text(String),
    Bool(bool),
    Date(Day),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}
