//! `verify-draw`: recomputes a draw's bundle offline and says what agrees and what differs.
use std::{
    io::{self, Write as _},
    path::Path,
};

use draw::{Bundle, Discrepancy, Verified};

/// Verifies a file: 0 verified, 1 not, 2 unreadable.
pub fn run(file: &Path) -> u8 {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{} can't be read: {error}", file.display());
            return 2;
        }
    };
    let bundle = match Bundle::from_json(&text) {
        Ok(bundle) => bundle,
        Err(unreadable) => {
            eprintln!("{}: {}\n{}", file.display(), unreadable.message_en(), unreadable.message_zh());
            return 2;
        }
    };
    match draw::verify(&bundle) {
        Ok(verified) => {
            say(&agreed(&bundle.draw_id, &verified));
            0
        }
        Err(discrepancies) => {
            say(&differing(&bundle.draw_id, &discrepancies));
            1
        }
    }
}

// The exit code tells the outcome also where nobody reads on, for example behind `| head -1`.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

fn agreed(draw: &str, verified: &Verified) -> String {
    let (drawn, replaced) = (verified.drawn, verified.replaced);
    let recomputed = match verified.roster_size {
        Some(size) => format!(
            "the roster's digest ({size} subjects), the commitment, the seed, every ticket, who is drawn and the order"
        ),
        None => String::from("the commitment, the seed, every ticket and the numbers drawn"),
    };
    let mut text = format!(
        "VERIFIED 验证通过: draw {draw}, {drawn} drawn, {replaced} replaced\n  recomputed and agreeing: {recomputed}\n"
    );
    for remark in &verified.remarks {
        text.push_str(&format!("  note: {}\n        {}\n", remark.en, remark.zh));
    }
    text
}

fn differing(draw: &str, discrepancies: &[Discrepancy]) -> String {
    let mut text = format!("NOT VERIFIED 验证不通过: draw {draw}, {} discrepancies\n", discrepancies.len());
    for found in discrepancies {
        text.push_str(&format!(
            "  {}: {}\n  {}{}\n",
            found.path,
            found.en,
            " ".repeat(found.path.len() + 2),
            found.zh
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use draw::{Percent, Quota, Quotas, Roster, Seed};

    use super::*;

    fn bundle() -> Bundle {
        let roster =
            Roster::new((0..20).map(|n| (format!("CODE{n:02}"), if n % 2 == 0 { "A" } else { "B" })))
                .unwrap();
        let quota = Quota { stratum: String::from("A"), percent: Percent::parse("25").unwrap(), at_least: 0 };
        let quotas = Quotas::of(&roster, &[quota]).unwrap();
        let secret = "0123456789abcdef".repeat(4);
        let seed = Seed::derive(&secret, "08 15", &roster.digest(), &quotas.text());
        Bundle {
            draw_id: String::from("d"),
            roster: roster.text().to_owned(),
            quota_text: quotas.text(),
            commitment: draw::commitment(&secret),
            secret,
            entropy: String::from("08 15"),
            seed: seed.as_str().to_owned(),
            selected: draw::select(&seed, &roster, &quotas),
            ..Bundle::default()
        }
    }

    // What the command answers to a file of the given text.
    fn answer(name: &str, text: &str) -> u8 {
        let file = std::env::temp_dir().join(format!("xinheng-verify-{}-{name}.json", std::process::id()));
        std::fs::write(&file, text).unwrap();
        let answer = run(&file);
        std::fs::remove_file(&file).unwrap();
        answer
    }

    #[test]
    fn the_exit_code_tells_the_outcome() {
        let whole = serde_json::to_string(&bundle()).unwrap();
        let cut = serde_json::to_string(&bundle().without_strata()).unwrap();
        assert_eq!(answer("whole", &whole), 0);
        assert_eq!(answer("cut", &cut), 0);
        assert_eq!(answer("tampered", &whole.replacen("08 15", "08 16", 1)), 1);
        assert_eq!(answer("torn", &whole[..whole.len() / 2]), 2);
        assert_eq!(answer("empty", ""), 2);
        assert_eq!(
            answer("early", &serde_json::to_string(&Bundle { secret: String::new(), ..bundle() }).unwrap()),
            2
        );
        assert_eq!(run(&std::env::temp_dir().join("xinheng-no-such-file")), 2);
    }

    #[test]
    fn the_words_say_what_was_recomputed_and_what_differs() {
        let verified = draw::verify(&bundle()).unwrap();
        let text = agreed("d", &verified);
        assert!(text.contains("3 drawn, 0 replaced") && text.contains("(20 subjects)"), "{text}");
        let bare = agreed("d", &draw::verify(&bundle().without_strata()).unwrap());
        assert!(!bare.contains("who is drawn") && bare.contains("The roster is not public"), "{bare}");
        let forged = Bundle { seed: "0".repeat(64), ..bundle() };
        let text = differing("d", &draw::verify(&forged).unwrap_err());
        assert!(
            text.starts_with("NOT VERIFIED") && text.contains("  seed: the bundle states 0000"),
            "{text}"
        );
    }
}
