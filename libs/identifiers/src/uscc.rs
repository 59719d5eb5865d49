//! The unified social credit code 统一社会信用代码 (GB 32100-2015): normalised, judged, and refused with its own reason.

use std::fmt;

/// The 31 characters of GB 32100-2015, by value: no I, O, S, V, Z.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// The value of each byte in the alphabet.
const VALUES: [u8; 256] = {
    let mut values = [STRANGER; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        values[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    values
};
const STRANGER: u8 = u8::MAX;

/// Weights 3^(i-1) mod 31 of places 1 to 17.
const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];

/// Weights of GB 11714-1997 for the organisation code in places 9 to 16.
const ORGANISATION_WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// What people and systems put where characters are hidden.
const MASKS: [char; 9] = ['*', '●', '•', '×', '█', '■', '□', '※', '…'];

/// A well-formed code of 18 places. Its check character may fail: see [`Uscc::status`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uscc([u8; 18]);

/// Whether a code's check character holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeStatus {
    /// The check character is the one that GB 32100-2015 computes.
    Conforming,
    /// The code was issued though its check fails, as registries did, mostly before 2016.
    Nonconforming,
}

impl CodeStatus {
    /// The spelling of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conforming => "CONFORMING",
            Self::Nonconforming => "NONCONFORMING",
        }
    }
}

/// Why a code is refused. No message repeats what was given: it may be a citizen's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeFault {
    /// Not of 18 places.
    Length {
        /// The places found after normalisation.
        found: usize,
    },
    /// A character that the standard does not use.
    Character {
        /// The place, from 1.
        position: usize,
        /// The character found there.
        found: char,
    },
    /// The check character does not fit the 17 before it.
    CheckFailed,
    /// Places are hidden behind asterisks or the like.
    Masked,
    /// A spreadsheet took the code for a number and kept 15 digits of it.
    Rounded,
    /// A business registration number 工商注册号 from before the unified code.
    LegacyRegistrationNumber,
    /// A natural person's number.
    PersonalIdentityNumber,
}

impl Uscc {
    /// Takes a code that conforms to the standard, after normalisation.
    pub fn parse(given: &str) -> Result<Self, CodeFault> {
        match Self::parse_tolerant(given)? {
            (code, CodeStatus::Conforming) => Ok(code),
            (_, CodeStatus::Nonconforming) => Err(CodeFault::CheckFailed),
        }
    }

    /// Takes also a well-formed code whose check fails, for rows that say that it was issued so
    /// (`acceptNonconforming`) and for codes read back from storage.
    pub fn parse_tolerant(given: &str) -> Result<(Self, CodeStatus), CodeFault> {
        match Self::plain(given) {
            Some(code) => Ok((code, CodeStatus::Conforming)),
            None => Self::judged(given),
        }
    }

    /// A code as nearly all come, which needs no further judging: a letter among its first 17 places makes it nobody's number.
    fn plain(given: &str) -> Option<Self> {
        let code = Self(given.as_bytes().try_into().ok()?);
        let well_formed = code.0.iter().all(|&place| VALUES[usize::from(place)] != STRANGER);
        let lettered = code.0[..17].iter().any(u8::is_ascii_uppercase);
        (well_formed && lettered && code.status() == CodeStatus::Conforming).then_some(code)
    }

    fn judged(given: &str) -> Result<(Self, CodeStatus), CodeFault> {
        let code = normalise(given);
        if crate::personal::is_identity_number(code.as_bytes()) {
            return Err(CodeFault::PersonalIdentityNumber);
        }
        if code.contains(MASKS) {
            return Err(CodeFault::Masked);
        }
        if let Some(fault) = spreadsheet_number(&code) {
            return Err(fault);
        }
        let places = code.chars().count();
        if places != 18 {
            return Err(CodeFault::Length { found: places });
        }
        let stranger = |c: char| !c.is_ascii() || !ALPHABET.contains(&(c as u8));
        if let Some((index, found)) = code.chars().enumerate().find(|&(_, c)| stranger(c)) {
            return Err(CodeFault::Character { position: index + 1, found });
        }
        let bytes = code.bytes().collect::<Vec<u8>>().try_into();
        let code = Self(bytes.map_err(|_| CodeFault::Length { found: places })?);
        match code.status() {
            CodeStatus::Conforming => Ok((code, CodeStatus::Conforming)),
            CodeStatus::Nonconforming => code.damage().map_or(Ok((code, CodeStatus::Nonconforming)), Err),
        }
    }

    /// A fictional code for drills and tests, the same for the same serial: an enterprise (registrar 9, class 1) of
    /// region 640399, which does not exist, with true check characters. The letter in its ninth place keeps
    /// spreadsheets from taking it for a number.
    pub fn fictional(serial: u32) -> Self {
        let mut code = *b"91640399M000000000";
        let mut rest = serial as usize;
        for place in code[9..16].iter_mut().rev() {
            *place = ALPHABET[rest % 31];
            rest /= 31;
        }
        code[16] = organisation_check(&code[8..16]);
        code[17] = check(&code[..17]);
        Self(code)
    }

    /// The check character that belongs after 17 places, or nothing where they are not 17 of the alphabet.
    pub fn check_character(first17: &str) -> Option<char> {
        let places = first17.as_bytes();
        let well_formed = places.len() == 17 && places.iter().all(|c| ALPHABET.contains(c));
        well_formed.then(|| char::from(check(places)))
    }

    /// The 18 places as text.
    pub fn as_str(&self) -> &str {
        // The bytes are of the alphabet by construction, so the fallback is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The values of the 18 places in the alphabet of GB 32100-2015, each below 31.
    pub fn values(&self) -> [u8; 18] {
        self.0.map(|place| VALUES[usize::from(place)])
    }

    /// Whether the check character holds.
    pub fn status(&self) -> CodeStatus {
        if check(&self.0[..17]) == self.0[17] { CodeStatus::Conforming } else { CodeStatus::Nonconforming }
    }

    /// Whether the organisation code inside (places 9 to 17) bears out its own check. For information: registries
    /// have issued conforming codes where it does not.
    pub fn organisation_code_conforms(&self) -> bool {
        organisation_check(&self.0[8..16]) == self.0[16]
    }

    /// The authority that registered the subject 登记管理部门 (place 1).
    pub fn registrar(&self) -> char {
        char::from(self.0[0])
    }

    /// The registrar's class of organisation 机构类别 (place 2).
    pub fn class(&self) -> char {
        char::from(self.0[1])
    }

    /// The region of the first registration (places 3 to 8). It need not be current.
    pub fn region(&self) -> &str {
        &self.as_str()[2..8]
    }

    /// What must have happened to a code whose check fails, where the code itself tells.
    fn damage(&self) -> Option<CodeFault> {
        if self.0.ends_with(b"000") && self.0.iter().all(u8::is_ascii_digit) {
            return Some(CodeFault::Rounded);
        }
        // X is in the alphabet, and also the commonest mask after the asterisk.
        self.as_str().contains("XXXX").then_some(CodeFault::Masked)
    }
}

impl fmt::Display for Uscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Uscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uscc({self})")
    }
}

impl std::str::FromStr for Uscc {
    type Err = CodeFault;

    fn from_str(given: &str) -> Result<Self, CodeFault> {
        Self::parse(given)
    }
}

impl CodeFault {
    /// The machine-readable reason, for `ErrorInfo.reason`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Length { .. } => "CODE_LENGTH",
            Self::Character { .. } => "CODE_CHARACTER",
            Self::CheckFailed => "CODE_CHECK_FAILED",
            Self::Masked => "CODE_MASKED",
            Self::Rounded => "CODE_ROUNDED",
            Self::LegacyRegistrationNumber => "LEGACY_REGISTRATION_NUMBER",
            Self::PersonalIdentityNumber => "PERSONAL_IDENTITY_NUMBER",
        }
    }

    /// What is wrong and what to do, in English.
    pub fn message_en(&self) -> String {
        match self {
            Self::Length { found } => {
                format!("A unified social credit code has 18 places; this has {found}. Give the whole code.")
            }
            Self::Character { position, found } => format!(
                "Place {position} holds '{}', which no unified social credit code has (digits and capitals without \
                 I, O, S, V, Z). Correct that character.",
                shown(*found)
            ),
            Self::CheckFailed => "The last character does not fit the 17 before it: a character is wrong. Compare with \
                                  the licence; if the registry really issued it so, send acceptNonconforming: true."
                .to_owned(),
            Self::Masked => "Characters of the code are hidden by a mask. Give the whole code.".to_owned(),
            Self::Rounded => "A spreadsheet took the code for a number and lost its last digits. Format the column as \
                              text and enter the code again from its source."
                .to_owned(),
            Self::LegacyRegistrationNumber => "This is a business registration number of 13 or 15 digits. Give the \
                                               unified social credit code that replaced it."
                .to_owned(),
            Self::PersonalIdentityNumber => "This is the identity number of a natural person, who is no subject here; \
                                             it was not stored. Give the enterprise's unified social credit code."
                .to_owned(),
        }
    }

    /// 错误说明与处理办法。
    pub fn message_zh(&self) -> String {
        match self {
            Self::Length { found } => format!("统一社会信用代码应为18位，此处为{found}位，请填写完整代码。"),
            Self::Character { position, found } => format!(
                "第{position}位为“{}”，统一社会信用代码只含数字和除I、O、S、V、Z以外的大写字母，请更正该字符。",
                shown(*found)
            ),
            Self::CheckFailed => "校验码与前17位不符，代码有误，请与营业执照核对；确系登记机关如此核发的，\
                                  请在该行注明 acceptNonconforming: true。"
                .to_owned(),
            Self::Masked => "代码中有被遮盖的字符，请填写完整代码。".to_owned(),
            Self::Rounded => {
                "电子表格将代码当作数字，末几位已丢失，请将该列设为文本格式后按原始资料重新填写。".to_owned()
            }
            Self::LegacyRegistrationNumber => {
                "这是13位或15位的旧工商注册号，请填写换发后的统一社会信用代码。".to_owned()
            }
            Self::PersonalIdentityNumber => {
                "这是公民身份号码，自然人不是本系统的主体，该号码未予保存，请填写企业的统一社会信用代码。"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for CodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message_en())
    }
}

impl std::error::Error for CodeFault {}

/// A code as the rules judge it: edges and separators gone, full width made half, letters upper case.
pub fn normalise(given: &str) -> String {
    if given.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return given.to_ascii_uppercase();
    }
    // Excel writes ="91…" into CSV files to keep a code from becoming a number.
    given.trim().trim_start_matches(['=', '＝']).chars().map(fold).filter(|&c| !is_separator(c)).collect()
}

/// Full width to half width, then upper case.
pub(crate) fn fold(c: char) -> char {
    let half = match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    half.to_ascii_uppercase()
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '-' | '\'' | '"' | '`' | '´' | '\u{AD}' | '\u{2212}' | '\u{FEFF}' | '\u{FFE3}')
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2010}'..='\u{2015}' | '\u{2018}'..='\u{201F}')
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}')
}

/// What a number of a spreadsheet, or of a registry before the unified code, is refused for.
fn spreadsheet_number(code: &str) -> Option<CodeFault> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    // 9.16403E+17
    if let Some((mantissa, exponent)) = code.split_once('E') {
        let digits = mantissa.replacen('.', "", 1);
        let marked = mantissa.contains('.') || exponent.starts_with('+');
        let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
        return (marked && is_number(&digits) && is_number(exponent)).then_some(CodeFault::Rounded);
    }
    // 916403000000000000.0 went through a floating-point column; a shorter number survives one whole.
    let (whole, was_float) = match code.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|c| c == b'0') => (whole, true),
        _ => (code, false),
    };
    match whole.len() {
        13 | 15 if is_number(whole) => Some(CodeFault::LegacyRegistrationNumber),
        18 if was_float && is_number(whole) => Some(CodeFault::Rounded),
        _ => None,
    }
}

/// GB 32100-2015: C18 = 31 - (Σ Ci·Wi mod 31), 31 becoming 0, of 17 places of the alphabet.
fn check(first17: &[u8]) -> u8 {
    let sum: u32 = first17.iter().zip(WEIGHTS).map(|(&place, weight)| value(place) * weight).sum();
    ALPHABET[((31 - sum % 31) % 31) as usize]
}

fn value(place: u8) -> u32 {
    u32::from(VALUES[usize::from(place)])
}

/// GB 11714-1997: C9 = 11 - (Σ Ci·Wi mod 11), 10 becoming X and 11 becoming 0, letters from A = 10.
fn organisation_check(first8: &[u8]) -> u8 {
    let value = |c: u8| u32::from(if c.is_ascii_digit() { c - b'0' } else { c - b'A' + 10 });
    let sum: u32 = first8.iter().zip(ORGANISATION_WEIGHTS).map(|(&c, weight)| value(c) * weight).sum();
    match 11 - sum % 11 {
        10 => b'X',
        11 => b'0',
        digit => b'0' + digit as u8,
    }
}

fn shown(c: char) -> char {
    if c.is_control() { '\u{FFFD}' } else { c }
}
