//! Judges a row by a condition.
use std::cmp::Ordering;

use super::{Comparison, Condition, Literal, Node, Operand, TextTest};
use crate::facts::{Row, Scalar};

impl Condition {
    /// Whether the condition is true of the row.
    #[inline]
    pub(crate) fn holds(&self, row: &Row<'_>) -> bool {
        self.tests.iter().all(|test| test.holds(self, row))
    }

    pub(super) fn judge(&self, node: &Node, row: &Row<'_>) -> bool {
        match node {
            Node::All(nodes) => nodes.is_empty() || nodes.iter().all(|node| self.judge(node, row)),
            Node::Any(nodes) => nodes.iter().any(|node| self.judge(node, row)),
            Node::Not(node) => !self.judge(node, row),
            Node::True(operand) => self.value(operand, row) == Some(Scalar::Bool(true)),
            Node::Compare(left, comparison, right) => match (self.value(left, row), self.value(right, row)) {
                (Some(left), Some(right)) => comparison.holds(left, right),
                _ => false,
            },
            Node::In(operand, list) => self
                .value(operand, row)
                .is_some_and(|value| list.iter().any(|literal| literal.scalar() == value)),
            Node::Text(text, test, part) => match (self.value(text, row), self.value(part, row)) {
                (Some(Scalar::Text(text)), Some(Scalar::Text(part))) => test.holds(text, part),
                _ => false,
            },
            Node::Has(operand) => self.value(operand, row).is_some(),
        }
    }

    #[inline]
    fn value<'v>(&self, operand: &'v Operand, row: &Row<'v>) -> Option<Scalar<'v>> {
        match operand {
            Operand::Literal(literal) => Some(literal.scalar()),
            Operand::Severity => Some(Scalar::Number(row.severity())),
            Operand::Amount => row.amount().map(Scalar::Number),
            Operand::OccurredOn => Some(Scalar::Date(row.occurred())),
            Operand::Field(index) => row.field(&self.fields[*index]),
        }
    }
}

impl Literal {
    pub(super) fn scalar(&self) -> Scalar<'_> {
        match self {
            Self::Number(number) => Scalar::Number(*number),
            Self::Text(text) => Scalar::Text(text),
            Self::Bool(flag) => Scalar::Bool(*flag),
            Self::Date(day) => Scalar::Date(*day),
        }
    }
}

impl Comparison {
    /// Values of different types, which a changed catalogue can leave behind, compare as an absent one does.
    pub(super) fn holds(self, left: Scalar<'_>, right: Scalar<'_>) -> bool {
        order(left, right).is_some_and(|order| self.accepts(order))
    }

    /// Whether values in this order compare so.
    pub(super) fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    /// What holds of two values where this does not.
    pub(super) fn opposite(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// The same with the sides exchanged.
    pub(super) fn turned(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

fn order(left: Scalar<'_>, right: Scalar<'_>) -> Option<Ordering> {
    match (left, right) {
        (Scalar::Number(left), Scalar::Number(right)) => Some(left.cmp(&right)),
        (Scalar::Text(left), Scalar::Text(right)) => Some(left.cmp(right)),
        (Scalar::Bool(left), Scalar::Bool(right)) => Some(left.cmp(&right)),
        (Scalar::Date(left), Scalar::Date(right)) => Some(left.cmp(&right)),
        _ => None,
    }
}

impl TextTest {
    pub(super) fn holds(self, text: &str, part: &str) -> bool {
        match self {
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
            Self::Contains => text.contains(part),
        }
    }
}
