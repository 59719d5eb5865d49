//! Personal identity numbers 公民身份号码 (GB 11643-1999): known only in order to be refused.

/// Weights 2^(18-i) mod 11 of ISO 7064 MOD 11-2, and the check characters by remainder.
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS: &[u8; 11] = b"10X98765432";

/// From the birth year in the standard's own sample to those who will be born soon; no clock is read here. Wider,
/// the rule would refuse genuine codes of enterprises, whose region ends in …00 or …20 and whose next places then
/// read as a date of the year 0019 or 2063.
const BIRTH_YEARS: std::ops::RangeInclusive<u32> = 1880..=2049;

/// Whether 18 places, already normalised to upper case, are a personal identity number: the 7th to 14th are a
/// birth date and the check character holds.
pub fn is_identity_number(code: &[u8]) -> bool {
    let Ok(code) = <&[u8; 18]>::try_from(code) else { return false };
    let (body, check) = (&code[..17], code[17]);
    if !body.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let digits =
        |range: std::ops::Range<usize>| body[range].iter().fold(0, |n, d| n * 10 + u32::from(d - b'0'));
    let sum: u32 = body.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    CHECKS[(sum % 11) as usize] == check && is_birth_date(digits(6..10), digits(10..12), digits(12..14))
}

/// Whether a free text carries a personal identity number, so that it is refused at every door and never stored.
pub fn occurs_in(text: &str) -> bool {
    let (mut word, mut length) = ([0_u8; 18], 0);
    // Most texts of a batch are too short to hold one.
    if text.len() < word.len() {
        return false;
    }
    for c in text.chars().map(crate::uscc::fold).chain(std::iter::once(' ')) {
        if c.is_ascii_alphanumeric() {
            if let Some(place) = word.get_mut(length) {
                *place = c as u8;
            }
            length += 1;
        } else {
            if length == word.len() && is_identity_number(&word) {
                return true;
            }
            length = 0;
        }
    }
    false
}

fn is_birth_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return false,
    };
    BIRTH_YEARS.contains(&year) && (1..=days).contains(&day)
}
