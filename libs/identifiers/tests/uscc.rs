//! The unified social credit code against the standard's sample, synthetic codes and damage met in real files.

use identifiers::{CodeFault, CodeStatus, Uscc, personal, uscc::normalise};
use proptest::prelude::*;

fn reason(given: &str) -> &'static str {
    Uscc::parse(given).map_or_else(|fault| fault.reason(), |_| "accepted")
}

/// The sample of GB 32100 and synthetic codes of each registrar.
const CONFORMING: [&str; 8] = [
    "91350100M000100Y43",
    "91640300MA7TE5T00H",
    "91640302MA7ABC1241",
    "92640381MA7DEF3401",
    "116403000100012348",
    "93640324MA7GHJ56X8",
    "52640300MJX007893N",
    "N2640323MF0000128K",
];

#[test]
fn conforming_codes_are_taken_as_they_are() {
    for given in CONFORMING {
        let code = Uscc::parse(given).unwrap();
        assert_eq!(code.as_str(), given);
        assert_eq!(code.status(), CodeStatus::Conforming);
        assert_eq!(Uscc::check_character(&given[..17]), given.chars().last());
    }
    let code = Uscc::parse("52640300MJX007893N").unwrap();
    assert_eq!((code.registrar(), code.class(), code.region()), ('5', '2', "640300"));
}

#[test]
fn the_organisation_code_inside_is_checked_for_information() {
    assert!(Uscc::parse("91350100M000100Y43").unwrap().organisation_code_conforms());
    let seventeen = "91640300MA7TE5T01";
    let code = format!("{seventeen}{}", Uscc::check_character(seventeen).unwrap());
    assert!(!Uscc::parse(&code).unwrap().organisation_code_conforms());
}

#[test]
fn damage_of_spreadsheets_and_typists_is_undone() {
    for given in [
        "  91640300ma7te5t00h\t",
        "91-640300-MA7TE5T00-H",
        "９１６４０３００ＭＡ７ＴＥ５Ｔ００Ｈ",
        "\u{FEFF}91640300MA7TE5T00H\u{A0}",
        "9164 0300\u{3000}MA7T\u{200B}E5T0 0H",
        "'91640300MA7TE5T00H",
        "=\"91640300MA7TE5T00H\"",
        "“91640300MA7TE5T00H”\r\n",
        "91640300–MA7TE5T00—H",
    ] {
        assert_eq!(reason(given), "accepted", "{given:?}");
        assert_eq!(normalise(given), "91640300MA7TE5T00H");
    }
}

#[test]
fn each_refusal_has_its_own_reason() {
    for (given, expected) in [
        ("", "CODE_LENGTH"),
        ("无", "CODE_LENGTH"),
        ("91640300MA7TE5T00", "CODE_LENGTH"),
        ("91640300MA7TE5T00HH", "CODE_LENGTH"),
        ("91350100I000100Y43", "CODE_CHARACTER"),
        ("91350100M000100Y4号", "CODE_CHARACTER"),
        ("91350100M000100Y4?", "CODE_CHARACTER"),
        ("91350100M000100Y44", "CODE_CHECK_FAILED"),
        ("91640300M*****T00H", "CODE_MASKED"),
        ("9164****00H", "CODE_MASKED"),
        ("９１６４＊＊＊＊００Ｈ", "CODE_MASKED"),
        ("91640300XXXXXXX00H", "CODE_MASKED"),
        ("9.16403E+17", "CODE_ROUNDED"),
        ("9.16e17", "CODE_ROUNDED"),
        ("916403000000001000", "CODE_ROUNDED"),
        ("916403000000001072.0", "CODE_ROUNDED"),
        ("6403002001234", "LEGACY_REGISTRATION_NUMBER"),
        ("640300000000015", "LEGACY_REGISTRATION_NUMBER"),
        ("640300000000015.0", "LEGACY_REGISTRATION_NUMBER"),
        ("11010519491231002X", "PERSONAL_IDENTITY_NUMBER"),
        ("11010519491231002x", "PERSONAL_IDENTITY_NUMBER"),
        ("440524188001010014", "PERSONAL_IDENTITY_NUMBER"),
        ("110105 19491231 002X", "PERSONAL_IDENTITY_NUMBER"),
    ] {
        assert_eq!(reason(given), expected, "{given}");
    }
}

#[test]
fn a_personal_number_is_refused_even_where_it_passes_as_a_code() {
    // Region 000000 does not exist, so these are nobody's; both checks hold.
    for given in ["000000195710098288", "000000199106076718", "000000196909016133"] {
        assert_eq!(Uscc::check_character(&given[..17]), given.chars().last());
        assert_eq!(Uscc::parse_tolerant(given), Err(CodeFault::PersonalIdentityNumber));
        let fault = CodeFault::PersonalIdentityNumber;
        assert!(!fault.message_en().contains(given) && !fault.message_zh().contains(given));
    }
}

#[test]
fn dates_that_nobody_was_born_on_leave_a_code_a_code() {
    let with_own_check = |seventeen: &str| {
        "0123456789X"
            .chars()
            .map(|c| format!("{seventeen}{c}"))
            .filter(|n| personal::is_identity_number(n.as_bytes()))
            .count()
    };
    assert_eq!(with_own_check("00000020000229001"), 1);
    for impossible in ["00000019010229001", "00000020001301001", "00000020000431001", "00000018790101001"] {
        assert_eq!(with_own_check(impossible), 0, "{impossible}");
    }
    assert_eq!(with_own_check("00000020630922001"), 0, "a birth in 2063 is not one yet");
}

#[test]
fn personal_numbers_are_found_inside_free_text() {
    assert!(personal::occurs_in("法定代表人身份证号：11010519491231002x，电话略"));
    assert!(personal::occurs_in("１１０１０５１９４９１２３１００２Ｘ"));
    assert!(!personal::occurs_in("统一社会信用代码91640300MA7TE5T00H，罚款20000元"));
    assert!(!personal::occurs_in("流水号911010519491231002X1"));
}

#[test]
fn a_nonconforming_code_is_taken_only_where_it_is_said_to_be_one() {
    let code = Uscc::fictional(7);
    let wrong = if code.as_str().ends_with('0') { '1' } else { '0' };
    let issued = format!("{}{wrong}", &code.as_str()[..17]);
    assert_eq!(reason(&issued), "CODE_CHECK_FAILED");
    let (kept, status) = Uscc::parse_tolerant(&issued).unwrap();
    assert_eq!((kept.as_str(), status.as_str()), (issued.as_str(), "NONCONFORMING"));
    for damaged in ["916403000000001000", "91640300XXXXXXX00H", "91350100I000100Y43", "91640300MA7TE5T00"] {
        assert!(Uscc::parse_tolerant(damaged).is_err(), "{damaged}");
    }
}

#[test]
fn refusals_say_where_and_speak_both_languages() {
    let fault = Uscc::parse("91350100I000100Y43").unwrap_err();
    assert_eq!(fault, CodeFault::Character { position: 9, found: 'I' });
    assert!(fault.message_en().contains("Place 9") && fault.message_zh().contains("第9位"));
    assert!(Uscc::parse("123").unwrap_err().message_zh().contains("3位"));
}

proptest! {
    /// A code that comes as it is written is judged as one that has to be put right first.
    #[test]
    fn plain_codes_are_judged_like_others(body in "[0-9A-HJ-NP-RT-UW-Y]{17}", digits in "[1-9][0-9]{16}", last in "[0-9X]") {
        let whole = |first17: &str| format!("{first17}{}", Uscc::check_character(first17).unwrap_or('0'));
        for given in [whole(&body), whole(&digits), format!("{digits}{last}"), format!("{body}0")] {
            prop_assert_eq!(Uscc::parse_tolerant(&given), Uscc::parse_tolerant(&format!(" {given}")), "{}", given);
        }
    }

    #[test]
    fn fictional_codes_conform_and_differ(a: u32, b: u32) {
        let (one, other) = (Uscc::fictional(a), Uscc::fictional(b));
        prop_assert_eq!(Uscc::parse(one.as_str()), Ok(one));
        prop_assert!(one.organisation_code_conforms() && one.region() == "640399");
        prop_assert_eq!(a == b, one == other);
    }

    #[test]
    fn every_single_wrong_character_is_noticed(serial: u32, place in 0usize..18, other in 0usize..31) {
        let code = Uscc::fictional(serial);
        let mut wrong = code.as_str().to_owned().into_bytes();
        wrong[place] = b"0123456789ABCDEFGHJKLMNPQRTUWXY"[other];
        let wrong = String::from_utf8(wrong).unwrap();
        prop_assert_eq!(Uscc::parse(&wrong).is_ok(), wrong == code.as_str());
    }

    #[test]
    fn no_text_makes_it_panic_and_what_it_takes_is_stable(given in "\\PC{0,24}|[0-9A-Z*.+E ]{0,24}") {
        if let Ok((code, _)) = Uscc::parse_tolerant(&given) {
            prop_assert_eq!(code.as_str(), normalise(&given));
            prop_assert_eq!(Uscc::parse_tolerant(code.as_str()).map(|(again, _)| again), Ok(code));
        }
    }
}
