//! Accounts of grades: a case worked by hand with its sentences, and what must hold of every account.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
use jiff::civil::{Date, date};
use proptest::prelude::*;
use scoring::{Change, Compiled, Decimal, Fact, FactSheet, Schemas};

mod support;
use support::{
    random::{any_date, any_model, any_subject, compiled},
    reference::{exact, reference},
};

/// By hand, on 2026-02-01: p1 (2025-03-10) is within 12 months, -5; p2 (2024-06-30) within 36, half, -2.5; p1 falls to its half on
/// 2026-03-10. So 85 - 7.5 = 77.5, B; 90 needs 12.5 more. l1 vetoes to C until 2026-06-30. Without l1: B.
/// p1's half alone: 80, B still. p2 leaves on 2027-06-30: -2.5 → 82.5. p1 leaves on 2028-03-10: 85, B: time never earns A.
const MODEL: &str = "
baseScore: 85
minScore: 0
maxScore: 100
indicators:
  - { id: penalties, name: 行政处罚, items: [penalty], measure: COUNT, pointsPerUnit: -5,
      decay: [{ withinMonths: 12, percent: 100 }, { withinMonths: 36, percent: 50 }] }
  - { id: awards, name: 表彰, items: [award], measure: EXISTS, pointsPerUnit: 3 }
vetoes:
  - { id: listed, items: [listing], grade: C, withinMonths: 6, reason: 列入经营异常名录 }
grades: [{ grade: A, minScore: 90 }, { grade: B, minScore: 75 }, { grade: C, minScore: 60 }, { grade: D, minScore: 0 }]
";

fn scheme() -> Compiled {
    let mut schemas = Schemas::new();
    for item in ["penalty", "award", "listing"] {
        schemas.insert(item, [("x", scoring::FieldType::Text)]);
    }
    schemas.need_grant("award");
    let model = support::model(support::yaml::<serde_yaml_ng::Value>(MODEL));
    Compiled::model(&model, &schemas)
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
        .of_department("虚构市局")
}

fn sheet() -> FactSheet {
    let mut sheet = FactSheet::new();
    for (record, item, on) in [
        ("p1", "penalty", date(2025, 3, 10)),
        ("p2", "penalty", date(2024, 6, 30)),
        ("a1", "award", date(2025, 1, 1)),
        ("l1", "listing", date(2025, 12, 30)),
    ] {
        sheet
            .apply(Change::Put(Fact {
                record: record.into(),
                version: 1,
                item: item.into(),
                occurred_on: on,
                severity: 1,
                amount: None,
                fields: Vec::new(),
                order: 1,
                effective_from: None,
                effective_until: None,
            }))
            .unwrap();
    }
    sheet
}

#[test]
fn a_case_by_hand() {
    let (scheme, sheet, on) = (scheme(), sheet(), date(2026, 2, 1));
    let account = scheme.account(&sheet, on);
    let zh: Vec<&str> = account.told.iter().map(|told| told.zh.as_str()).collect();
    assert_eq!(
        zh,
        [
            "截至2026年2月1日，等级为C，得分77.5分：基础分85分，各指标合计-7.5分；仅按得分应为B。",
            "因记录l1，等级不高于C（列入经营异常名录）；自2026年6月30日起不再适用。",
            "行政处罚：计入2条记录，数值为1.5，得-7.5分。",
            "记录p2（2024年6月30日）自2025年6月30日起按50%计，计-2.5分；自2027年6月30日起不再计入。",
            "记录p1（2025年3月10日）自2025年3月10日起按100%计，计-5分；自2026年3月10日起按50%计。",
            "award的记录未计入：当日没有对该部门的有效授权。",
            "如记录l1经修复或期满不再计入，等级为B（77.5分）。",
            "如无其他变化，自2026年6月30日起等级为B（80分）。",
        ]
    );
    let en: Vec<&str> = account.told.iter().map(|told| told.en.as_str()).collect();
    assert_eq!(
        en,
        [
            "On 2026-02-01 the grade is C and the score 77.5: 85 to start from, -7.5 by the indicators; the score alone would earn B.",
            "Lowered to C at least by l1 (列入经营异常名录); from 2026-06-30 on no more.",
            "行政处罚: 2 records, value 1.5, -7.5 points.",
            "Record p2 of 2024-06-30 counts by 50% since 2025-06-30, -2.5 points; from 2027-06-30 on no more.",
            "Record p1 of 2025-03-10 counts by 100% since 2025-03-10, -5 points; from 2026-03-10 on by 50%.",
            "Records of award do not count: no grant to the department covers them on this day.",
            "Without record l1, once repaired or expired, the grade would be B (score 77.5).",
            "If nothing else happens, the grade is B (score 80) from 2026-06-30 on.",
        ]
    );
    assert_eq!(account.outlook.better, None, "points do not help while the veto holds");

    let later = scheme.account(&sheet, date(2026, 7, 1));
    let better = later.outlook.better.unwrap();
    assert_eq!((better.grade.as_str(), better.missing), ("A", Decimal::whole(10)), "85 - 5 = 80, to 90");
    assert_eq!((later.outlook.next, later.outlook.raised), (None, None), "85 at most, whatever the time");
    assert_eq!(scheme.what_if(&sheet, &["p1", "p2", "l1"], on).score, Some(Decimal::whole(85)));
    assert_eq!(scheme.what_if(&sheet, &["unknown"], on), scheme.grade(&sheet, on));
}

#[test]
fn the_national_result_is_told_as_it_is() {
    let told = |sheet: &FactSheet| Compiled::direct().account(sheet, date(2026, 2, 1)).told;
    assert_eq!(told(&FactSheet::new())[0].zh, "截至2026年2月1日，没有等级。");
    let mut sheet = FactSheet::new();
    let fact = Fact {
        record: "n".into(),
        version: 1,
        item: scoring::NATIONAL_EVALUATION.into(),
        occurred_on: date(2026, 1, 1),
        severity: 0,
        amount: None,
        fields: vec![("grade".into(), scoring::Value::Text("优".into()))],
        order: 1,
        effective_from: None,
        effective_until: None,
    };
    sheet.apply(Change::Put(fact)).unwrap();
    let zh: Vec<_> = told(&sheet).into_iter().map(|told| told.zh).collect();
    assert_eq!(
        zh,
        [
            "截至2026年2月1日，等级为优。",
            "最近一次国家公共信用综合评价结果为优。",
            "记录n（2026年1月1日）自2026年1月1日起按100%计。"
        ]
    );
}

fn rank(grade: &str) -> usize {
    ["A", "B", "C", "D"].iter().position(|own| *own == grade).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The same grade, and the records with the percent that the second reading of the contract finds on the days around.
    #[test]
    fn an_account_is_of_the_grade_and_its_days_are_right(model in any_model(), subject in any_subject(), as_of in any_date()) {
        let (compiled, sheet) = (compiled(&model), subject.sheet());
        let account = compiled.account(&sheet, as_of);
        let outcome = compiled.grade(&sheet, as_of);
        prop_assert_eq!((account.grade.as_str(), account.score, account.next_change_on), (outcome.grade, outcome.score, outcome.next_change_on));
        let percent = |index: usize, record: &str, day: Date| {
            let found = reference(&model, &subject, day);
            found.inputs[index].iter().find(|(name, _)| *name == record).map(|(_, percent)| *percent)
        };
        for (index, indicator) in account.indicators.iter().enumerate() {
            for record in &indicator.records {
                let own = |number: Decimal| exact(number.to_f64()) / 10_i128.pow(10);
                let now = Some(own(record.percent));
                prop_assert_eq!(percent(index, &record.record, as_of), now);
                prop_assert_eq!(percent(index, &record.record, record.since), now, "since {}", record.since);
                let before = percent(index, &record.record, record.since.yesterday().unwrap());
                // Two steps of the same percent are two steps still.
                let steps = &model.indicators[index].decay;
                let repeated = steps.windows(2).any(|steps| steps[0].percent == steps[1].percent);
                prop_assert!(repeated || before != now, "before {}", record.since);
                if let Some(until) = record.until {
                    prop_assert_eq!(percent(index, &record.record, until.yesterday().unwrap()), now, "until {}", until);
                    prop_assert_eq!(percent(index, &record.record, until), record.then.map(own), "from {}", until);
                }
            }
        }
    }

    /// What a repair is said to come to is what the sheet without the record comes to, and none is left out.
    #[test]
    fn repairs_are_those_of_the_sheet_without_the_record(model in any_model(), subject in any_subject(), as_of in any_date()) {
        let (compiled, sheet) = (compiled(&model), subject.sheet());
        let account = compiled.account(&sheet, as_of);
        for record in &subject.records {
            let mut without = sheet.clone();
            without.apply(Change::Remove { record: record.name.clone() }).unwrap();
            let expected = compiled.grade(&without, as_of);
            prop_assert_eq!(compiled.what_if(&sheet, &[&record.name], as_of), expected);
            let told = account.outlook.repairs.iter().find(|repair| repair.record == record.name);
            let expected = (rank(expected.grade) < rank(&account.grade)).then_some((expected.grade, expected.score));
            prop_assert_eq!(told.map(|repair| (repair.grade.as_str(), repair.score)), expected);
        }
    }

    /// The missing points are the least that reach the next grade; the day ahead is the first on which the grade is another.
    #[test]
    fn what_is_missing_and_what_is_ahead(model in any_model(), subject in any_subject(), as_of in any_date()) {
        let (compiled, sheet) = (compiled(&model), subject.sheet());
        let account = compiled.account(&sheet, as_of);
        if let Some(better) = &account.outlook.better {
            let (score, min, missing) = (account.score.unwrap(), better.min_score, better.missing);
            let [score, min, missing] = [score, min, missing].map(|number| exact(number.to_f64()));
            prop_assert!(score < min && score + missing >= min && score + missing - exact(0.01) < min);
            prop_assert_eq!(rank(&better.grade) + 1, rank(&account.grade));
        }
        let end = account.outlook.next.as_ref().map_or(date(2034, 1, 1), |ahead| ahead.on);
        let mut day = as_of;
        while day < end {
            prop_assert_eq!(reference(&model, &subject, day).grade, account.grade.as_str(), "{}", day);
            day = day.tomorrow().unwrap();
        }
        for ahead in account.outlook.next.iter().chain(&account.outlook.raised) {
            prop_assert_eq!(reference(&model, &subject, ahead.on).grade, ahead.grade.as_str());
        }
        let raised = account.outlook.raised.as_ref().map(|ahead| rank(&ahead.grade) < rank(&account.grade));
        prop_assert_ne!(raised, Some(false));
    }
}
