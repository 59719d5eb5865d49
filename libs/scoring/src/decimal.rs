//! Exact decimals: [`Decimal`] is what a number of the contract means, [`Exact`] what sums and products of
//! them come to.
use std::fmt;

use crate::text::Bilingual;

/// The places that CONTRACT §4.1 grants to a number of a scheme, and that money has at most.
const PLACES: u32 = 4;
const UNIT: i64 = 10_i64.pow(PLACES);
/// A hundred trillion (百万亿): above any sum of money on a record, and small enough that nothing below can
/// overflow.
const LIMIT: i64 = 100_000_000_000_000;

/// A decimal of at most four places, less than 10^14 in size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i64);

/// Why a number is not a [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalFault {
    /// Not digits with at most one point between them; NaN and the infinities too.
    Malformed,
    /// More than four places.
    Places,
    /// 10^14 or more in size.
    Size,
}

impl DecimalFault {
    /// What is wrong and what to do.
    pub fn message(self) -> Bilingual {
        match self {
            Self::Malformed => Bilingual::new(
                "is not a decimal number: write digits with at most one point, like 12.5",
                "不是十进制数：请写成数字，最多一个小数点，例如 12.5",
            ),
            Self::Places => Bilingual::new(
                "has more than four decimal places: round it to four or fewer",
                "小数超过四位：请保留四位以内",
            ),
            Self::Size => Bilingual::new(
                "is too large: give a number below 100,000,000,000,000 in size",
                "数值过大：绝对值须小于一百万亿",
            ),
        }
    }
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// One hundred, the whole in percent.
    pub const HUNDRED: Self = Self(100 * UNIT);

    /// A whole number; every `i32` fits.
    #[inline]
    pub const fn whole(number: i32) -> Self {
        Self(number as i64 * UNIT)
    }

    /// Reads digits with an optional sign and at most one point. Zeros after the fourth place say nothing and
    /// pass.
    pub fn parse(text: &str) -> Result<Self, DecimalFault> {
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, places) = match digits.split_once('.') {
            Some((whole, places)) if !places.is_empty() => (whole, places),
            Some(_) => return Err(DecimalFault::Malformed),
            None => (digits, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(places.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(DecimalFault::Malformed);
        }
        let places = places.trim_end_matches('0');
        if places.len() > PLACES as usize {
            return Err(DecimalFault::Places);
        }
        let whole = whole.trim_start_matches('0');
        if whole.len() > LIMIT.ilog10() as usize {
            return Err(DecimalFault::Size);
        }
        let digits =
            whole.bytes().chain(places.bytes()).fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        let scaled = digits * 10_i64.pow(PLACES - places.len() as u32);
        Ok(Self(if negative { -scaled } else { scaled }))
    }

    /// The shortest decimal that denotes a `double` of the wire.
    pub fn from_f64(number: f64) -> Result<Self, DecimalFault> {
        if !number.is_finite() {
            return Err(DecimalFault::Malformed);
        }
        // Rust prints a float as the shortest decimal that reads back as the same float, without an exponent.
        Self::parse(&number.to_string())
    }

    /// The `double` whose shortest decimal this is.
    pub fn to_f64(self) -> f64 {
        Exact::from(self).to_f64()
    }

    /// The number with the other sign.
    pub const fn negated(self) -> Self {
        Self(-self.0)
    }

    /// The sum; for percents, of which no sheet holds so many that it would not fit.
    #[inline]
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// How the number stands in a stored sheet: in ten-thousandths.
    pub(crate) const fn scaled(self) -> i64 {
        self.0
    }

    /// The opposite of [`Self::scaled`]; none if it never came from there.
    #[inline]
    pub(crate) fn from_scaled(scaled: i64) -> Option<Self> {
        (scaled.unsigned_abs() < LIMIT.unsigned_abs() * UNIT.unsigned_abs()).then_some(Self(scaled))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Exact::from(*self).fmt(formatter)
    }
}

/// What a product of §4.1 needs at most: amount (4 places) × percent (4) / 100 (2) × points per unit (4).
const EXACT_PLACES: usize = 14;
const EXACT_UNIT: i128 = 10_i128.pow(EXACT_PLACES as u32);
const FROM_DECIMAL: i128 = EXACT_UNIT / UNIT as i128;

/// The value of an indicator, exact: of ten places, as amount × percent / 100 has at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sum(i128);

const SUM_UNIT: i128 = 10_i128.pow(10);

impl Sum {
    pub(crate) const ZERO: Self = Self(0);
    pub(crate) const ONE: Self = Self(SUM_UNIT);

    /// `amount × percent / 100`.
    #[inline]
    pub(crate) fn share(amount: Decimal, percent: Decimal) -> Self {
        Self(i128::from(amount.0) * i128::from(percent.0))
    }

    /// The sum; of shares no sheet holds so many that it would not fit.
    #[inline]
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Times a number of the scheme. Beyond what 128 bits hold the result stays at their end, with its sign.
    #[inline]
    pub(crate) fn times(self, factor: Decimal) -> Exact {
        match i64::try_from(self.0) {
            // What nearly always comes: no product of these overflows.
            Ok(small) => Exact(i128::from(small) * i128::from(factor.0)),
            Err(_) => Exact(self.0.saturating_mul(i128::from(factor.0))),
        }
    }

    /// Whether it is at least a number of the scheme.
    #[inline]
    pub(crate) fn reaches(self, least: Decimal) -> bool {
        self.0 >= i128::from(least.0) * (SUM_UNIT / UNIT as i128)
    }

    pub(crate) fn exact(self) -> Exact {
        Exact(self.0.saturating_mul(UNIT.into()))
    }
}

/// A sum or product of [`Decimal`]s, exact to its last place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exact(i128);

impl Exact {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self::whole(1);

    /// A whole number; every `i64` fits.
    pub const fn whole(number: i64) -> Self {
        Self(number as i128 * EXACT_UNIT)
    }

    /// The sum; beyond what 128 bits hold it stays at their end.
    #[inline]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference of what is far within 128 bits.
    #[inline]
    pub(crate) const fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }

    /// So many times over; beyond what 128 bits hold it stays at their end.
    pub(crate) fn repeated(self, times: i64) -> Self {
        Self(self.0.saturating_mul(i128::from(times)))
    }

    /// Times a number of the scheme, itself of at most ten places.
    pub(crate) fn times(self, factor: Decimal) -> Self {
        Sum(self.0 / i128::from(UNIT)).times(factor)
    }

    /// The least multiple of a step above zero that is not below it.
    pub(crate) fn up_to_multiple(self, step: Self) -> Self {
        let short = self.0.rem_euclid(step.0.max(1));
        if short == 0 { self } else { Self(self.0.saturating_add(step.0 - short)) }
    }

    /// The end of what a value can be, itself of at most ten places.
    pub(crate) const MOST: Self = Self(i128::MAX / UNIT as i128 * UNIT as i128);
    /// The other end.
    pub(crate) const LEAST: Self = Self(-Self::MOST.0);

    /// Rounded to two places, halves away from zero 四舍五入; beyond a [`Decimal`]'s size, the largest one.
    pub fn round_half_away(self) -> Decimal {
        let cent = EXACT_UNIT / 100;
        // What nearly always comes is divided much sooner.
        let cents =
            i64::try_from(self.0).map_or_else(|_| self.0 / cent, |small| (small / cent as i64).into());
        let rest = self.0 - cents * cent;
        let cents = if rest.abs() * 2 >= cent { cents + rest.signum() } else { cents };
        let largest = i128::from(LIMIT) * i128::from(UNIT) - 1;
        Decimal((cents * (i128::from(UNIT) / 100)).clamp(-largest, largest) as i64)
    }

    /// The `double` nearest to it.
    pub fn to_f64(self) -> f64 {
        // A decimal text always reads as a float; zero is never taken.
        self.to_string().parse().unwrap_or(0.0)
    }
}

impl From<Decimal> for Exact {
    #[inline]
    fn from(decimal: Decimal) -> Self {
        Self(i128::from(decimal.0) * FROM_DECIMAL)
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, places) =
            (self.0.unsigned_abs() / EXACT_UNIT as u128, self.0.unsigned_abs() % EXACT_UNIT as u128);
        let sign = if self.0 < 0 { "-" } else { "" };
        if places == 0 {
            return write!(formatter, "{sign}{whole}");
        }
        let places = format!("{places:0EXACT_PLACES$}");
        write!(formatter, "{sign}{whole}.{}", places.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn reads_and_shows() {
        for (text, shown) in [
            ("0", "0"),
            ("-0", "0"),
            ("+7", "7"),
            ("007.50", "7.5"),
            ("-12.3400000", "-12.34"),
            ("99999999999999.9999", "99999999999999.9999"),
        ] {
            assert_eq!(decimal(text).to_string(), shown);
        }
    }

    #[test]
    fn refuses_what_is_no_decimal() {
        use DecimalFault::*;
        for text in ["", "-", "+", ".", "1.", ".5", "1e3", "1,000", " 1", "1 ", "１", "--1", "1.2.3", "NaN"]
        {
            assert_eq!(Decimal::parse(text), Err(Malformed), "{text:?}");
        }
        assert_eq!(Decimal::parse("0.00001"), Err(Places));
        assert_eq!(Decimal::parse("-100000000000000"), Err(Size));
        assert_eq!(Decimal::from_f64(f64::NAN), Err(Malformed));
        assert_eq!(Decimal::from_f64(f64::NEG_INFINITY), Err(Malformed));
        assert_eq!(Decimal::from_f64(1e300), Err(Size));
        assert_eq!(Decimal::from_f64(0.1 + 0.2), Err(Places));
        assert_eq!(Decimal::from_f64(f64::MIN_POSITIVE), Err(Places));
    }

    #[test]
    fn a_double_means_its_shortest_decimal() {
        for (number, text) in
            [(0.1, "0.1"), (33.3333, "33.3333"), (-0.0, "0"), (1e13, "10000000000000"), (2.675, "2.675")]
        {
            assert_eq!(Decimal::from_f64(number).unwrap().to_string(), text);
        }
    }

    #[test]
    fn rounds_halves_away_from_zero() {
        for (text, rounded) in [
            ("2.675", "2.68"),
            ("-2.675", "-2.68"),
            ("2.6749", "2.67"),
            ("-2.6749", "-2.67"),
            ("0.005", "0.01"),
            ("-0.005", "-0.01"),
            ("-0.0049", "0"),
            ("89.995", "90"),
        ] {
            assert_eq!(Exact::from(decimal(text)).round_half_away().to_string(), rounded, "{text}");
        }
    }

    #[test]
    fn products_are_exact() {
        // 10000.01 × 33.3333 % = 3333.333333 33 (by hand: 1000001 × 333333 = 333333333333 / 10^8), × -0.0001.
        let value = Sum::share(decimal("10000.01"), decimal("33.3333"));
        assert_eq!(value.exact().to_string(), "3333.33333333");
        assert_eq!(value.times(decimal("-0.0001")).to_string(), "-0.333333333333");
    }

    #[test]
    fn what_is_too_large_keeps_its_sign() {
        let largest = decimal("99999999999999.9999");
        let sum = (0..100_000).fold(Sum::ZERO, |sum, _| sum.plus(Sum::share(largest, Decimal::HUNDRED)));
        assert_eq!(sum.exact().to_string(), "9999999999999999990");
        assert_eq!(sum.times(largest), Exact(i128::MAX));
        assert_eq!(sum.times(decimal("-99999999999999")), Exact(i128::MIN));
        assert_eq!(Exact(i128::MAX).round_half_away(), largest);
    }

    proptest! {
        #[test]
        fn text_and_double_read_back(scaled in -10_i64.pow(15)..10_i64.pow(15)) {
            let number = Decimal(scaled);
            prop_assert_eq!(Decimal::parse(&number.to_string()), Ok(number));
            prop_assert_eq!(Decimal::from_f64(number.to_f64()), Ok(number));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,24}") {
            let _ = Decimal::parse(&text);
        }

        #[test]
        fn any_double_is_read_or_refused(number in any::<f64>()) {
            if let Ok(decimal) = Decimal::from_f64(number) {
                prop_assert_eq!(decimal.to_f64(), number);
            }
        }
    }
}
