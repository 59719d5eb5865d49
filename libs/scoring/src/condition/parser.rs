//! Reads tokens into a typed tree. Whatever could fail or mean nothing on a record is refused here, with its
//! column.
use super::lexer::{Token, tokens};
use super::{Comparison, Condition, ConditionFault, Literal, MAX_DEPTH, MAX_FIELDS, Node, Operand, TextTest};
use crate::{
    day::Day,
    schema::{FieldType, Schema},
};

/// The values that one list of `in` has at most.
const MAX_LIST: usize = 200;

type Parsed<T> = Result<T, ConditionFault>;

/// A part of the condition before it is known what it is used for.
enum Part {
    Truth(Node),
    Value(Value),
}

struct Value {
    operand: Operand,
    kind: FieldType,
    column: u32,
}

pub(super) fn parse(source: &str, schema: &Schema<'_>) -> Parsed<Condition> {
    let mut parser = Parser { tokens: tokens(source)?, at: 0, depth: 0, fields: Vec::new(), schema };
    let root = parser.truth(Parser::any)?;
    if *parser.peek() != Token::End {
        return Err(parser.unexpected("an operator like && or == or the end", "运算符（如 &&、==）或结尾"));
    }
    Ok(Condition::only(root, parser.fields))
}

struct Parser<'s> {
    tokens: Vec<(Token, u32)>,
    at: usize,
    depth: u32,
    fields: Vec<String>,
    schema: &'s Schema<'s>,
}

impl Parser<'_> {
    fn any(&mut self) -> Parsed<Part> {
        self.chain("||", Self::all, Node::Any)
    }

    fn all(&mut self) -> Parsed<Part> {
        self.chain("&&", Self::relation, Node::All)
    }

    /// A run of parts joined by one sign: a flat list, so that its length costs no depth.
    fn chain(
        &mut self,
        sign: &str,
        part: fn(&mut Self) -> Parsed<Part>,
        join: fn(Vec<Node>) -> Node,
    ) -> Parsed<Part> {
        let column = self.column();
        let first = part(self)?;
        if !self.is_sign(sign) {
            return Ok(first);
        }
        let mut nodes = vec![truth(first, column)?];
        while self.take(sign) {
            nodes.push(self.truth(part)?);
        }
        Ok(Part::Truth(join(nodes)))
    }

    fn truth(&mut self, part: fn(&mut Self) -> Parsed<Part>) -> Parsed<Node> {
        let column = self.column();
        truth(part(self)?, column)
    }

    fn relation(&mut self) -> Parsed<Part> {
        let start = self.column();
        let left = self.unary()?;
        let column = self.column();
        if self.is_name("in") {
            self.advance();
            return self.membership(value(left, start)?);
        }
        let Some(comparison) = self.comparison() else { return Ok(left) };
        let left = value(left, start)?;
        let start = self.column();
        let right = value(self.unary()?, start)?;
        let chained = self.column();
        if self.comparison().is_some() {
            return Err(fault(
                chained,
                "comparisons cannot be chained: join two of them with &&",
                "比较不能连写：请用 && 连接两个比较",
            ));
        }
        Ok(Part::Truth(compare(left, comparison, right, column)?))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let Token::Sign(sign) = self.peek() else { return None };
        let comparison = match *sign {
            "==" => Comparison::Equal,
            "!=" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.advance();
        Some(comparison)
    }

    fn membership(&mut self, left: Value) -> Parsed<Part> {
        let column = self.column();
        self.expect("[")?;
        let mut list = Vec::new();
        loop {
            let start = self.column();
            let right = value(self.unary()?, start)?;
            let column = right.column;
            let (_, right) = unified(&left, right, column)?;
            let Operand::Literal(literal) = right else {
                return Err(fault(
                    column,
                    "a list holds literal values only: use == and || for fields",
                    "列表中只能写常量：字段请用 == 和 ||",
                ));
            };
            list.push(literal);
            if !self.take(",") {
                break;
            }
        }
        self.expect("]")?;
        if list.len() > MAX_LIST {
            return Err(fault(
                column,
                &format!("the list has more than {MAX_LIST} values: shorten it"),
                &format!("列表超过 {MAX_LIST} 个值：请精简"),
            ));
        }
        Ok(Part::Truth(Node::In(left.operand, list)))
    }

    fn unary(&mut self) -> Parsed<Part> {
        if !self.is_sign("!") {
            return self.primary();
        }
        self.advance();
        self.deeper(|parser| Ok(Part::Truth(Node::Not(Box::new(parser.truth(Self::unary)?)))))
    }

    fn primary(&mut self) -> Parsed<Part> {
        let column = self.column();
        let part = if self.take("(") {
            let inner = self.deeper(Self::any)?;
            self.expect(")")?;
            inner
        } else if self.is_name("has") && self.sign_follows("(") {
            self.presence()?
        } else {
            Part::Value(self.operand()?)
        };
        if self.take(".") { self.text_test(value(part, column)?) } else { Ok(part) }
    }

    /// Counts the nesting, so that no condition can exhaust the stack.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return Err(fault(
                self.column(),
                &format!("nested more than {MAX_DEPTH} deep: simplify the condition"),
                &format!("嵌套超过 {MAX_DEPTH} 层：请简化条件"),
            ));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn presence(&mut self) -> Parsed<Part> {
        self.advance();
        self.expect("(")?;
        let field = self.operand()?;
        if matches!(field.operand, Operand::Literal(_)) {
            return Err(fault(
                field.column,
                "has() asks about a field: name one",
                "has() 用于判断字段：请写字段名",
            ));
        }
        self.expect(")")?;
        Ok(Part::Truth(Node::Has(field.operand)))
    }

    /// `.startsWith(…)` and its like, after the text that they test.
    fn text_test(&mut self, text: Value) -> Parsed<Part> {
        let test = match self.peek() {
            Token::Name(name) if name == "startsWith" => TextTest::StartsWith,
            Token::Name(name) if name == "endsWith" => TextTest::EndsWith,
            Token::Name(name) if name == "contains" => TextTest::Contains,
            _ => {
                return Err(
                    self.unexpected("startsWith, endsWith or contains", "startsWith、endsWith 或 contains")
                );
            }
        };
        self.advance();
        self.expect("(")?;
        let start = self.column();
        let part = value(self.deeper(Self::unary)?, start)?;
        self.expect(")")?;
        for side in [&text, &part] {
            if side.kind != FieldType::Text {
                let is = side.kind.noun();
                return Err(fault(
                    side.column,
                    &format!("this is {}: only text can be tested so", is.en),
                    &format!("此处为{}：该函数只用于文本", is.zh),
                ));
            }
        }
        Ok(Part::Truth(Node::Text(text.operand, test, part.operand)))
    }

    /// A literal or a field.
    fn operand(&mut self) -> Parsed<Value> {
        let column = self.column();
        let (literal, kind) = match self.peek().clone() {
            Token::Number(number) => (Literal::Number(number), FieldType::Number),
            Token::Text(text) => (Literal::Text(text), FieldType::Text),
            Token::Name(name) => return self.name(&name, column),
            _ => {
                return Err(
                    self.unexpected("a field, a number, a quoted text or (", "字段、数字、带引号的文本或 (")
                );
            }
        };
        self.advance();
        Ok(Value { operand: Operand::Literal(literal), kind, column })
    }

    fn name(&mut self, name: &str, column: u32) -> Parsed<Value> {
        if let "and" | "or" | "not" | "AND" | "OR" | "NOT" = name {
            let sign = match name.to_ascii_lowercase().as_str() {
                "and" => "&&",
                "or" => "||",
                _ => "!",
            };
            let (en, zh) = (
                format!("{name} is not an operator: write {sign}"),
                format!("{name} 不是运算符：请写 {sign}"),
            );
            return Err(fault(column, &en, &zh));
        }
        self.advance();
        if self.is_sign("(") {
            return Err(fault(
                column,
                &format!(
                    "there is no function {name}: use has(field), or text.startsWith, .endsWith, .contains"
                ),
                &format!("没有函数 {name}：可用 has(字段)，以及文本的 startsWith、endsWith、contains"),
            ));
        }
        let (operand, kind) = match name {
            "true" | "false" => (Operand::Literal(Literal::Bool(name == "true")), FieldType::Bool),
            "severity" => (Operand::Severity, FieldType::Number),
            "amount" => (Operand::Amount, FieldType::Number),
            "occurredOn" => (Operand::OccurredOn, FieldType::Date),
            "fields" if self.is_sign(".") || self.is_sign("[") => {
                let key = self.key()?;
                return self.field(&key, column);
            }
            _ => return self.field(name, column),
        };
        Ok(Value { operand, kind, column })
    }

    /// The key after `fields`: `.key` or `["key"]`.
    fn key(&mut self) -> Parsed<String> {
        let indexed = self.take("[");
        if !indexed {
            self.expect(".")?;
        }
        let key = match self.peek() {
            Token::Text(key) if indexed => key.clone(),
            Token::Name(key) if !indexed => key.clone(),
            _ if indexed => return Err(self.unexpected("the field's key in quotes", "带引号的字段键")),
            _ => return Err(self.unexpected("the field's key", "字段键")),
        };
        self.advance();
        if indexed {
            self.expect("]")?;
        }
        Ok(key)
    }

    fn field(&mut self, key: &str, column: u32) -> Parsed<Value> {
        let kind = self.kind_of(key, column)?;
        let index = self.fields.iter().position(|known| known == key).unwrap_or_else(|| {
            self.fields.push(key.to_owned());
            self.fields.len() - 1
        });
        if index >= MAX_FIELDS {
            return Err(fault(
                column,
                &format!("the condition names more than {MAX_FIELDS} fields: split the indicator in two"),
                &format!("条件使用的字段超过 {MAX_FIELDS} 个：请拆分为两个指标"),
            ));
        }
        Ok(Value { operand: Operand::Field(index), kind, column })
    }

    /// The one type that all items of the indicator give to the key.
    fn kind_of(&self, key: &str, column: u32) -> Parsed<FieldType> {
        let found = self.schema.field(key);
        let Some((item, kind)) = found.first() else {
            let keys = self.schema.keys();
            let (none_en, none_zh) = if keys.is_empty() { ("none", "无") } else { ("", "") };
            return Err(fault(
                column,
                &format!(
                    "unknown field {key}: there are severity, amount, occurredOn, and of these items: {keys}{none_en}"
                ),
                &format!(
                    "未知字段 {key}：可用 severity、amount、occurredOn，以及所选事项的字段：{keys}{none_zh}"
                ),
            ));
        };
        if let Some((other, differs)) = found.iter().find(|(_, other)| other != kind) {
            let (one, two) = (kind.noun(), differs.noun());
            return Err(fault(
                column,
                &format!(
                    "{key} is {} in {item} but {} in {other}: make an indicator for each",
                    one.en, two.en
                ),
                &format!("{key} 在 {item} 中为{}，在 {other} 中为{}：请分设指标", one.zh, two.zh),
            ));
        }
        Ok(*kind)
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn column(&self) -> u32 {
        self.tokens[self.at].1
    }

    /// Goes on by one token, but never past the end.
    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(next) if *next == sign)
    }

    fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Token::Name(next) if next == name)
    }

    fn sign_follows(&self, sign: &str) -> bool {
        matches!(self.tokens.get(self.at + 1), Some((Token::Sign(next), _)) if *next == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let taken = self.is_sign(sign);
        if taken {
            self.advance();
        }
        taken
    }

    fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(sign, sign)) }
    }

    fn unexpected(&self, en: &str, zh: &str) -> ConditionFault {
        let (found, found_zh) = match self.peek() {
            Token::End => ("the end".to_owned(), "结尾".to_owned()),
            Token::Sign(sign) => ((*sign).to_owned(), (*sign).to_owned()),
            Token::Name(name) => (name.clone(), name.clone()),
            Token::Number(number) => (number.to_string(), number.to_string()),
            Token::Text(text) => (format!("{text:?}"), format!("{text:?}")),
        };
        fault(
            self.column(),
            &format!("expected {en}, found {found}"),
            &format!("此处应为{zh}，实为 {found_zh}"),
        )
    }
}

fn fault(column: u32, en: &str, zh: &str) -> ConditionFault {
    ConditionFault::new(column, en, zh)
}

/// The part as something that is true or false.
fn truth(part: Part, column: u32) -> Parsed<Node> {
    match part {
        Part::Truth(node) => Ok(node),
        Part::Value(Value { operand, kind: FieldType::Bool, .. }) => Ok(Node::True(operand)),
        Part::Value(Value { kind, .. }) => {
            let is = kind.noun();
            Err(fault(
                column,
                &format!("this is {}: compare it with something, so that it is true or false", is.en),
                &format!("此处为{}：请写成比较，使其结果为真或假", is.zh),
            ))
        }
    }
}

/// The part as a value that can be compared.
fn value(part: Part, column: u32) -> Parsed<Value> {
    match part {
        Part::Value(value) => Ok(value),
        Part::Truth(_) => Err(fault(
            column,
            "this is a condition, not a value: join conditions with && and ||",
            "此处是条件而不是值：条件之间请用 && 和 || 连接",
        )),
    }
}

fn compare(left: Value, comparison: Comparison, right: Value, column: u32) -> Parsed<Node> {
    if left.kind == FieldType::Bool && !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
        let (en, zh) = ("true and false have no order: use == or !=", "真假值没有大小之分：请用 == 或 !=");
        return Err(fault(column, en, zh));
    }
    let (left, right) = unified(&left, right, column)?;
    Ok(Node::Compare(left, comparison, right))
}

/// Both sides in one type. A quoted text beside a date is a date.
fn unified(left: &Value, right: Value, column: u32) -> Parsed<(Operand, Operand)> {
    match (left.kind, right.kind) {
        (one, other) if one == other => Ok((left.operand.clone(), right.operand)),
        (FieldType::Date, FieldType::Text) => Ok((left.operand.clone(), dated(&right, column)?)),
        (FieldType::Text, FieldType::Date) => Ok((dated(left, column)?, right.operand)),
        (one, other) => Err(mismatch(one, other, column)),
    }
}

fn dated(text: &Value, column: u32) -> Parsed<Operand> {
    let Operand::Literal(Literal::Text(written)) = &text.operand else {
        return Err(mismatch(FieldType::Date, FieldType::Text, column));
    };
    match written.parse() {
        Ok(date) if written.len() == "YYYY-MM-DD".len() => Ok(Operand::Literal(Literal::Date(Day::of(date)))),
        _ => Err(fault(
            text.column,
            &format!("{written:?} is not a date: write it as YYYY-MM-DD"),
            &format!("{written:?} 不是日期：请写成 YYYY-MM-DD"),
        )),
    }
}

fn mismatch(one: FieldType, other: FieldType, column: u32) -> ConditionFault {
    let (one, other) = (one.noun(), other.noun());
    fault(
        column,
        &format!("{} cannot be compared with {}: both sides must be of one type", one.en, other.en),
        &format!("{}与{}不能比较：两侧类型须一致", one.zh, other.zh),
    )
}
