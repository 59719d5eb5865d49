//! Pairs of fictional names, judged by hand.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]
use names::{Cell, Kind, Name, Reason, Subject, decide, is_like_a_person, links};

// One subject of Wuzhong, or none where it is not for this name; the score and the reasons.
fn judge(asked: &str, own: &str, region: &str) -> Option<(u8, Vec<Reason>)> {
    let registered = Cell::read(own);
    let cell = Cell::read(asked);
    let own_keys: Vec<i64> = [registered.main.key()]
        .into_iter()
        .chain(registered.others.iter().map(|(_, name)| name.key()))
        .collect();
    if !cell.keys().iter().any(|key| own_keys.contains(key)) {
        return None;
    }
    let names: Vec<(Kind, Name)> =
        [(Kind::Registered, registered.main)].into_iter().chain(registered.others).collect();
    let subjects = [Subject { code: "1", region, names }];
    decide(&cell, &subjects).pop().map(|found| (found.likeness.score, found.likeness.reasons))
}

#[test]
fn what_is_the_same_enterprise_is_linked() {
    use Reason::*;
    let table = [
        ("宁夏虚构商贸有限公司", "宁夏虚构商贸有限公司", vec![Identical]),
        ("宁夏虚构（集团）有限公司", "宁夏虚构(集团)有限公司", vec![Width]),
        ("宁夏虚构〔集团〕有限公司", "宁夏虚构(集团)有限公司", vec![Marks]),
        ("宁夏虚构集团有限公司", "宁夏虚构(集团)有限公司", vec![Marks]),
        (" 宁夏虚 构商贸有限公司　", "宁夏虚构商贸有限公司", vec![Width]),
        ("宁夏ＡＢ虚构商贸有限公司", "宁夏ab虚构商贸有限公司", vec![Width]),
        ("宁夏虚构·商贸有限公司", "宁夏虚构商贸有限公司", vec![Marks]),
        ("寧夏虛構商貿有限公司", "宁夏虚构商贸有限公司", vec![Characters]),
        ("虚构（宁夏）商贸有限公司", "宁夏虚构商贸有限公司", vec![RegionMoved]),
        ("虚构商贸（宁夏）有限公司", "宁夏虚构商贸有限公司", vec![RegionMoved]),
        ("安顺检测（吴忠市）有限公司", "吴忠市安顺检测有限公司", vec![RegionMoved]),
        ("虚构(吴忠市)农业科技有限公司", "吴忠虚构农业科技有限公司", vec![RegionEnding, RegionMoved]),
        ("吴忠市虚构商贸有限公司", "吴忠虚构商贸有限公司", vec![RegionEnding]),
        ("宁夏吴忠市虚构商贸有限公司", "吴忠市虚构商贸有限公司", vec![RegionOuter]),
        (
            "宁夏回族自治区吴忠市红寺堡区虚构商贸有限公司",
            "红寺堡虚构商贸有限公司",
            vec![RegionEnding, RegionOuter],
        ),
        ("宁夏虚构商贸有限责任公司", "宁夏虚构商贸有限公司", vec![FormWriting]),
        ("宁夏虚构商贸股份公司", "宁夏虚构商贸股份有限公司", vec![FormWriting]),
        ("虚构农业科技有限公司", "宁夏虚构农业科技有限公司", vec![RegionAbsent(true)]),
        ("宁夏虚构农业科技有限公司", "虚构农业科技有限公司", vec![RegionAbsent(true)]),
        ("虚构银行吴忠分行", "虚构银行股份有限公司吴忠分行", vec![FormAbsentInBranch]),
        ("虚构财险股份有限公司吴忠市支公司", "虚构财险股份有限公司吴忠支公司", vec![RegionEnding]),
        (
            "虚构财险股份有限公司吴忠支公司及相关责任人",
            "虚构财险股份有限公司吴忠支公司",
            vec![Identical, Trimmed],
        ),
        ("宁夏虚构纸箱厂", "宁夏虚构集团公司;第二名称:宁夏虚构纸箱厂", vec![Identical, Other(Kind::Second)]),
        ("宁夏虚构集团公司", "宁夏虚构集团公司(第一名称);宁夏虚构纸箱厂(第二名称)", vec![Identical]),
        (
            "宁夏虚构租赁有限公司（原宁夏示例租赁有限公司）",
            "宁夏示例租赁有限公司",
            vec![Identical, Given(Kind::Former), Trimmed],
        ),
    ];
    for (asked, own, reasons) in table {
        let (score, found) = judge(asked, own, "640302").unwrap_or_else(|| panic!("{asked} finds nothing"));
        assert!(links(score), "{asked}: {score} {found:?}");
        assert_eq!(found, reasons, "{asked}");
    }
}

#[test]
fn what_is_not_sure_is_left_for_a_person() {
    use Reason::*;
    let table = [
        ("宁夏虚构商贸股份有限公司", "宁夏虚构商贸有限公司", Some(FormOther)),
        ("宁夏虚构商贸公司", "宁夏虚构商贸有限公司", Some(FormOther)),
        ("宁夏虚构农业科技", "宁夏虚构农业科技有限公司", Some(FormAbsent)),
        ("虚构财险股份有限公司吴忠支公司", "虚构财险股份有限公司", Some(ParentOfBranch)),
        ("甘肃虚构农业科技有限公司", "宁夏虚构农业科技有限公司", Some(RegionOther)),
        ("吴忠市虚构农业科技有限公司", "宁夏虚构农业科技有限公司", Some(RegionCoarser)),
        ("甘肃虚构农业科技有限公司", "虚构农业科技有限公司", Some(RegionAbsent(false))),
        ("长沙县虚构农业科技有限公司", "长沙市虚构农业科技有限公司", Some(RegionCoarser)),
        (
            "虚构财险股份有限公司吴忠支公司、宁夏虚构商贸有限公司",
            "宁夏虚构商贸有限公司",
            Some(SeveralParties),
        ),
        ("宁夏示例商贸公司（第二名称：宁夏虚构纸箱厂）", "宁夏虚构纸箱厂", Some(Given(Kind::Second))),
        (
            "宁夏示例机械有限公司（原宁夏虚构机械厂）",
            "宁夏虚构工具有限公司（原宁夏虚构机械厂）",
            Some(NamesDisagree),
        ),
        // Other names altogether.
        ("宁夏虚拟商贸有限公司", "宁夏虚构商贸有限公司", None),
        ("宁夏虚构一商贸有限公司", "宁夏虚构二商贸有限公司", None),
        ("虚构财险股份有限公司", "虚构财险股份有限公司吴忠支公司", None),
        ("虚构财险股份有限公司中卫支公司", "虚构财险股份有限公司吴忠支公司", None),
        ("虚构财险股份有限公司吴忠支公司", "示例财险股份有限公司吴忠支公司", None),
        ("虚构电信股份有限公司长沙市分公司", "虚构电信股份有限公司长沙县分公司", None),
        ("吴忠市供销合作社", "盐池县供销合作社", None),
        ("供销合作社", "盐池县供销合作社", None),
    ];
    for (asked, own, reason) in table {
        match (judge(asked, own, "640302"), reason) {
            (None, None) => {}
            (Some((score, found)), Some(reason)) => {
                assert!(!links(score) && found.contains(&reason), "{asked}: {score} {found:?}");
            }
            // A key that two names share says nothing yet.
            (Some((score, found)), None) => panic!("{asked}: {score} {found:?}"),
            (None, Some(reason)) => panic!("{asked} finds nothing, not even {reason:?}"),
        }
    }
}

fn among(asked: &str, own: &[(&'static str, &str)]) -> Vec<(&'static str, u8, Reason)> {
    let cell = Cell::read(asked);
    let subjects: Vec<Subject> = own
        .iter()
        .map(|(code, name)| Subject {
            code,
            region: "640302",
            names: vec![(Kind::Registered, Name::of(name))],
        })
        .collect();
    let found = decide(&cell, &subjects);
    found
        .into_iter()
        .map(|one| (own[one.subject].0, one.likeness.score, one.likeness.reasons.last().unwrap().clone()))
        .collect()
}

#[test]
fn of_several_that_fit_alike_none_is_linked() {
    let one = ("1", "虚构农业科技有限公司");
    // The same name twice.
    let found = among("虚构农业科技有限公司", &[one, ("2", "虚构农业科技有限公司")]);
    assert!(
        found.iter().all(|(_, score, reason)| !links(*score) && *reason == Reason::SeveralSubjects(2)),
        "{found:?}"
    );
    // What is written the same stands before what is alike.
    let found = among("虚构农业科技有限公司", &[("2", "宁夏虚构农业科技有限公司"), one]);
    assert_eq!((found[0].0, found[0].1, links(found[1].1)), ("1", 100, false));
    // Two that are alike, each in its way.
    let found = among(
        "虚构农业科技有限公司",
        &[("2", "宁夏虚构农业科技有限公司"), ("3", "虚构农业科技有限责任公司")],
    );
    assert!(found.iter().all(|(_, score, _)| !links(*score)), "{found:?}");
    // What a cell gives in brackets is another subject.
    let found =
        among("虚构农业科技有限公司（原示例农业科技有限公司）", &[one, ("2", "示例农业科技有限公司")]);
    assert!(
        found.iter().all(|(_, score, reason)| !links(*score) && *reason == Reason::NamesDisagree),
        "{found:?}"
    );
}

#[test]
fn a_person_is_not_looked_up() {
    assert!(is_like_a_person("张某某") && !is_like_a_person("虚构餐饮店"));
}
