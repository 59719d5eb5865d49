//! Cuts a condition into tokens, each with the column where it begins.
use super::ConditionFault;
use crate::decimal::Decimal;

/// The signs of the language, the longer before those that begin them.
const SIGNS: &[&str] = &["==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "[", "]", ",", "."];

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Sign(&'static str),
    Name(String),
    Number(Decimal),
    Text(String),
    End,
}

/// The tokens with their columns; the last is the end.
pub(super) fn tokens(source: &str) -> Result<Vec<(Token, u32)>, ConditionFault> {
    let mut lexer = Lexer { rest: source, column: 1 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_while(char::is_whitespace);
        let column = lexer.column;
        let token = lexer.token()?;
        let last = token == Token::End;
        tokens.push((token, column));
        if last {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    column: u32,
}

impl<'a> Lexer<'a> {
    fn token(&mut self) -> Result<Token, ConditionFault> {
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        let second = self.rest.chars().nth(1);
        match first {
            '"' | '\'' => self.text(first),
            '-' if second.is_some_and(|next| next.is_ascii_digit()) => self.number(),
            _ if first.is_ascii_digit() => self.number(),
            _ if first.is_ascii_alphabetic() || first == '_' => {
                let name = self.skip_while(|character| character.is_ascii_alphanumeric() || character == '_');
                Ok(Token::Name(name.to_owned()))
            }
            _ => self.sign(first),
        }
    }

    fn sign(&mut self, first: char) -> Result<Token, ConditionFault> {
        let Some(sign) = SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) else {
            return Err(unknown_sign(first, self.column));
        };
        self.skip(sign.len());
        Ok(Token::Sign(sign))
    }

    fn number(&mut self) -> Result<Token, ConditionFault> {
        let column = self.column;
        let sign = if self.rest.starts_with('-') { 1 } else { 0 };
        let length = self.rest[sign..].find(|character: char| {
            !character.is_ascii_alphanumeric() && character != '.' && character != '_'
        });
        let text = self.skip(length.map_or(self.rest.len(), |length| length + sign));
        Decimal::parse(text).map(Token::Number).map_err(|fault| {
            let why = fault.message();
            ConditionFault::new(column, format!("{text} {}", why.en), format!("{text} {}", why.zh))
        })
    }

    fn text(&mut self, quote: char) -> Result<Token, ConditionFault> {
        let opened = self.column;
        let mut text = String::new();
        self.next();
        loop {
            let column = self.column;
            match self.next() {
                Some(character) if character == quote => return Ok(Token::Text(text)),
                Some('\\') => text.push(self.escape(column)?),
                Some(character) => text.push(character),
                None => {
                    return Err(ConditionFault::new(
                        opened,
                        format!("the text that opens here never ends: close it with {quote}"),
                        format!("此处开始的文本没有结束：请以 {quote} 结尾"),
                    ));
                }
            }
        }
    }

    fn escape(&mut self, column: u32) -> Result<char, ConditionFault> {
        let escaped = match self.next() {
            Some(character @ ('\\' | '\'' | '"')) => Some(character),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('u') => self
                .rest
                .get(..4)
                .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                .and_then(char::from_u32)
                .inspect(|_| {
                    self.skip(4);
                }),
            _ => None,
        };
        escaped.ok_or_else(|| {
            ConditionFault::new(
                column,
                r#"unknown escape: write \\ \' \" \n \r \t or \u with four hexadecimal digits"#,
                r#"无法识别的转义：可用 \\ \' \" \n \r \t，或 \u 加四位十六进制数"#,
            )
        })
    }

    fn next(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.skip(character.len_utf8());
        Some(character)
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let length = self.rest.find(|character| !wanted(character)).unwrap_or(self.rest.len());
        self.skip(length)
    }

    fn skip(&mut self, bytes: usize) -> &'a str {
        let (skipped, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.column += skipped.chars().count() as u32;
        skipped
    }
}

/// Names what was probably meant: an input method's full-width signs, and other languages' operators.
fn unknown_sign(sign: char, column: u32) -> ConditionFault {
    let meant = match sign {
        '=' => Some("==".to_owned()),
        '&' => Some("&&".to_owned()),
        '|' => Some("||".to_owned()),
        '“' | '”' | '‘' | '’' | '「' | '」' => Some("\"".to_owned()),
        '，' | '、' => Some(",".to_owned()),
        '≥' => Some(">=".to_owned()),
        '≤' => Some("<=".to_owned()),
        '≠' => Some("!=".to_owned()),
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(sign) - 0xfee0).map(String::from),
        _ => None,
    };
    match meant {
        Some(meant) => ConditionFault::new(
            column,
            format!("{sign} is not part of the language: write {meant}"),
            format!("不支持符号 {sign}：请写 {meant}"),
        ),
        None => ConditionFault::new(
            column,
            format!("{sign:?} is not part of the language: remove it, or put text into quotes"),
            format!("不支持符号 {sign:?}：请删除，文本请加引号"),
        ),
    }
}
