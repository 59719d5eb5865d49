//! That chance is even, over twenty thousand draws, and that no byte of a bundle may change unseen. Chi-square in whole numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at what it did not expect")]

use std::collections::{BTreeMap, HashSet};

use draw::{
    Bundle, Inspector, Percent, Quota, Quotas, Replacement, Roster, Seed, Selected, Team, assign, digest,
    select, select_within, verify,
};
use jiff::civil::date;
use proptest::prelude::*;

const DRAWS: i128 = 20_000;

fn seeds() -> impl Iterator<Item = Seed> {
    (0..DRAWS).map(|n| Seed::of(digest(&format!("simulated draw {n}"))))
}

fn code(n: usize) -> String {
    format!("9164039900000{n:05}")
}

/// Whether counts of members, each drawn with k of n in each of the draws, are even: (n-1)/n × Σ(O-E)² / (draws·p·(1-p)) is
/// chi-square with n-1 degrees of freedom; `most` is its quantile in thousandths.
fn even(counts: &[i128], k: i128, most: i128) -> bool {
    let n = i128::try_from(counts.len()).unwrap();
    let squares: i128 = counts.iter().map(|count| (count * n - DRAWS * k).pow(2)).sum();
    1000 * (n - 1) * squares <= most * n * DRAWS * k * (n - k)
}

#[test]
fn each_subject_of_a_stratum_is_drawn_as_often_as_the_others() {
    // 25 of A, 15 of B and 10 of C; 5, 4 and 1 are drawn.
    let stratum = |n: usize| {
        if n < 25 {
            "A"
        } else if n < 40 {
            "B"
        } else {
            "C"
        }
    };
    let roster = Roster::new((0..50).map(|n| (code(n), stratum(n)))).unwrap();
    let quotas = Quotas::parse("A,5\nB,4\nC,1\n").unwrap();
    let mut counts: BTreeMap<String, i128> = BTreeMap::new();
    for seed in seeds() {
        for one in select(&seed, &roster, &quotas) {
            *counts.entry(one.uscc).or_default() += 1;
        }
    }
    let of = |from: usize, to: usize| (from..to).map(|n| counts[&code(n)]).collect::<Vec<_>>();
    // The 0.999 quantiles for 24, 14 and 9 degrees of freedom.
    assert!(even(&of(0, 25), 5, 51_179), "{:?}", of(0, 25));
    assert!(even(&of(25, 40), 4, 36_123), "{:?}", of(25, 40));
    assert!(even(&of(40, 50), 1, 27_877), "{:?}", of(40, 50));
    // The test can fail: draws that favour one subject by a tenth of its share are found out.
    let mut favoured = of(0, 25);
    favoured[3] += 400;
    favoured[4] -= 400;
    assert!(!even(&favoured, 5, 51_179));
}

#[test]
fn inspectors_and_their_pairs_are_drawn_evenly() {
    let inspectors: Vec<Inspector> =
        (0..6).map(|n| Inspector { id: format!("i{n}"), ..Default::default() }).collect();
    let team = Team {
        size: 2,
        skills: Default::default(),
        from: date(2026, 1, 1),
        until: date(2026, 12, 31),
        workload_cap: u32::MAX,
    };
    let (mut one, mut pair) = (BTreeMap::<String, i128>::new(), BTreeMap::<Vec<String>, i128>::new());
    for seed in seeds() {
        let mut drawn = assign(&seed, [code(0).as_str()], &inspectors, &team).pop().unwrap().inspectors;
        drawn.sort();
        drawn.iter().for_each(|id| *one.entry(id.clone()).or_default() += 1);
        *pair.entry(drawn).or_default() += 1;
    }
    // Two of six inspectors, one of fifteen pairs: 5 and 14 degrees of freedom.
    assert!(even(&one.values().copied().collect::<Vec<_>>(), 2, 20_515), "{one:?}");
    assert_eq!(pair.len(), 15);
    assert!(even(&pair.values().copied().collect::<Vec<_>>(), 1, 36_123), "{pair:?}");
}

#[test]
fn the_workload_of_a_draw_is_spread_evenly() {
    // Ten visits, two of five inspectors each, of at most five visits: 20 places. Whom the cap takes out early is a matter of chance too.
    let inspectors: Vec<Inspector> =
        (0..5).map(|n| Inspector { id: format!("i{n}"), ..Default::default() }).collect();
    let team = Team {
        size: 2,
        skills: Default::default(),
        from: date(2026, 1, 1),
        until: date(2026, 12, 31),
        workload_cap: 5,
    };
    let visits: Vec<String> = (0..10).map(code).collect();
    let mut loads = [0_i128; 5];
    for seed in seeds().take(4_000) {
        let assigned = assign(&seed, visits.iter().map(String::as_str), &inspectors, &team);
        let mut own = [0; 5];
        for id in assigned.iter().flat_map(|of| &of.inspectors) {
            own[id[1..].parse::<usize>().unwrap()] += 1;
        }
        assert!(own.iter().all(|load| *load <= 5), "{own:?}");
        own.iter().zip(&mut loads).for_each(|(own, load)| *load += own);
    }
    let (most, least) = (loads.iter().max().unwrap(), loads.iter().min().unwrap());
    assert!((most - least) * 50 < loads.iter().sum::<i128>() / 5, "within 2 %: {loads:?}");
}

fn vector(place: usize) -> Bundle {
    let vectors: serde_json::Value = serde_json::from_slice(include_bytes!("golden/vectors.json")).unwrap();
    serde_json::from_value(vectors["bundles"][place]["bundle"].clone()).unwrap()
}

// The text with each of its letters changed in turn.
fn changes(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let other = |letter: char| if letter == '7' { '8' } else { '7' };
    let change =
        |at: usize| letters.iter().enumerate().map(|(n, c)| if n == at { other(*c) } else { *c }).collect();
    (0..letters.len()).map(change).collect()
}

#[test]
fn no_letter_of_a_bundle_changes_unseen() {
    type Field = (&'static [&'static str], fn(&mut Bundle) -> &mut String);
    let fields: [Field; 9] = [
        (&["rosterDigest"], |b| &mut b.roster),
        (&["rosterDigest"], |b| &mut b.roster_digest),
        (&["seed", "quotaText"], |b| &mut b.quota_text),
        (&["commitment"], |b| &mut b.commitment),
        (&["commitment"], |b| &mut b.secret),
        (&["seed"], |b| &mut b.entropy),
        (&["seed"], |b| &mut b.seed),
        (&["exclusionsDigest"], |b| &mut b.exclusions),
        (&["exclusionsDigest"], |b| &mut b.exclusions_digest),
    ];
    let whole = vector(1);
    assert!(verify(&whole).is_ok());
    let mut tried = 0;
    let mut check = |bundle: &Bundle, named: &[String]| {
        let found = verify(bundle).expect_err("a changed letter is found");
        let paths: Vec<&str> = found.iter().map(|one| one.path.as_str()).collect();
        assert!(
            named.iter().any(|name| paths.iter().any(|path| path.starts_with(name.as_str()))),
            "{named:?} in {paths:?}"
        );
        tried += 1;
    };
    for (named, field) in fields {
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        let mut bundle = whole.clone();
        for changed in changes(field(&mut whole.clone())) {
            *field(&mut bundle) = changed;
            check(&bundle, &named);
        }
    }
    for place in 0..whole.selected.len() {
        let named = [format!("selected[{place}]")];
        let parts: [fn(&mut Selected) -> &mut String; 3] =
            [|s| &mut s.uscc, |s| &mut s.stratum, |s| &mut s.ticket];
        for part in parts {
            let mut bundle = whole.clone();
            for changed in changes(part(&mut whole.clone().selected[place])) {
                *part(&mut bundle.selected[place]) = changed;
                check(&bundle, &named);
            }
        }
        // Any other order is another selection.
        for other in 0..place {
            let mut bundle = whole.clone();
            bundle.selected.swap(place, other);
            check(&bundle, &["selected[".to_owned()]);
        }
    }
    for place in 0..whole.replacements.len() {
        let parts: [fn(&mut Replacement) -> &mut String; 3] =
            [|r| &mut r.uscc, |r| &mut r.replaced_by, |r| &mut r.ticket];
        for part in parts {
            let mut bundle = whole.clone();
            for changed in changes(part(&mut whole.clone().replacements[place])) {
                *part(&mut bundle.replacements[place]) = changed;
                check(&bundle, &["replacements".to_owned()]);
            }
        }
    }
    assert!(tried > 1400, "{tried} letters");
}

proptest! {
    #[test]
    fn a_ticket_is_the_plain_hash(seed in "[0-9a-f]{64}|\\PC{0,70}", uscc in "[0-9A-Z]{18}|\\PC{0,70}", id in "[0-9A-Z-]{0,50}") {
        let kept = Seed::of(seed.clone());
        prop_assert_eq!(kept.ticket(&uscc).to_string(), digest(&format!("{seed}\n{uscc}")));
        prop_assert_eq!(kept.inspector_ticket(&uscc, &id).to_string(), digest(&format!("{seed}\n{uscc}\n{id}")));
    }

    #[test]
    fn a_larger_quota_keeps_all_that_was_drawn(members in 1usize..80, less in 0usize..80, more in 0usize..80, seed in "[0-9a-f]{64}") {
        let roster = Roster::new((0..members).map(|n| (code(n), "A"))).unwrap();
        let quotas = |k: usize| Quotas::parse(&format!("A,{}\n", k.min(members))).unwrap();
        let seed = Seed::of(seed);
        let (small, large) = (select(&seed, &roster, &quotas(less.min(more))), select(&seed, &roster, &quotas(less.max(more))));
        prop_assert_eq!(&large[..small.len()], &small[..]);
    }

    #[test]
    fn who_cannot_be_visited_is_replaced_by_the_next_who_can(members in 1usize..60, k in 0usize..60, out in proptest::collection::hash_set(0usize..60, 0..60), seed in "[0-9a-f]{64}") {
        let roster = Roster::new((0..members).map(|n| (code(n), "A"))).unwrap();
        let k = k.min(members);
        let quotas = Quotas::parse(&format!("A,{k}\n")).unwrap();
        let seed = Seed::of(seed);
        let out: HashSet<String> = out.into_iter().map(code).collect();
        let drawn = select_within(&seed, &roster, &quotas, |_, uscc| out.contains(uscc).then(|| "out".to_owned()));
        prop_assert_eq!(&drawn.selected, &select(&seed, &roster, &quotas));
        // The replacements are those that the long way gives, and the bundle of them verifies.
        let impossible: Vec<(String, String)> = drawn.replacements.iter().map(|one| (one.uscc.clone(), one.reason.clone())).collect();
        prop_assert_eq!(&draw::replace(&seed, &roster, &quotas, &impossible).unwrap(), &drawn.replacements);
        let gone: HashSet<&str> = drawn.replacements.iter().map(|one| one.uscc.as_str()).chain(drawn.unfilled.iter().map(|one| one.uscc.as_str())).collect();
        let visited = drawn.selected.iter().map(|one| one.uscc.as_str()).chain(drawn.replacements.iter().map(|one| one.replaced_by.as_str()));
        let visited: Vec<&str> = visited.filter(|uscc| !gone.contains(uscc)).collect();
        prop_assert!(visited.iter().all(|uscc| !out.contains(*uscc)));
        let able = (0..members).filter(|n| !out.contains(&code(*n))).count();
        prop_assert_eq!(visited.len(), k.min(able));
    }

    #[test]
    fn parts_of_a_roster_are_the_roster(members in 0usize..50, bytes in 0usize..400) {
        let roster = Roster::new((0..members).map(|n| (code(n), "A"))).unwrap();
        let parts = roster.parts(bytes);
        prop_assert_eq!(parts.concat(), roster.text());
        prop_assert!(parts.iter().all(|part| part.ends_with('\n') && part.len() <= bytes + 21));
    }

    #[test]
    fn any_percent_of_any_stratum_is_within_it(members in 1usize..500, percent in 0u32..=100_000, at_least in any::<u64>()) {
        let roster = Roster::new((0..members).map(|n| (code(n), "A"))).unwrap();
        let percent = Percent::parse(&format!("{}.{:03}", percent / 1000, percent % 1000)).unwrap();
        let quotas = Quotas::of(&roster, &[Quota { stratum: "A".to_owned(), percent, at_least }]).unwrap();
        prop_assert!(quotas.total() <= members);
    }
}
