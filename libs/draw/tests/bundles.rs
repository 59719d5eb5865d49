//! Bundles: one made elsewhere is verified, and whatever is changed in it is named.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at what it did not expect")]

use draw::{
    Bundle, Discrepancy, Quota, Quotas, Roster, Seed, Unreadable, commitment, digest, select, verify,
};
use proptest::prelude::*;

fn golden() -> Bundle {
    Bundle::from_json(include_bytes!("golden/bundle.json")).unwrap()
}

fn paths(bundle: &Bundle) -> Vec<String> {
    let found: Vec<Discrepancy> = verify(bundle).expect_err("something was changed");
    assert!(found.iter().all(|one| !one.en.is_empty() && !one.zh.is_empty()));
    found.into_iter().map(|one| one.path).collect()
}

fn changed(change: impl FnOnce(&mut Bundle)) -> Bundle {
    let mut bundle = golden();
    change(&mut bundle);
    bundle
}

#[test]
fn a_bundle_made_elsewhere_is_verified() {
    let verified = verify(&golden()).unwrap();
    assert_eq!((verified.roster_size, verified.drawn, verified.replaced), (Some(16), 9, 1));
    assert_eq!(verified.remarks.len(), 1, "only the entropy's source is to be looked up");
    assert!(verified.remarks[0].zh.contains("双色球"));
    let with_digest = changed(|bundle| bundle.roster_digest = digest(&bundle.roster));
    assert!(verify(&with_digest).is_ok());
}

#[test]
fn each_change_is_named_where_it_was_made() {
    type Change = fn(&mut Bundle);
    let named: [(&str, Change); 13] = [
        ("secret", |b| b.secret = b.secret.to_uppercase()),
        ("commitment", |b| b.commitment = commitment("another")),
        ("seed", |b| b.seed = digest("another")),
        ("quotaText", |b| b.quota_text = b.quota_text.replace("UNGRADED,0\n", "")),
        ("quotaText", |b| b.quota_text = b.quota_text.replace("A,1", "A,9")),
        ("quotaText", |b| b.quota_text.push_str("X,0\n")),
        ("roster", |b| b.roster = b.roster.replacen("\n", "\r\n", 1)),
        ("rosterDigest", |b| b.roster_digest = digest("another")),
        ("selected[0].ticket", |b| b.selected[0].ticket = digest("another")),
        ("selected[1].stratum", |b| b.selected[1].stratum = "A".to_owned()),
        ("replacements[0].ticket", |b| b.replacements[0].ticket = digest("another")),
        ("replacements[0].stratum", |b| b.replacements[0].stratum = "A".to_owned()),
        ("replacements", |b| b.replacements[0].uscc = "91640399M00000019L".to_owned() + "?"),
    ];
    for (path, change) in named {
        let found = paths(&changed(change));
        assert!(found.iter().any(|one| one == path), "{path} in {found:?}");
    }
}

#[test]
fn a_wrong_seed_is_told_once() {
    assert_eq!(paths(&changed(|bundle| bundle.seed = digest("another"))), ["seed"]);
    // A whole draw made consistently from a seed of the drawer's own choosing.
    let own_seed = changed(|bundle| {
        let (roster, quotas) =
            (Roster::parse(bundle.roster.as_str()).unwrap(), Quotas::parse(&bundle.quota_text).unwrap());
        let seed = Seed::of(digest("chosen"));
        bundle.selected = select(&seed, &roster, &quotas);
        bundle.seed = seed.as_str().to_owned();
        bundle.replacements.clear();
    });
    assert_eq!(paths(&own_seed), ["seed"]);
}

#[test]
fn who_is_missing_and_who_is_extra_is_named() {
    let missing = changed(|bundle| drop(bundle.selected.remove(0)));
    assert_eq!(paths(&missing), ["selected"]);
    let found = verify(&missing).unwrap_err();
    assert!(found[0].en.contains("91640399M000000B03") && found[0].zh.contains("91640399M000000B03"));

    // 91640399M00000035A has the next ticket of stratum A: a true ticket, not small enough.
    let swapped = changed(|bundle| {
        bundle.selected[0].uscc = "91640399M00000035A".to_owned();
        bundle.selected[0].ticket =
            "dc000f415019cb1025ad268ae336150ae7584d1733d99fe3ddea32ac011c7c4f".to_owned();
    });
    assert_eq!(paths(&swapped), ["selected[0]", "selected"]);
    assert_eq!(paths(&changed(|bundle| bundle.selected.swap(1, 2))), ["selected[1]"]);
    let twice = changed(|bundle| bundle.selected.push(bundle.selected[0].clone()));
    assert!(paths(&twice).contains(&"selected[9]".to_owned()));
}

#[test]
fn a_replacement_out_of_turn_is_named() {
    let wrong = changed(|bundle| {
        bundle.replacements[0].replaced_by = "91640399M00000035A".to_owned();
        bundle.replacements[0].ticket =
            "dc000f415019cb1025ad268ae336150ae7584d1733d99fe3ddea32ac011c7c4f".to_owned();
    });
    assert_eq!(paths(&wrong), ["replacements[0].replacedBy"]);
}

#[test]
fn without_strata_the_seed_and_every_ticket_still_verify() {
    let withheld = golden().without_strata();
    let json = serde_json::to_string(&withheld).unwrap();
    assert!(!json.contains("stratum") && !json.contains("\"roster\"") && json.contains("rosterDigest"));
    assert!(withheld.selected.is_sorted_by_key(|selected| &selected.ticket), "the order tells no stratum");
    let verified = verify(&Bundle::from_json(json.as_bytes()).unwrap()).unwrap();
    assert_eq!((verified.roster_size, verified.drawn, verified.remarks.len()), (None, 9, 2));

    let with = |change: fn(&mut Bundle)| {
        let mut bundle = withheld.clone();
        change(&mut bundle);
        paths(&bundle)
    };
    assert_eq!(with(|b| b.seed = digest("another")), ["seed"]);
    assert_eq!(with(|b| b.selected[3].ticket = digest("another")), ["selected[3].ticket"]);
    assert_eq!(with(|b| drop(b.selected.pop())), ["selected"]);
    assert_eq!(with(|b| b.replacements[0].uscc = "91640399M00000035A".to_owned()), ["replacements[0].uscc"]);
    assert!(with(|b| b.roster_digest = digest("another")).contains(&"seed".to_owned()));
    assert!(
        with(|b| b.replacements[0].replaced_by = b.selected[0].uscc.clone())
            .contains(&"replacements[0].replacedBy".to_owned())
    );
}

#[test]
fn a_subject_verifies_its_own_line() {
    let own = |line: &str| Bundle { roster: line.to_owned(), ..golden().without_strata() };
    let verified = verify(&own("91640399M00000019L,C\n")).unwrap();
    assert_eq!((verified.roster_size, verified.remarks.len()), (None, 3));
    assert_eq!(paths(&own("91640399M00000019L,E\n")), ["roster"]);
    assert_eq!(paths(&own("91640399M00000019L\n")), ["roster"]);
    // The auditor has the whole roster beside it.
    let auditor = Bundle { roster: golden().roster, ..golden().without_strata() };
    assert_eq!(verify(&auditor).unwrap().roster_size, Some(16));
}

#[test]
fn a_file_that_is_no_bundle_says_why() {
    let missing = |json: &str| match Bundle::from_json(json.as_bytes()) {
        Err(Unreadable::Missing(fields)) => fields,
        other => panic!("{json}: {other:?}"),
    };
    assert_eq!(
        missing("{}"),
        ["quotaText", "commitment", "secret", "entropy", "seed", "roster or rosterDigest"]
    );
    let cut = r#"{"roster":"U,A\n","quotaText":"A,1\n","commitment":"c","secret":"s","entropy":"e","seed":"d","selected":[{"uscc":"U"}],"replacements":[{}]}"#;
    assert_eq!(missing(cut), ["selected[0].ticket", "replacements[0].uscc", "replacements[0].replacedBy"]);
    let unrevealed = r#"{"drawId":"d","rosterDigest":"r","quotaText":"A,1\n","commitment":"c","entropySource":"x","secret":"","entropy":"","seed":"","selected":[]}"#;
    assert_eq!(missing(unrevealed), ["secret", "entropy", "seed"]);
    let fault = Bundle::from_json(unrevealed.as_bytes()).unwrap_err();
    assert!(
        fault.message_en().contains("secret, entropy, seed")
            && fault.message_zh().contains("secret、entropy、seed")
    );

    for malformed in ["", "[]", "null", "{", "{\"seed\":1}", "{\"selected\":{}}", "\u{0}", "{} trailing"] {
        let fault = Bundle::from_json(malformed.as_bytes()).unwrap_err();
        assert!(matches!(fault, Unreadable::Malformed(_)), "{malformed}");
        assert!(fault.message_zh().contains("不是抽取验证材料"));
    }
    assert!(Bundle::from_json(b"\xFF\xFE").is_err());
}

#[test]
fn a_later_edition_may_say_more() {
    let mut json: serde_json::Value = serde_json::from_slice(include_bytes!("golden/bundle.json")).unwrap();
    json["logIndex"] = 7.into();
    json["selected"][0]["name"] = "甲".into();
    json["replacements"][0]["replacedAt"] = "2026-07-01T00:00:00Z".into();
    let bundle = Bundle::from_json(format!("\u{FEFF}{json}").as_bytes()).unwrap();
    assert!(verify(&bundle).is_ok());
}

/// A consistent bundle of so many subjects.
fn bundle_of(subjects: usize, percent: u32, entropy: &str) -> Bundle {
    let codes: Vec<String> = (0..subjects).map(|n| format!("9164039900000{n:05}")).collect();
    let roster = Roster::new(codes.iter().zip(["A", "B", "C"].iter().cycle())).unwrap();
    let percent = draw::Percent::parse(&percent.to_string()).unwrap();
    let wanted = ["A", "B", "C"].map(|s| Quota { stratum: s.to_owned(), percent, at_least: 1 });
    let quotas = Quotas::of(&roster, &wanted).unwrap();
    let secret = digest(entropy);
    let seed = Seed::derive(&secret, entropy, &roster.digest(), &quotas.text());
    Bundle {
        draw_id: "d".to_owned(),
        roster: roster.text().to_owned(),
        roster_digest: roster.digest(),
        quota_text: quotas.text(),
        commitment: commitment(&secret),
        entropy_source: "s".to_owned(),
        secret,
        entropy: entropy.to_owned(),
        seed: seed.as_str().to_owned(),
        selected: select(&seed, &roster, &quotas),
        ..Bundle::default()
    }
}

/// The texts of a bundle that the arithmetic covers.
fn texts(bundle: &mut Bundle) -> Vec<&mut String> {
    let Bundle { roster, roster_digest, quota_text, commitment, secret, entropy, seed, selected, .. } =
        bundle;
    let mut texts = vec![roster, roster_digest, quota_text, commitment, secret, entropy, seed];
    texts.extend(selected.iter_mut().flat_map(|one| [&mut one.uscc, &mut one.stratum, &mut one.ticket]));
    texts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_changed_byte_is_detected(
        subjects in 2usize..40, percent in 0u32..=100, entropy in "[0-9a-z ]{1,20}",
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), to in b' '..b'~',
    ) {
        let mut bundle = bundle_of(subjects, percent, &entropy);
        prop_assert!(verify(&bundle).is_ok());
        let mut texts = texts(&mut bundle);
        let text = which.get_mut(&mut texts);
        let mut bytes = text.as_bytes().to_vec();
        let byte = at.get_mut(&mut bytes);
        prop_assume!(*byte != to);
        *byte = to;
        **text = String::from_utf8(bytes).unwrap();
        prop_assert!(verify(&bundle).is_err());
    }

    #[test]
    fn no_file_makes_the_reader_panic(json in "\\PC{0,80}|\\{(\"(roster|selected|seed)\":(\"\\PC{0,9}\"|\\[\\{\\}\\]|1),?){0,3}\\}") {
        if let Ok(bundle) = Bundle::from_json(json.as_bytes()) {
            let _ = verify(&bundle);
        }
    }

    #[test]
    fn no_bundle_makes_the_verification_panic(
        roster in "([A-C]{1,3},[A-C]\n){0,4}|\\PC{0,20}", quota in "([A-C],[0-9]{1,20}\n){0,3}", uscc in "[A-C]{1,3}",
    ) {
        let selected = vec![draw::Selected { uscc: uscc.clone(), ticket: digest(&uscc), ..Default::default() }];
        let replacements = vec![draw::Replacement { uscc, ..Default::default() }];
        let bundle = Bundle { roster, quota_text: quota, selected, replacements, ..Default::default() };
        prop_assert!(verify(&bundle).is_err());
    }
}
