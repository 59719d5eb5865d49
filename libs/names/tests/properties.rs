//! What holds of every name.
use names::{Cell, Kind, Name, Subject, compare, decide, fold, links};
use proptest::prelude::*;

const WORDS: [&str; 14] = [
    "宁夏",
    "吴忠市",
    "虚构",
    "示例",
    "商贸",
    "农业科技",
    "（集团）",
    "(宁夏)",
    "有限公司",
    "股份有限公司",
    "分公司",
    "第二",
    "银行",
    "、",
];

fn name() -> impl Strategy<Value = String> {
    let words = prop::collection::vec(prop::sample::select(WORDS.to_vec()), 1..7);
    prop_oneof![words.prop_map(|words| words.concat()), "\\PC{0,40}"]
}

#[test]
fn a_region_in_brackets_and_nothing_else_is_left_for_a_person() {
    let (a, b) = (Name::of("宁夏"), Name::of("(宁夏)"));
    assert!(a.key() != b.key() && !compare(&a, &b, "640302").unwrap().links());
    assert!(compare(&a, &a, "640302").unwrap().links());
}

proptest! {
    #[test]
    fn folding_is_done_once(text in "\\PC{0,60}") {
        let once = fold(&text);
        prop_assert_eq!(fold(&once), once.clone());
    }

    #[test]
    fn every_text_is_read_and_keeps_its_key(text in name()) {
        let cell = Cell::read(&text);
        prop_assert!(cell.keys().contains(&cell.main.key()));
        let spaced: String = text.chars().flat_map(|c| [c, '　']).collect();
        prop_assert_eq!(Name::of(&spaced).key(), Name::of(&text).key());
    }

    #[test]
    fn a_name_is_linked_to_itself(text in name()) {
        let cell = Cell::read(&text);
        prop_assume!(!cell.main.folded.is_empty());
        let names = vec![(Kind::Registered, Cell::read(&text).main)];
        let found = decide(&cell, &[Subject { code: "1", region: "640302", names }]);
        prop_assert!(links(found[0].likeness.score));
    }

    #[test]
    fn a_pair_is_as_like_one_way_as_the_other(a in name(), b in name()) {
        let (a, b) = (Name::of(&a), Name::of(&b));
        let score = |one: &Name, other: &Name| compare(one, other, "640302").map(|likeness| likeness.score);
        prop_assert_eq!(score(&a, &b), score(&b, &a));
    }

    #[test]
    fn what_links_has_one_key(a in name(), b in name()) {
        let (a, b) = (Name::of(&a), Name::of(&b));
        if compare(&a, &b, "640302").is_some_and(|likeness| likeness.links()) {
            prop_assert_eq!(a.key(), b.key(), "{} and {}", a.folded, b.folded);
        }
    }

    #[test]
    fn a_branch_is_never_its_parent(trade in "[虚构示例甲乙丙]{2,4}", place in prop::sample::select(vec!["吴忠", "中卫市", "第一"])) {
        let parent = Name::of(&format!("宁夏{trade}财险股份有限公司"));
        for kind in ["分公司", "支公司", "营业部"] {
            let branch = Name::of(&format!("宁夏{trade}财险股份有限公司{place}{kind}"));
            prop_assert!(compare(&branch, &parent, "640302").is_some_and(|likeness| !likeness.links()));
            prop_assert!(compare(&parent, &branch, "640302").is_some_and(|likeness| !likeness.links()));
        }
    }
}
