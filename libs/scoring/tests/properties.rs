//! What holds of every sheet: explanations judge records as grades do, stored sheets are read back, any
//! bytes are a sheet or refused, and the order in which the feed brings records does not matter.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
use jiff::civil::date;
use proptest::prelude::*;
use scoring::{Change, Compiled, Decimal, FactSheet};

mod support;
use support::{
    random::{any_date, any_model, any_subject, compiled},
    reference::{exact, reference},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_the_contracts_text(model in any_model(), subject in any_subject(), as_of in any_date()) {
        let compiled = compiled(&model);
        let sheet = subject.sheet();
        let expected = reference(&model, &subject, as_of);
        let quick = compiled.grade(&sheet, as_of);
        prop_assert_eq!(quick.grade, expected.grade);
        prop_assert_eq!(exact(quick.score.unwrap().to_f64()), expected.cents * 10_i128.pow(12));

        // The explanation comes to the same, and names the very records that count.
        let explained = compiled.explain(&sheet, as_of);
        prop_assert_eq!(explained.grade.as_str(), quick.grade);
        prop_assert_eq!(explained.score, quick.score.map(Decimal::to_f64));
        prop_assert_eq!(&explained.next_change_on, &quick.next_change_on.map(|day| day.to_string()).unwrap_or_default());
        let named = |records: &[String]| { let mut records = records.to_vec(); records.sort(); records };
        let inputs = |inputs: &[(&str, i128)]| named(&inputs.iter().map(|(record, _)| (*record).to_owned()).collect::<Vec<_>>());
        for (indicator, expected) in explained.indicators.iter().zip(&expected.inputs) {
            prop_assert_eq!(named(&indicator.records), inputs(expected));
        }
        let vetoes = &expected.inputs[model.indicators.len()..];
        let held: Vec<_> = vetoes.iter().filter(|records| !records.is_empty()).map(|records| inputs(records)).collect();
        prop_assert_eq!(explained.vetoes.iter().map(|veto| named(&veto.records)).collect::<Vec<_>>(), held);
    }

    #[test]
    fn a_sheet_is_read_back_as_it_was(subject in any_subject()) {
        let sheet = subject.sheet();
        prop_assert_eq!(FactSheet::decode(&sheet.encode()), Ok(sheet));
    }

    #[test]
    fn any_bytes_are_a_sheet_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), subject in any_subject(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let compiled = Compiled::direct();
        let mut broken = subject.sheet().encode();
        let at = at.index(broken.len());
        broken[at] = byte;
        for bytes in [bytes, broken] {
            if let Ok(sheet) = FactSheet::decode(&bytes) {
                compiled.grade(&sheet, date(2026, 1, 1));
            }
        }
    }

    /// The order in which the feed brings records does not matter, nor that one comes twice.
    #[test]
    fn order_and_repetition_do_not_matter(model in any_model(), subject in any_subject(), as_of in any_date(), seed in any::<prop::sample::Index>()) {
        let compiled = compiled(&model);
        let mut changes: Vec<_> = subject.records.iter().map(|record| Change::Put(record.fact())).collect();
        changes.extend(subject.sheet().grants().map(Change::Grant));
        changes.reverse();
        let turn = seed.index(changes.len() + 1);
        changes.rotate_left(turn);
        changes.extend(changes.iter().take(3).cloned().collect::<Vec<_>>());
        let mut other = FactSheet::new();
        for change in changes {
            other.apply(change).unwrap();
        }
        let (one, two) = (subject.sheet(), other);
        prop_assert_eq!(one.grants().collect::<Vec<_>>(), two.grants().collect::<Vec<_>>());
        prop_assert_eq!(compiled.explain(&one, as_of), compiled.explain(&two, as_of));
    }
}
