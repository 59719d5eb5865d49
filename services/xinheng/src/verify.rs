//! `verify-draw`: recomputes a draw's bundle offline and says what agrees and what differs.
use std::path::Path;

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
            print!("{}", agreed(&bundle.draw_id, &verified));
            0
        }
        Err(discrepancies) => {
            print!("{}", differing(&bundle.draw_id, &discrepancies));
            1
        }
    }
}

fn agreed(draw: &str, verified: &Verified) -> String {
    let roster = verified.roster_size.map_or_else(String::new, |size| format!(" from a roster of {size}"));
    let mut text = format!(
        "VERIFIED 验证通过: draw {draw}, {} drawn{roster}, {} replaced; commitment, seed, every ticket and the order agree\n",
        verified.drawn, verified.replaced
    );
    for remark in &verified.remarks {
        text.push_str(&format!("  note: {}\n        {}\n", remark.en, remark.zh));
    }
    text
}

fn differing(draw: &str, discrepancies: &[Discrepancy]) -> String {
    let mut text = format!("NOT VERIFIED 验证不通过: draw {draw}, {} discrepancies\n", discrepancies.len());
    for found in discrepancies {
        text.push_str(&format!("  {}: {}\n  {}{}\n", found.path, found.en, " ".repeat(found.path.len() + 2), found.zh));
    }
    text
}
