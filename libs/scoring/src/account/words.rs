//! Accounts in sentences, short and plain, in the two languages.
use jiff::civil::Date;

use super::{Account, Ahead, IndicatorAccount, RecordAccount};
use crate::{
    decimal::{Decimal, Exact},
    model::UNGRADED,
    text::Bilingual,
};

/// So many records are named in one sentence.
const NAMED: usize = 5;

fn day(date: Date) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}

fn names<'r>(records: impl ExactSizeIterator<Item = &'r str>) -> Bilingual {
    let more = records.len().saturating_sub(NAMED);
    let named: Vec<_> = records.take(NAMED).collect();
    let (en, zh) = (named.join(", "), named.join("、"));
    if more == 0 {
        return Bilingual::new(en, zh);
    }
    Bilingual::new(format!("{en} and {more} more"), format!("{zh}等{}条", more + NAMED))
}

pub(super) fn record(record: &RecordAccount) -> Bilingual {
    let RecordAccount { record: name, occurred_on, percent, since, until, then, share, .. } = record;
    let (mut en, mut zh) = (
        format!("Record {name} of {occurred_on} counts by {percent}% since {since}"),
        format!("记录{name}（{}）自{}起按{percent}%计", day(*occurred_on), day(*since)),
    );
    if let Some(share) = share {
        en += &format!(", {share} points");
        zh += &format!("，计{share}分");
    }
    match (until, then) {
        (Some(until), Some(then)) => {
            en += &format!("; from {until} on by {then}%");
            zh += &format!("；自{}起按{then}%计", day(*until));
        }
        (Some(until), None) => {
            en += &format!("; from {until} on no more");
            zh += &format!("；自{}起不再计入", day(*until));
        }
        (None, _) => {}
    }
    Bilingual::new(en + ".", zh + "。")
}

pub(super) fn indicator(indicator: &IndicatorAccount) -> Bilingual {
    let IndicatorAccount { name, value, points, uncapped, records, .. } = indicator;
    let (mut en, mut zh) = match (records.len(), value.as_str()) {
        (0, _) => (
            format!("{name}: no record counts, {points} points"),
            format!("{name}：没有计入的记录，得{points}分"),
        ),
        (count, "") => (
            format!("{name}: {count} records, the latest carries no grade, {points} points"),
            format!("{name}：计入{count}条记录，最近一条未载明等级，得{points}分"),
        ),
        (count, value) => (
            format!("{name}: {count} records, value {value}, {points} points"),
            format!("{name}：计入{count}条记录，数值为{value}，得{points}分"),
        ),
    };
    if points != uncapped {
        en += &format!(" ({uncapped} before the indicator's floor or cap)");
        zh += &format!("（按上下限调整前为{uncapped}分）");
    }
    Bilingual::new(en + ".", zh + "。")
}

pub(super) fn national(records: &[RecordAccount], grade: &str) -> Bilingual {
    match (records.is_empty(), grade) {
        (true, _) => Bilingual::new(
            "There is no national public credit evaluation on record.",
            "没有国家公共信用综合评价结果。",
        ),
        (false, "") => Bilingual::new(
            "The latest national public credit evaluation carries no grade.",
            "最近一次国家公共信用综合评价结果未载明等级。",
        ),
        (false, grade) => Bilingual::new(
            format!("The latest national public credit evaluation is {grade}."),
            format!("最近一次国家公共信用综合评价结果为{grade}。"),
        ),
    }
}

pub(super) fn veto(records: &[RecordAccount], grade: &str, reason: &str, until: Option<Date>) -> Bilingual {
    let named = names(records.iter().map(|record| record.record.as_str()));
    let (mut en, mut zh) = (
        format!("Lowered to {grade} at least by {}", named.en),
        format!("因记录{}，等级不高于{grade}", named.zh),
    );
    if !reason.is_empty() {
        en += &format!(" ({reason})");
        zh += &format!("（{reason}）");
    }
    if let Some(until) = until {
        en += &format!("; from {until} on no more");
        zh += &format!("；自{}起不再适用", day(until));
    }
    Bilingual::new(en + ".", zh + "。")
}

fn with_score(grade: &str, score: Option<Decimal>) -> Bilingual {
    match score {
        Some(score) => Bilingual::new(format!("{grade} (score {score})"), format!("{grade}（{score}分）")),
        None => Bilingual::new(grade, grade),
    }
}

/// The whole, what matters most first.
pub(super) fn whole(account: &Account) -> Vec<Bilingual> {
    let mut told = vec![standing(account)];
    told.extend(account.vetoes.iter().map(|veto| veto.told.clone()));
    account.indicators.iter().filter(|own| !own.records.is_empty()).for_each(|own| counting(own, &mut told));
    for item in &account.ungranted {
        told.push(Bilingual::new(
            format!("Records of {item} do not count: no grant to the department covers them on this day."),
            format!("{item}的记录未计入：当日没有对该部门的有效授权。"),
        ));
    }
    outlook(account, &mut told);
    told
}

// What an indicator comes to, and of which records: since when each counts, and until when.
fn counting(indicator: &IndicatorAccount, told: &mut Vec<Bilingual>) {
    told.push(indicator.told.clone());
    told.extend(indicator.records.iter().take(NAMED).map(|record| record.told.clone()));
    let more = indicator.records.len().saturating_sub(NAMED);
    if more > 0 {
        let name = &indicator.name;
        told.push(Bilingual::new(
            format!("{more} more records count in {name}; all of them are named with the indicator."),
            format!("{name}另计入{more}条记录，全部记录见该指标明细。"),
        ));
    }
}

fn standing(account: &Account) -> Bilingual {
    let Account { as_of, grade, score, base, .. } = account;
    let on = day(*as_of);
    let (Some(score), Some(base)) = (score, base) else {
        return match grade.as_str() {
            UNGRADED => {
                Bilingual::new(format!("On {as_of} there is no grade."), format!("截至{on}，没有等级。"))
            }
            grade => Bilingual::new(
                format!("On {as_of} the grade is {grade}."),
                format!("截至{on}，等级为{grade}。"),
            ),
        };
    };
    let points = account.indicators.iter().fold(Exact::ZERO, |sum, own| sum.plus(own.points));
    let sum = points.plus((*base).into());
    let (mut en, mut zh) = (
        format!(
            "On {as_of} the grade is {grade} and the score {score}: {base} to start from, {points} by the indicators"
        ),
        format!("截至{on}，等级为{grade}，得分{score}分：基础分{base}分，各指标合计{points}分"),
    );
    if sum != Exact::from(*score) {
        en += &format!("; the sum {sum} is rounded and kept within the scheme's bounds");
        zh += &format!("；合计{sum}分，按评分上下限和两位小数取值");
    }
    if !account.score_grade.is_empty() && account.score_grade != *grade {
        en += &format!("; the score alone would earn {}", account.score_grade);
        zh += &format!("；仅按得分应为{}", account.score_grade);
    }
    Bilingual::new(en + ".", zh + "。")
}

fn outlook(account: &Account, told: &mut Vec<Bilingual>) {
    let outlook = &account.outlook;
    if let Some(better) = &outlook.better {
        let (grade, min, missing) = (&better.grade, better.min_score, better.missing);
        told.push(Bilingual::new(
            format!("{missing} points are missing to {grade}, which needs {min}."),
            format!("距{grade}（不低于{min}分）还差{missing}分。"),
        ));
    }
    for repair in outlook.repairs.iter().take(NAMED) {
        let (record, becomes) = (&repair.record, with_score(&repair.grade, repair.score));
        told.push(Bilingual::new(
            format!("Without record {record}, once repaired or expired, the grade would be {}.", becomes.en),
            format!("如记录{record}经修复或期满不再计入，等级为{}。", becomes.zh),
        ));
    }
    let more = outlook.repairs.len().saturating_sub(NAMED);
    if more > 0 {
        told.push(Bilingual::new(
            format!("{more} more records would raise the grade, each by itself."),
            format!("另有{more}条记录，任一条不再计入也会使等级提高。"),
        ));
    }
    let by_time = |ahead: &Ahead| {
        let (on, becomes) = (ahead.on, with_score(&ahead.grade, ahead.score));
        Bilingual::new(
            format!("If nothing else happens, the grade is {} from {on} on.", becomes.en),
            format!("如无其他变化，自{}起等级为{}。", day(on), becomes.zh),
        )
    };
    told.extend(outlook.next.as_ref().map(by_time));
    told.extend(outlook.raised.as_ref().filter(|raised| Some(*raised) != outlook.next.as_ref()).map(by_time));
}
