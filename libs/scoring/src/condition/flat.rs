//! Conditions as rows are judged by them: what most conditions are made of, a number in a range and a text among
//! texts, told apart beforehand; whatever else they say stays the tree that it is.
use super::{Comparison, Condition, Literal, Node, Operand};
use crate::facts::{Row, is_same};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    /// From the least to the greatest, in the units of [`Quantity::of`].
    Within(Quantity, i64, i64),
    /// The field is one of these texts.
    Among(usize, Vec<String>),
    Other(Node),
}

/// What every row has as one integer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Quantity {
    Severity,
    Amount,
    OccurredOn,
}

/// Where a row has no amount: below every range.
const NONE: i64 = i64::MIN;

impl Test {
    /// The tests of which all hold where the tree does.
    pub(super) fn all(root: &Node) -> Vec<Self> {
        match root {
            Node::All(nodes) => Self::each(nodes),
            node => vec![Self::of(node)],
        }
    }

    /// Ranges first: they are judged at less cost than texts, and may settle it.
    fn each(nodes: &[Node]) -> Vec<Self> {
        let mut tests: Vec<_> = nodes.iter().map(Self::of).collect();
        tests.sort_by_key(|test| !matches!(test, Self::Within(..)));
        tests
    }

    fn of(node: &Node) -> Self {
        let test = match node {
            Node::All(nodes) => Some(Self::All(Self::each(nodes))),
            Node::Any(nodes) => Some(Self::Any(Self::each(nodes))),
            Node::Compare(Operand::Literal(literal), comparison, operand) => {
                Self::comparison(operand, comparison.turned(), literal)
            }
            Node::Compare(operand, comparison, Operand::Literal(literal)) => {
                Self::comparison(operand, *comparison, literal)
            }
            Node::In(Operand::Field(field), list) => texts(list).map(|texts| Self::Among(*field, texts)),
            _ => None,
        };
        test.unwrap_or_else(|| Self::Other(node.clone()))
    }

    fn comparison(operand: &Operand, comparison: Comparison, literal: &Literal) -> Option<Self> {
        let (quantity, number) = match (operand, literal) {
            (Operand::Severity, Literal::Number(number)) => (Quantity::Severity, number.scaled()),
            (Operand::Amount, Literal::Number(number)) => (Quantity::Amount, number.scaled()),
            (Operand::OccurredOn, Literal::Date(day)) => (Quantity::OccurredOn, day.packed().into()),
            (Operand::Field(field), Literal::Text(text)) if comparison == Comparison::Equal => {
                return Some(Self::Among(*field, vec![text.clone()]));
            }
            _ => return None,
        };
        let (least, greatest) = match comparison {
            Comparison::Equal => (number, number),
            Comparison::NotEqual => return None,
            Comparison::Less => (NONE + 1, number - 1),
            Comparison::LessOrEqual => (NONE + 1, number),
            Comparison::Greater => (number + 1, i64::MAX),
            Comparison::GreaterOrEqual => (number, i64::MAX),
        };
        Some(Self::Within(quantity, least, greatest))
    }

    /// Ranges at once, as most tests are; the rest by a call.
    #[inline]
    pub(super) fn holds(&self, condition: &Condition, row: &Row<'_>) -> bool {
        match self {
            Self::Within(quantity, least, greatest) => {
                let number = quantity.of(row);
                *least <= number && number <= *greatest
            }
            // Of a copy, so that the row itself may stay in registers.
            _ => self.holds_rarer(condition, &{ *row }),
        }
    }

    fn holds_rarer(&self, condition: &Condition, row: &Row<'_>) -> bool {
        match self {
            Self::Within(..) => self.holds(condition, row),
            Self::Among(field, texts) => is_among(row.text(&condition.fields[*field]), texts),
            Self::All(tests) => tests.iter().all(|test| test.holds(condition, row)),
            Self::Any(tests) => tests.iter().any(|test| test.holds(condition, row)),
            Self::Other(node) => condition.judge(node, row),
        }
    }
}

impl Quantity {
    #[inline]
    fn of(self, row: &Row<'_>) -> i64 {
        match self {
            Self::Severity => row.severity().scaled(),
            Self::Amount => row.amount_scaled(),
            Self::OccurredOn => row.occurred().packed().into(),
        }
    }
}

#[inline]
fn is_among(own: Option<&[u8]>, texts: &[String]) -> bool {
    own.is_some_and(|own| texts.iter().any(|text| is_same(own, text.as_bytes())))
}

fn texts(list: &[Literal]) -> Option<Vec<String>> {
    let text = |literal: &Literal| if let Literal::Text(text) = literal { Some(text.clone()) } else { None };
    list.iter().map(text).collect()
}
