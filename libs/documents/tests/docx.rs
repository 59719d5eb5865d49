//! Whole documents as DOCX, taken apart again by Python's own zip and XML readers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]
use std::process::Command;

use documents::{Block, Column, Document, docx};

fn document(blocks: Vec<Block>) -> Document {
    Document {
        title: String::from("列入决定书"),
        subtitle: String::from("虚构〔2026〕1号"),
        author: String::from("信用联办"),
        created: jiff::civil::date(2026, 2, 13).at(9, 30, 0, 0),
        header: (String::from("列入决定书"), String::from("XH-1")),
        footer: String::from("虚构示例"),
        watermark: String::new(),
        blocks,
    }
}

// The text of every paragraph of a part, one a line; fails where a part is not well-formed.
const READ: &str = "
import sys, zipfile, xml.etree.ElementTree as tree
w = '{http://schemas.openxmlformats.org/wordprocessingml/2006/main}'
file = zipfile.ZipFile(sys.argv[1])
assert file.testzip() is None
parts = {name: tree.fromstring(file.read(name)) for name in file.namelist()}
for name in ('word/document.xml', 'word/header1.xml', 'word/footer1.xml'):
    for p in parts[name].iter(w + 'p'):
        print(''.join('\\n' if e.tag == w + 'br' else e.text or '' for e in p.iter() if e.tag in (w + 't', w + 'br')))
print(sorted(file.namelist()))
";

fn read(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document.docx");
    std::fs::write(&file, bytes).unwrap();
    let output =
        Command::new("python3").args(["-c", READ]).arg(&file).output().expect("python3 is not installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_written_can_be_found() {
    let columns = vec![Column::text("措施", 70), Column::number("月数", 30)];
    let text = read(
        &docx(&document(vec![
            Block::Heading(String::from("一、事实")),
            Block::Facts(vec![(String::from("名称"), String::from("虚构<示例>&“公司”"))]),
            Block::Paragraph(String::from("第一行\n第二行\u{0}")),
            Block::Callout(String::from("如不服本决定，可申请行政复议。")),
            Block::Remark(String::from("附注")),
            Block::Table { columns, rows: vec![vec![String::from("限制"), String::from("12")], vec![]] },
        ]))
        .unwrap(),
    );
    for line in [
        "列入决定书",
        "虚构〔2026〕1号",
        "一、事实",
        "虚构<示例>&“公司”",
        "第一行\n第二行\n",
        "如不服本决定，可申请行政复议。",
        "附注",
        "措施",
        "12",
        "XH-1",
        "虚构示例第 1 页 / 共 1 页",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.contains("'[Content_Types].xml'") && text.contains("'docProps/core.xml'"), "{text}");
}

#[test]
fn the_same_document_is_the_same_file_and_another_is_not() {
    let one = |words: &str| docx(&document(vec![Block::Paragraph(String::from(words))])).unwrap();
    assert_eq!(one("甲"), one("甲"));
    assert_ne!(one("甲"), one("乙"));
}

#[test]
fn strange_models_are_written_all_the_same() {
    let none = Block::Table { columns: Vec::new(), rows: vec![vec![String::from("x")]] };
    let nothing = Column::text("", 0);
    let empty =
        Block::Table { columns: vec![nothing.clone(), nothing], rows: vec![vec![String::from("长"); 9]] };
    let text = read(&docx(&document(vec![none, empty, Block::Facts(Vec::new())])).unwrap());
    assert!(text.contains("长"), "{text}");
}
