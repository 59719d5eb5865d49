//! The published vectors, judged by the library, by the script in another language and by the page, each written for itself.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at what it did not expect")]

use std::path::{Path, PathBuf};
use std::process::Command;

use draw::{Bundle, Inspector, Seed, Team, assign, digest, verify};
use jiff::civil::date;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    bundles: Vec<Judged>,
    inspectors: Vec<Ordered>,
}

#[derive(Deserialize)]
struct Judged {
    verified: bool,
    #[serde(default)]
    named: String,
    bundle: Bundle,
}

#[derive(Deserialize)]
struct Ordered {
    seed: String,
    uscc: String,
    ids: Vec<String>,
    order: Vec<String>,
}

fn vectors() -> Vectors {
    serde_json::from_slice(include_bytes!("golden/vectors.json")).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn each_bundle_is_judged_as_published() {
    let vectors = vectors();
    assert!(vectors.bundles.len() >= 16);
    for (place, vector) in vectors.bundles.iter().enumerate() {
        match verify(&vector.bundle) {
            Ok(_) => assert!(vector.verified, "bundle {place} is changed, and verified"),
            Err(found) => {
                let paths: Vec<&str> = found.iter().map(|one| one.path.as_str()).collect();
                assert!(!vector.verified, "bundle {place}: {paths:?}");
                assert!(
                    paths.contains(&vector.named.as_str()),
                    "bundle {place}: {} in {paths:?}",
                    vector.named
                );
            }
        }
    }
}

#[test]
fn inspectors_come_in_the_published_order() {
    for one in vectors().inspectors {
        let inspectors: Vec<Inspector> =
            one.ids.iter().map(|id| Inspector { id: id.clone(), ..Default::default() }).collect();
        let team = Team {
            size: 3,
            skills: Default::default(),
            from: date(2026, 1, 1),
            until: date(2026, 1, 2),
            workload_cap: 9,
        };
        let assigned = assign(&Seed::of(one.seed), [one.uscc.as_str()], &inspectors, &team);
        assert_eq!(assigned[0].inspectors, one.order);
    }
}

// Whether a program is there; where it is not, that is said aloud.
fn has(program: &str, what: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: {what} was not run, as {program} is not installed here");
    }
    found
}

#[test]
fn the_script_in_another_language_judges_them_alike() {
    if !has("python3", "tests/verify_draw.py") {
        return;
    }
    let out = Command::new("python3")
        .args(["tests/verify_draw.py", "--vectors", "libs/draw/tests/golden/vectors.json"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn the_page_judges_them_alike_in_a_browser() {
    if !has("python3", "tests/verify_page.py") || !has("chromium", "the page /verify in a browser") {
        return;
    }
    let out = Command::new("python3").arg("tests/verify_page.py").current_dir(root()).output().unwrap();
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{told}{}", String::from_utf8_lossy(&out.stderr));
}

// The decimal digits of a hash in hex, 64 at least, the last first: as consistent_sampler writes a ticket.
fn reversed_decimal(hex: &str) -> String {
    let mut number: Vec<u32> =
        hex.as_bytes().iter().map(|digit| char::from(*digit).to_digit(16).unwrap()).collect();
    let mut digits = String::new();
    while number.iter().any(|digit| *digit > 0) {
        let mut rest = 0;
        for digit in &mut number {
            let value = rest * 16 + *digit;
            (*digit, rest) = (value / 10, value % 10);
        }
        digits.push(char::from_digit(rest, 10).unwrap());
    }
    format!("{digits:0<64}")
}

#[test]
fn a_ticket_is_that_of_consistent_sampler_written_otherwise() {
    // Its published example: the ticket of id AB-130 under seed 01382438112797316654.
    let example = digest(&format!("{}AB-130", digest("01382438112797316654")));
    assert_eq!(
        reversed_decimal(&example),
        "26299714122838008416507544297546663599715395525154425586041245287750224561854"
    );
    // Given the text that our seed is the hash of as its seed, and "\n" + uscc as its id, it hashes what we hash.
    let golden = Bundle::from_json(include_bytes!("golden/bundle.json")).unwrap();
    let seed = Seed::derive(&golden.secret, &golden.entropy, &digest(&golden.roster), &golden.quota_text);
    for (uscc, fraction) in CONSISTENT_SAMPLER {
        assert_eq!(reversed_decimal(&seed.ticket(uscc).to_string()), fraction);
    }
}

/// What `first_fraction("\n" + uscc, …)` of consistent_sampler 1.0.10 gives for the golden draw, after the `0.`.
const CONSISTENT_SAMPLER: [(&str, &str); 3] = [
    ("91640399M000000B03", "09605958140003681745280041314954545321056482564504846633041931437164728665306"),
    ("91640399M0000006XP", "57186182274885291454033712720248734541043076207807006332715007827998171790006"),
    ("91640399M000000E5M", "09142250090535836348075998933342235453823702436344561655644232410688842786297"),
];
