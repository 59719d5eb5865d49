//! Rosters, quotas, tickets and selections against numbers computed elsewhere (tests/golden/make.py).
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeSet;

use draw::{
    Bundle, Percent, Quota, Quotas, Roster, Seed, Selected, Skip, Team, assign, commitment, digest, replace,
    select,
};
use jiff::civil::date;
use proptest::prelude::*;

fn golden() -> Bundle {
    Bundle::from_json(include_bytes!("golden/bundle.json")).unwrap()
}

fn quota(stratum: &str, percent: &str, at_least: u64) -> Quota {
    Quota { stratum: stratum.to_owned(), percent: Percent::parse(percent).unwrap(), at_least }
}

/// The golden draw made again from its members and quotas.
fn made() -> (Roster, Quotas, Seed) {
    let golden = golden();
    let pairs: Vec<(&str, &str)> =
        golden.roster.lines().rev().map(|line| line.split_once(',').unwrap()).collect();
    let roster = Roster::new(pairs).unwrap();
    let wanted = [
        quota("D", "100", 0),
        quota("C", "0.1", 2),
        quota("B", "50", 0),
        quota("A", "12.5", 0),
        quota("E", "9", 9),
    ];
    let quotas = Quotas::of(&roster, &wanted).unwrap();
    let seed = Seed::derive(&golden.secret, &golden.entropy, &roster.digest(), &quotas.text());
    (roster, quotas, seed)
}

#[test]
fn the_golden_draw_comes_out_to_the_byte() {
    let (golden, (roster, quotas, seed)) = (golden(), made());
    assert_eq!(roster.text(), golden.roster);
    assert_eq!(roster.digest(), "21363b47fe194b97e2a44c03d0ea5fbc729a12ec23f26babcbb104642d4cd521");
    assert_eq!(quotas.text(), "A,1\nB,2\nC,2\nD,4\nUNGRADED,0\n");
    assert_eq!(
        commitment(&golden.secret),
        "ce850146a9c6665e5a75850a46f97ccd6d2186a09cd7cc64a886ed8295c01edc"
    );
    assert_eq!(seed.as_str(), "9332f6ed2fcca3589af2379e7532c856c3489532766e07443443bba5ba03f74f");
    assert_eq!(
        seed.ticket("91640399M00000019L").to_string(),
        "56b72c963e5124691f6f37af9735934a4202c039a82d00b6d4338b3fb6818cf5"
    );
    assert_eq!(select(&seed, &roster, &quotas), golden.selected);
    assert_eq!((roster.len(), roster.strata().len(), quotas.total()), (16, 5, 9));
    assert_eq!(roster.stratum_of("91640399M000000510"), Some("UNGRADED"));
    assert_eq!(roster.stratum_of("91640399M0000005"), None);
}

#[test]
fn the_next_ticket_takes_an_impossible_place() {
    let (roster, quotas, seed) = made();
    let out = ("91640399M0000006XP", "已注销");
    assert_eq!(replace(&seed, &roster, &quotas, &[out]).unwrap(), golden().replacements);
    // Stratum A: 1 of 3 drawn, so two may follow, the second for the first, and then nobody is left.
    let chain = [("91640399M000000B03", "a"), ("91640399M00000035A", "b"), ("91640399M00000078P", "c")];
    let replaced = replace(&seed, &roster, &quotas, &chain[..2]).unwrap();
    assert_eq!(
        replaced.iter().map(|r| (r.replaced_by.as_str(), r.reason.as_str())).collect::<Vec<_>>(),
        [("91640399M00000035A", "a"), ("91640399M00000078P", "b")]
    );
    assert!(
        replace(&seed, &roster, &quotas, &chain)
            .unwrap_err()
            .message_en()
            .contains("Nobody is left in stratum A")
    );
    for wrong in [
        vec![("91640399M00000035A", "not drawn")],
        vec![("91640399M00000000X", "not on the roster")],
        vec![chain[0], chain[0]],
    ] {
        let fault = replace(&seed, &roster, &quotas, &wrong).unwrap_err();
        assert_eq!(fault.reason(), "REPLACEMENT_INVALID");
        assert!(fault.message_zh().contains(wrong[0].0));
    }
}

#[test]
fn a_roster_refuses_what_would_read_as_another() {
    for pairs in [
        vec![("U1", "A"), ("U1", "B")],
        vec![("U1", "")],
        vec![("", "A")],
        vec![("U1", "A,B")],
        vec![("U1", "A\n")],
        vec![("U\r1", "A")],
        vec![("U1,A\nU2", "A")],
    ] {
        assert_eq!(Roster::new(pairs.clone()).unwrap_err().reason(), "ROSTER_INVALID", "{pairs:?}");
    }
    for (text, line) in [
        ("U1,A\nU2\n", 2),
        ("U1,A\nU2,B", 2),
        ("U1,A\r\nU2,B\r\n", 1),
        ("U1,A\n\nU2,B\n", 2),
        ("U2,A\nU3,B\nU1,A\n", 3),
        ("U1,A\nU1,A\n", 2),
        ("U1,A,B\n", 1),
    ] {
        let fault = Roster::parse(text).unwrap_err();
        assert!(fault.message_en().contains(&format!("ine {line}")), "{text:?}: {fault}");
        assert!(fault.message_zh().contains(&format!("第{line}行")), "{text:?}");
    }
    assert!(Roster::new(Vec::<(&str, &str)>::new()).unwrap().is_empty());
}

#[test]
fn quotas_are_exact_decimals_rounded_up_and_bounded() {
    for (percent, at_least, members, drawn) in [
        ("10", 0, 10, 1),
        ("10", 0, 11, 2),
        ("0", 0, 50, 0),
        ("0", 5, 3, 3),
        ("100", 0, 7, 7),
        ("33.3333", 0, 3, 1),
        ("33.333333333334", 0, 300, 101),
        // In binary floating point 0.07 × 100 is above 7 and 1.1 × 10 above 11, and either would round up.
        ("7", 0, 100, 7),
        ("1.1", 0, 1000, 11),
        ("0.29", 0, 10_000, 29),
        ("0.29", 30, 10_000, 30),
        ("5", u64::MAX, 4, 4),
    ] {
        let codes: Vec<String> = (0..members).map(|n| format!("{n:08}")).collect();
        let roster = Roster::new(codes.iter().map(|code| (code, "A"))).unwrap();
        let quotas = Quotas::of(&roster, &[quota("A", percent, at_least)]).unwrap();
        assert_eq!(quotas.text(), format!("A,{drawn}\n"), "{percent} of {members}, at least {at_least}");
    }
    let of = |percent: &str, members| Percent::parse(percent).unwrap().of_rounded_up(members);
    assert_eq!((of("0.0001", 1_000_000), of("0.0001", 1_000_001)), (1, 2));
    assert_eq!((of("100", usize::MAX), of("0.000000000001", usize::MAX)), (usize::MAX, 184_468));
}

#[test]
fn a_percent_of_the_wire_means_its_shortest_decimal() {
    for (given, meant) in
        [(0.1, "0.1"), (12.5, "12.5"), (100.0, "100"), (0.0, "0"), (1e-7, "0.0000001"), (33.3333, "33.3333")]
    {
        assert_eq!(Percent::from_f64(given).unwrap().to_string(), meant);
        assert_eq!(Percent::from_f64(given), Percent::parse(meant));
    }
    for wrong in [-1.0, 100.0001, f64::NAN, f64::INFINITY, 1e-13, 1e300] {
        assert_eq!(Percent::from_f64(wrong).unwrap_err().reason(), "PERCENT_INVALID", "{wrong}");
    }
    for wrong in ["", ".", "5.", ".5", "+5", "5%", "1e1", "٥", "101", "0100", " 5"] {
        assert!(Percent::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn quota_texts_are_read_back_in_their_one_spelling() {
    let text = "A,1\nB,0\nUNGRADED,12\n";
    assert_eq!(Quotas::parse(text).unwrap().text(), text);
    for wrong in [
        "A,1",
        "A;1\n",
        "A,01\n",
        "A,+1\n",
        "A,-1\n",
        "A,1.0\n",
        ",1\n",
        "B,1\nA,1\n",
        "A,1\nA,1\n",
        "A,1\r\n",
    ] {
        assert_eq!(Quotas::parse(wrong).unwrap_err().reason(), "QUOTA_INVALID", "{wrong:?}");
    }
    let roster = Roster::new([("U1", "A")]).unwrap();
    assert!(Quotas::of(&roster, &[quota("A", "1", 0), quota("A", "2", 0)]).is_err());
}

fn inspector(id: &str) -> draw::Inspector {
    draw::Inspector { id: id.to_owned(), skills: ["food".to_owned()].into(), ..Default::default() }
}

fn team(size: usize, workload_cap: u32) -> Team {
    let skills = BTreeSet::from(["food".to_owned()]);
    Team { size, skills, from: date(2026, 7, 1), until: date(2026, 9, 30), workload_cap }
}

/// Of these four the tickets for the visit to …19L ascend: li 0a8b…, sun 3210…, qian 6878…, zhao 941e….
const INSPECTORS: [&str; 4] = ["zhao", "qian", "sun", "li"];
const VISITED: &str = "91640399M00000019L";

#[test]
fn the_smallest_tickets_inspect() {
    let (_, _, seed) = made();
    let inspectors = INSPECTORS.map(inspector);
    let assigned = assign(&seed, [VISITED], &inspectors, &team(2, 9));
    assert_eq!(
        (assigned[0].uscc.as_str(), &assigned[0].inspectors[..]),
        (VISITED, &["li".to_owned(), "sun".to_owned()][..])
    );
    assert!(assigned[0].skipped.is_empty());
}

#[test]
fn who_may_not_inspect_is_skipped_with_the_reason() {
    let (_, _, seed) = made();
    let mut inspectors = INSPECTORS.map(inspector);
    inspectors[3].conflicts.insert(VISITED.to_owned());
    inspectors[2].available_until = Some(date(2026, 9, 29));
    inspectors[1].skills.clear();
    let assigned = assign(&seed, [VISITED], &inspectors, &team(2, 9));
    assert_eq!(assigned[0].inspectors, ["zhao"]);
    assert_eq!(
        assigned[0].skipped,
        [
            ("qian".to_owned(), Skip::LacksSkill("food".to_owned())),
            ("sun".to_owned(), Skip::NotAvailable),
            ("li".to_owned(), Skip::Conflict),
        ]
    );
    let edge = draw::Inspector {
        available_from: Some(date(2026, 7, 1)),
        available_until: Some(date(2026, 9, 30)),
        ..inspector("edge")
    };
    assert_eq!(assign(&seed, [VISITED], std::slice::from_ref(&edge), &team(1, 1))[0].inspectors, ["edge"]);
    let late = draw::Inspector { available_from: Some(date(2026, 7, 2)), ..edge };
    assert_eq!(assign(&seed, [VISITED], &[late], &team(1, 1))[0].skipped[0].1, Skip::NotAvailable);
}

#[test]
fn the_workload_counts_visits_in_the_order_of_the_draw() {
    let (_, _, seed) = made();
    let visits: Vec<String> = golden().selected.into_iter().map(|selected| selected.uscc).collect();
    let mut inspectors = INSPECTORS.map(inspector);
    inspectors[0].workload = 1;
    let assigned = assign(&seed, visits.iter().map(String::as_str), &inspectors, &team(2, 4));
    let count = |id: &str| assigned.iter().flat_map(|a| &a.inspectors).filter(|name| *name == id).count();
    assert_eq!(INSPECTORS.map(count), [3, 4, 4, 4], "15 places under the caps, of 18 asked for");
    for (index, assignment) in assigned.iter().enumerate() {
        for (id, why) in &assignment.skipped {
            let before =
                assigned[..index].iter().flat_map(|a| &a.inspectors).filter(|name| *name == id).count();
            assert_eq!((why, before + usize::from(id == "zhao")), (&Skip::AtWorkloadCap, 4));
        }
    }
}

prop_compose! {
    fn population()(codes in proptest::collection::btree_set("[0-9A-Z]{18}", 1..60), strata in proptest::collection::vec("[A-D]", 60))
        -> Vec<(String, String)> {
        codes.into_iter().zip(strata).collect()
    }
}

/// The k smallest of each stratum, the long way.
fn plainly(seed: &str, members: &[(String, String)], k: impl Fn(usize) -> usize) -> Vec<Selected> {
    let strata: BTreeSet<&String> = members.iter().map(|(_, stratum)| stratum).collect();
    let drawn = strata.into_iter().flat_map(|stratum| {
        let of_it: Vec<&String> =
            members.iter().filter(|(_, other)| other == stratum).map(|(uscc, _)| uscc).collect();
        let mut tickets: Vec<(String, &String)> =
            of_it.iter().map(|uscc| (digest(&format!("{seed}\n{uscc}")), *uscc)).collect();
        tickets.sort();
        tickets.truncate(k(of_it.len()));
        tickets
            .into_iter()
            .map(|(ticket, uscc)| Selected { uscc: uscc.clone(), stratum: stratum.clone(), ticket })
            .collect::<Vec<_>>()
    });
    drawn.collect()
}

proptest! {
    #[test]
    fn the_order_in_which_members_come_changes_nothing(members in population(), turn in 0usize..60, percent in 0u32..=1000) {
        let sorted = Roster::new(members.clone()).unwrap();
        let mut turned = members.clone();
        turned.rotate_left(turn % members.len());
        turned.reverse();
        let roster = Roster::new(turned).unwrap();
        prop_assert_eq!(&roster, &sorted);
        prop_assert_eq!(&Roster::parse(roster.text()).unwrap(), &roster);
        let percent = format!("{}.{}", percent / 10, percent % 10);
        let wanted: Vec<Quota> = ["A", "B", "C", "D"].map(|stratum| quota(stratum, &percent, 1)).into();
        let quotas = Quotas::of(&roster, &wanted).unwrap();
        let seed = Seed::derive("s", "e", &roster.digest(), &quotas.text());
        let drawn = select(&seed, &roster, &quotas);
        let tenths: usize = percent.replace('.', "").parse().unwrap();
        prop_assert_eq!(&drawn, &plainly(seed.as_str(), &members, |n| (n * tenths).div_ceil(1000).max(1).min(n)));
    }
}
