//! Whole documents as PDF: what a reader can find in them, and how they are paged. Pages are read with `pdftotext` of poppler-utils.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]
use std::process::Command;

use documents::{Block, Column, Document, Rendered, pdf};

fn document(blocks: Vec<Block>) -> Document {
    Document {
        title: String::from("公共信用信息报告"),
        subtitle: String::from("（试验）"),
        author: String::from("信用联办"),
        created: jiff::civil::date(2026, 2, 13).at(9, 30, 0, 0),
        header: (String::from("公共信用信息报告"), String::from("XH-1")),
        footer: String::from("虚构示例"),
        watermark: String::from("信衡 XH-1"),
        blocks,
    }
}

fn table(rows: usize) -> Block {
    let columns = vec![Column::text("序号", 8), Column::text("事项名称", 60), Column::number("金额", 32)];
    let row = |number: usize| {
        let text = format!("第{number}项，《条例》第（{number}）条：未按规定公示信息，情节较轻，已改正。");
        vec![number.to_string(), text, format!("{number}.00")]
    };
    Block::Table { columns, rows: (1..=rows).map(row).collect() }
}

/// The pages' texts, as `pdftotext` finds them.
fn read(rendered: &Rendered, options: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document.pdf");
    std::fs::write(&file, &rendered.bytes).unwrap();
    let output = Command::new("pdftotext").args(options).arg(&file).arg("-").output();
    let output = output.expect("pdftotext is not installed: apt-get install poppler-utils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split('\u{c}').filter(|page| !page.trim().is_empty()).map(str::to_owned).collect()
}

// Spaces are a question of how wide a gap the reader takes for one.
fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn what_is_written_can_be_found() {
    let facts = vec![(String::from("名称"), String::from("虚构示例（堃喆）有限公司"))];
    let rendered = pdf(&document(vec![
        Block::Heading(String::from("一、基本信息")),
        Block::Facts(facts),
        Block::Callout(String::from("以下记录正在异议处理中。")),
        Block::Remark(String::from("金额单位：元")),
    ]))
    .unwrap();
    let pages = read(&rendered, &["-layout"]);
    assert_eq!((pages.len(), rendered.pages), (1, 1));
    let page = dense(&pages[0]);
    for text in [
        "公共信用信息报告",
        "一、基本信息",
        "虚构示例（堃喆）有限公司",
        "以下记录正在异议处理中。",
        "金额单位：元",
        "第 1 页 / 共 1 页",
    ] {
        assert!(page.contains(&dense(text)), "{text} in {page}");
    }
    assert!(rendered.missing.is_empty());
    assert!(!page.contains("信衡XH-1"), "the watermark is drawn, not written");
}

#[test]
fn a_long_table_repeats_its_head_and_loses_no_row() {
    let rendered = pdf(&document(vec![table(140)])).unwrap();
    let pages = read(&rendered, &["-layout"]);
    assert!(pages.len() >= 5, "{} pages", pages.len());
    assert_eq!(pages.len(), rendered.pages);
    for (index, page) in pages.iter().enumerate() {
        assert_eq!(page.matches("事项名称").count(), 1, "page {}", index + 1);
        assert!(dense(page).contains(&format!("第{}页/共{}页", index + 1, pages.len())));
    }
    let whole = pages.concat();
    for number in 1..=140 {
        assert!(whole.contains(&format!(" {number}.00")), "row {number}");
    }
}

#[test]
fn a_row_longer_than_a_page_goes_on() {
    let text: String = (0..3_000).map(|number| format!("{number}、")).collect();
    let columns = vec![Column::text("项", 20), Column::text("内容", 80)];
    let rendered =
        pdf(&document(vec![Block::Table { columns, rows: vec![vec![String::from("甲"), text]] }])).unwrap();
    assert!(rendered.pages >= 3);
    let whole = dense(&read(&rendered, &[]).concat());
    for number in [0, 700, 1_400, 2_999] {
        assert!(whole.contains(&format!("{number}、")), "{number}");
    }
}

// The boxes of words: none reaches over the margins of 20 mm, or into the header's and footer's room at their sides.
#[test]
fn nothing_stands_beyond_the_margins() {
    let wide = Column::text("一个很长很长很长很长很长很长很长很长的栏目名称", 1);
    let columns = vec![wide, Column::number("金额", 1), Column::text("说明", 30)];
    let row = vec![
        String::from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        String::from("123456789012.50"),
        "，，，，（（（（】】】】".repeat(40),
    ];
    let long = "aVeryLongWordWithoutAnyPlaceToBreakItAtAll".repeat(12);
    let rendered = pdf(&document(vec![
        Block::Paragraph(long.clone()),
        Block::Heading(long.clone()),
        Block::Callout("信用，".repeat(900)),
        Block::Table { columns, rows: vec![row; 3] },
        Block::Facts(vec![(long.clone(), long)]),
    ]))
    .unwrap();
    let boxes = read(&rendered, &["-bbox"]).concat();
    let mut words = 0;
    for word in boxes.lines().filter(|line| line.contains("<word ")) {
        let edge = |name: &str| -> f64 {
            let at = word.find(name).unwrap() + name.len() + 2;
            word[at..].split('"').next().unwrap().parse().unwrap()
        };
        assert!(edge("xMin") >= 56.6 && edge("xMax") <= 538.7, "{word}");
        assert!(edge("yMin") >= 30.0 && edge("yMax") <= 812.0, "{word}");
        words += 1;
    }
    assert!(words > 50, "{words} words");
}

#[test]
fn the_same_document_is_the_same_file_and_another_is_not() {
    let first = pdf(&document(vec![table(3)])).unwrap();
    assert_eq!(first.bytes, pdf(&document(vec![table(3)])).unwrap().bytes);
    assert_ne!(first.bytes, pdf(&document(vec![table(4)])).unwrap().bytes);
    let later =
        Document { created: jiff::civil::date(2026, 2, 14).at(9, 30, 0, 0), ..document(vec![table(3)]) };
    assert_ne!(first.bytes, pdf(&later).unwrap().bytes);
}

#[test]
fn a_character_that_the_typeface_lacks_is_spelled_and_told() {
    let rendered =
        pdf(&document(vec![Block::Paragraph(String::from("法定代表人：张𠮷\u{feff}。"))])).unwrap();
    assert_eq!(rendered.missing.iter().copied().collect::<Vec<_>>(), ['\u{feff}', '𠮷']);
    let text = read(&rendered, &[]).concat();
    assert!(text.contains("张〔U+20BB7〕〔U+FEFF〕。"), "{text}");
}

#[test]
fn strange_models_are_written_all_the_same() {
    let none = Block::Table { columns: Vec::new(), rows: vec![vec![String::from("x")]] };
    let nothing = Column::text("", 0);
    let empty = Block::Table {
        columns: vec![nothing.clone(), nothing],
        rows: vec![Vec::new(), vec![String::from("长"); 9]],
    };
    let blank = Document { title: String::new(), watermark: String::new(), ..document(vec![none, empty]) };
    assert_eq!(pdf(&blank).unwrap().pages, 1);
}
