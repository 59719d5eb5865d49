//! Whether conditions can be true of any record at all. Where it is not sure the answer is yes: what is said to
//! be impossible is.
mod values;

use std::cmp::Ordering;

use super::{Condition, Literal, Node, Operand};
use crate::schema::Schemas;
use values::Seen;
pub(crate) use values::spells;

/// How many steps one question may take; beyond them the answer is yes.
const MOST_STEPS: u32 = 4_000;

/// What a record of an item would have to satisfy.
pub(crate) struct Question<'q> {
    schemas: &'q Schemas,
    item: &'q str,
    demands: Vec<Demand<'q>>,
}

#[derive(Clone, Copy)]
struct Demand<'q> {
    condition: &'q Condition,
    node: &'q Node,
    holds: bool,
}

/// What a condition speaks of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Name<'q> {
    Severity,
    Amount,
    OccurredOn,
    Field(&'q str),
}

/// What is known of the record on one way through the conditions.
#[derive(Clone, Default)]
struct Known<'q>(Vec<(Name<'q>, Seen<'q>)>);

impl<'q> Question<'q> {
    /// Can a record of the item be?
    pub(crate) fn of(schemas: &'q Schemas, item: &'q str) -> Self {
        Self { schemas, item, demands: Vec::new() }
    }

    /// … and this be true of it?
    pub(crate) fn holds(mut self, condition: &'q Condition) -> Self {
        self.demands.push(Demand { condition, node: &condition.root, holds: true });
        self
    }

    /// … and this be false of it?
    pub(crate) fn fails(mut self, condition: &'q Condition) -> Self {
        self.demands.push(Demand { condition, node: &condition.root, holds: false });
        self
    }

    /// Whether it can be.
    pub(crate) fn is_possible(&self) -> bool {
        let mut steps = MOST_STEPS;
        let known = Known::default();
        self.search(self.demands.clone(), Vec::new(), known, &mut steps)
    }

    /// First whatever must hold together, then, one after another, what is an alternative.
    fn search(
        &self,
        mut demands: Vec<Demand<'q>>,
        mut choices: Vec<Demand<'q>>,
        mut known: Known<'q>,
        steps: &mut u32,
    ) -> bool {
        while let Some(demand) = demands.pop() {
            let Some(left) = steps.checked_sub(1) else { return true };
            *steps = left;
            let with = |node: &'q Node| Demand { node, ..demand };
            match (demand.node, demand.holds) {
                (Node::All(nodes), true) | (Node::Any(nodes), false) => {
                    demands.extend(nodes.iter().map(with))
                }
                (Node::All(_), false) | (Node::Any(_), true) => choices.push(demand),
                (Node::Not(node), holds) => demands.push(Demand { node, holds: !holds, ..demand }),
                (atom, holds) => {
                    if !self.take(&mut known, demand.condition, atom, holds) {
                        return false;
                    }
                }
            }
        }
        let Some(choice) = choices.pop() else { return true };
        let (Node::All(nodes) | Node::Any(nodes)) = choice.node else { return true };
        nodes
            .iter()
            .any(|node| self.search(vec![Demand { node, ..choice }], choices.clone(), known.clone(), steps))
    }

    /// Takes in that an atom holds, or does not; false if it can't.
    fn take(&self, known: &mut Known<'q>, condition: &'q Condition, atom: &'q Node, holds: bool) -> bool {
        match atom {
            Node::Has(operand) => match name(condition, operand) {
                Some(name) => self.seen(known, name).has(holds),
                None => holds,
            },
            Node::True(Operand::Literal(literal)) => (*literal == Literal::Bool(true)) == holds,
            Node::True(operand) => match name(condition, operand) {
                Some(name) => self.seen(known, name).is_true(holds),
                None => true,
            },
            Node::In(Operand::Literal(literal), list) => list.contains(literal) == holds,
            Node::In(operand, list) => match name(condition, operand) {
                Some(name) => self.seen(known, name).among(&list.iter().collect::<Vec<_>>(), holds),
                None => true,
            },
            Node::Compare(left, comparison, right) => {
                match (left, right, name(condition, left), name(condition, right)) {
                    (Operand::Literal(left), Operand::Literal(right), ..) => {
                        comparison.holds(left.scalar(), right.scalar()) == holds
                    }
                    (_, Operand::Literal(literal), Some(name), _) => {
                        self.seen(known, name).compared(*comparison, literal, holds)
                    }
                    (Operand::Literal(literal), _, _, Some(name)) => {
                        self.seen(known, name).compared(comparison.turned(), literal, holds)
                    }
                    (_, _, Some(left), Some(right)) => {
                        // Of a value beside itself the order is known; of two values, that both are there.
                        let possible = left != right || comparison.accepts(Ordering::Equal);
                        !holds
                            || possible && self.seen(known, left).typed() && self.seen(known, right).typed()
                    }
                    _ => true,
                }
            }
            Node::Text(text, test, part) => {
                match (text, part, name(condition, text), name(condition, part)) {
                    (Operand::Literal(Literal::Text(text)), Operand::Literal(Literal::Text(part)), ..) => {
                        test.holds(text, part) == holds
                    }
                    (_, Operand::Literal(Literal::Text(part)), Some(name), _) => {
                        self.seen(known, name).tested(*test, part, holds)
                    }
                    (_, _, text, part) => {
                        !holds
                            || [text, part].into_iter().flatten().all(|name| self.seen(known, name).typed())
                    }
                }
            }
            Node::All(_) | Node::Any(_) | Node::Not(_) => true,
        }
    }

    fn seen<'k>(&self, known: &'k mut Known<'q>, name: Name<'q>) -> &'k mut Seen<'q> {
        let at = known.0.iter().position(|(other, _)| *other == name).unwrap_or_else(|| {
            known.0.push((name, self.any(name)));
            known.0.len() - 1
        });
        &mut known.0[at].1
    }

    /// What a record of the item may hold there.
    fn any(&self, name: Name<'q>) -> Seen<'q> {
        match name {
            Name::Severity => Seen::severity(),
            Name::OccurredOn => Seen::day(),
            Name::Amount => Seen::amount(),
            Name::Field(key) => match self.schemas.item(self.item).and_then(|fields| fields.get(key)) {
                None => Seen::nothing(),
                Some(kind) => Seen::field(*kind, self.schemas.limits(self.item, key)),
            },
        }
    }
}

fn name<'q>(condition: &'q Condition, operand: &Operand) -> Option<Name<'q>> {
    match operand {
        Operand::Literal(_) => None,
        Operand::Severity => Some(Name::Severity),
        Operand::Amount => Some(Name::Amount),
        Operand::OccurredOn => Some(Name::OccurredOn),
        Operand::Field(index) => condition.fields.get(*index).map(|key| Name::Field(key)),
    }
}
