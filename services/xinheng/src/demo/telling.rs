//! How the story looks in a terminal.
use std::io::{IsTerminal, Write};

use serde_json::Value;

/// A numbered step's heading.
pub fn step(number: usize, title: &str) {
    println!("\n[{number:>2}] {title}");
}

/// A line under a step.
pub fn line(text: impl AsRef<str>) {
    println!("     {}", text.as_ref());
}

/// Progress that overwrites itself in a terminal and stays silent in a file.
pub fn progress(text: &str) {
    if std::io::stdout().is_terminal() {
        print!("\r     {text:<90}");
        let _ = std::io::stdout().flush();
    }
}

/// Ends a line of progress.
pub fn progressed() {
    if std::io::stdout().is_terminal() {
        print!("\r{:<96}\r", "");
    }
}

/// A distribution as bars.
pub fn bars(distribution: &Value, order: &[&str]) {
    let count = |grade: &str| distribution[grade].as_u64().unwrap_or(0);
    let most = order.iter().map(|grade| count(grade)).max().unwrap_or(0).max(1);
    let total: u64 = order.iter().map(|grade| count(grade)).sum();
    for grade in order {
        let (width, share) = (count(grade) * 48 / most, count(grade) * 1_000 / total.max(1));
        let bar = "█".repeat(usize::try_from(width).unwrap_or(0));
        line(format!("{grade:<4}{:>6}  {:>3}.{}%  {bar}", count(grade), share / 10, share % 10));
    }
}
