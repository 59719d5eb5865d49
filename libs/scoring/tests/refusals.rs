//! What a draft is refused for: each problem with its field and both languages, and all of them at once.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
use scoring::{Bilingual, Compiled, FieldType, Problem, Schemas};

mod support;

/// A sound model; each case below breaks one thing of it.
const SOUND: &str = "
baseScore: 100
minScore: 0
maxScore: 120
indicators:
  - { id: penalties, name: 行政处罚, items: [penalty], filter: severity >= 2, measure: COUNT,
      decay: [{ withinMonths: 12, percent: 100 }, { withinMonths: 36, percent: 50.5 }], pointsPerUnit: -5, minPoints: -40, maxPoints: 0 }
  - { id: tax, name: 纳税信用, items: [tax], measure: LATEST_GRADE, gradePoints: { A: 10 } }
  - { id: fines, name: 罚没金额, items: [penalty], measure: SUM_AMOUNT, bands: [{ atLeast: 1000, points: -1 }, { atLeast: 0.5, points: 0 }] }
vetoes:
  - { id: serious, items: [penalty], withinMonths: 36, grade: D, reason: 严重失信 }
grades: [{ grade: A, minScore: 90 }, { grade: B, minScore: 75 }, { grade: D, minScore: 0 }]
";

fn schemas() -> Schemas {
    let mut schemas = Schemas::new();
    schemas.insert("penalty", [("kind", FieldType::Text)]);
    schemas.insert("tax", [("grade", FieldType::Text)]);
    schemas.insert("rating", [("grade", FieldType::Number)]);
    schemas
}

fn compile(yaml: &str) -> Result<Compiled, Vec<Problem>> {
    Compiled::model(&support::model(support::yaml::<serde_yaml_ng::Value>(yaml)), &schemas())
}

fn problems(yaml: &str) -> Vec<Problem> {
    compile(yaml).err().unwrap_or_default()
}

/// The sound model with one passage exchanged.
fn with(from: &str, to: &str) -> String {
    assert_eq!(SOUND.matches(from).count(), 1, "{from}");
    SOUND.replace(from, to)
}

#[test]
fn the_sound_model_passes() {
    assert_eq!(problems(SOUND), []);
    let items: Vec<_> =
        compile(SOUND).unwrap_or_else(|_| Compiled::direct()).items().map(str::to_owned).collect();
    assert_eq!(items, ["penalty", "tax"]);
}

#[test]
fn one_fault_is_one_problem() {
    for (from, to, path, en, zh) in [
        (
            "baseScore: 100",
            "baseScore: 1.00001",
            "baseScore",
            "more than four decimal places",
            "小数超过四位",
        ),
        ("baseScore: 100", "baseScore: 1e10", "baseScore", "above 1,000,000,000", "超过十亿"),
        ("baseScore: 100", "baseScore: 1e300", "baseScore", "too large", "数值过大"),
        ("baseScore: 100", "baseScore: NaN", "baseScore", "not a decimal number", "不是十进制数"),
        ("baseScore: 100", "baseScore: -Infinity", "baseScore", "not a decimal number", "不是十进制数"),
        ("\nminScore: 0", "", "minScore", "is missing", "缺少最低分"),
        ("\nminScore: 0", "\nminScore: 121", "minScore", "above maxScore", "高于 maxScore"),
        (
            "\nminScore: 0",
            "\nminScore: -0.01",
            "grades[2].minScore",
            "above the least score, -0.01",
            "高于模型最低分 -0.01",
        ),
        // Scores are rounded to two places: 0.004 would become 0.
        ("minScore: 0 }]", "minScore: 0.004 }]", "grades[2].minScore", "every score has a grade", "都有等级"),
        ("id: tax", "id: penalties", "indicators[1].id", "stands twice", "重复"),
        ("id: tax", "id: ''", "indicators[1].id", "is missing", "缺失"),
        ("items: [tax]", "items: []", "indicators[1].items", "names no item", "没有事项"),
        (
            "items: [tax]",
            "items: [tax, rating]",
            "indicators[1].items[1]",
            "no text field `grade`",
            "没有文本字段 grade",
        ),
        (
            "items: [tax]",
            "items: [penalty]",
            "indicators[1].items[0]",
            "no text field `grade`",
            "没有文本字段 grade",
        ),
        ("items: [tax]", "items: [taxes]", "indicators[1].items[0]", "not in the catalogue", "不在目录中"),
        ("severity >= 2", "severity >= 'x'", "indicators[0].filter", "column 10: a number", "第 10 列：数字"),
        (
            "severity >= 2",
            "grade == 'A'",
            "indicators[0].filter",
            "column 1: unknown field grade",
            "第 1 列：未知字段",
        ),
        (
            "measure: COUNT",
            "dimension: x",
            "indicators[0].measure",
            "one of COUNT, SUM_AMOUNT, EXISTS, LATEST_GRADE",
            "可用 COUNT",
        ),
        (
            "withinMonths: 12,",
            "withinMonths: 0,",
            "indicators[0].decay[0].withinMonths",
            "from 1 to 1200",
            "1 至 1200",
        ),
        (
            "withinMonths: 12,",
            "withinMonths: 36,",
            "indicators[0].decay[1].withinMonths",
            "order the steps",
            "递增排列",
        ),
        ("percent: 50.5", "percent: 100.5", "indicators[0].decay[1].percent", "from 0 to 100", "0 至 100"),
        ("percent: 50.5", "percent: -1", "indicators[0].decay[1].percent", "from 0 to 100", "0 至 100"),
        (
            "percent: 50.5",
            "percent: 33.33333",
            "indicators[0].decay[1].percent",
            "four decimal places",
            "小数超过四位",
        ),
        (" pointsPerUnit: -5,", "", "indicators[0].pointsPerUnit", "give it, or bands", "填写 bands"),
        ("minPoints: -40", "minPoints: 40", "indicators[0].minPoints", "above maxPoints", "高于 maxPoints"),
        ("{ A: 10 }", "{}", "indicators[1].gradePoints", "is empty", "为空"),
        (
            "{ A: 10 }",
            "{ A: 0.00001 }",
            "indicators[1].gradePoints[\"A\"]",
            "four decimal places",
            "小数超过四位",
        ),
        ("atLeast: 0.5", "atLeast: 1000.0", "indicators[2].bands[1].atLeast", "stands twice", "重复"),
        (
            "points: -1 }",
            "points: -2e9 }",
            "indicators[2].bands[0].points",
            "above 1,000,000,000",
            "超过十亿",
        ),
        ("id: serious", "id: ''", "vetoes[0].id", "is missing", "缺失"),
        (
            "withinMonths: 36, grade",
            "withinMonths: -1, grade",
            "vetoes[0].withinMonths",
            "from 1 to 1200",
            "1 至 1200",
        ),
        (
            "grade: D, reason",
            "grade: E, reason",
            "vetoes[0].grade",
            "not one of the model's grades",
            "不在模型的等级之中",
        ),
        ("grade: B", "grade: A", "grades[1].grade", "stands twice", "重复"),
        ("grade: B", "grade: UNGRADED", "grades[1].grade", "there is no grade", "没有等级"),
        ("grade: B", "grade: 'B,'", "grades[1].grade", "holds a comma", "含有逗号"),
        ("grade: B", "grade: \"B\\n\"", "grades[1].grade", "control character", "控制字符"),
        ("minScore: 75", "minScore: 90", "grades[1].minScore", "from best to worst", "由优到劣"),
    ] {
        let problems = problems(&with(from, to));
        let [Problem { path: found, message: Bilingual { en: message, zh: zh_message }, .. }] = &problems[..]
        else {
            panic!("{to}: {problems:#?}");
        };
        assert_eq!(found, &format!("model.{path}"), "{to}");
        assert!(message.contains(en), "{to}: {message}");
        assert!(zh_message.contains(zh), "{to}: {zh_message}");
    }
}

#[test]
fn a_models_whole_list_of_problems_is_told_at_once() {
    let broken = SOUND.replace("percent: 50.5", "percent: 101").replace("items: [tax]", "items: [nothing]");
    let paths: Vec<_> = problems(&broken).into_iter().map(|problem| problem.path).collect();
    assert_eq!(paths, ["model.indicators[0].decay[1].percent", "model.indicators[1].items[0]"]);
}

#[test]
fn the_column_of_a_condition_is_told_apart() {
    let problem = problems(&with("severity >= 2", "severity >=")).remove(0);
    assert_eq!(problem.column, Some(12));
    assert_eq!(problems("{}")[0].column, None);
}

#[test]
fn a_model_without_grades_is_refused() {
    let paths: Vec<_> = problems("{}").into_iter().map(|problem| problem.path).collect();
    assert_eq!(paths, ["model.grades"]);
}

/// What the contract's arithmetic defines passes: bands before points per unit, grade points for LATEST_GRADE
/// alone, an item named twice, a model of the base score alone.
#[test]
fn needless_settings_pass() {
    let all = "bands: [{ atLeast: 1, points: 1 }], gradePoints: { A: 1 }, pointsPerUnit: -5";
    assert_eq!(problems(&with("pointsPerUnit: -5", all)), []);
    assert_eq!(problems(&with("items: [tax]", "items: [tax, tax]")), []);
    assert_eq!(problems("{ minScore: 0, grades: [{ grade: A }] }"), []);
}

#[test]
fn too_much_is_refused() {
    let grades = "minScore: 0, grades: [{ grade: A }]";
    let indicator = |index: usize, items: &str| {
        format!("{{ id: i{index}, name: i, items: [{items}], measure: EXISTS, pointsPerUnit: 1 }}")
    };
    let many = (0..201).map(|index| indicator(index, "penalty")).collect::<Vec<_>>().join(", ");
    let found = problems(&format!("{{ indicators: [{many}], {grades} }}"));
    assert!(found.len() == 1 && found[0].message.en.contains("more than 200 indicators"), "{found:#?}");

    let items: Vec<_> = (0..257).map(|index| format!("item{index}")).collect();
    let mut schemas = Schemas::new();
    for item in &items {
        schemas.insert(item, [("x", FieldType::Text)]);
    }
    let wide = |count: usize| {
        let yaml = format!("{{ indicators: [{}], {grades} }}", indicator(0, &items[..count].join(", ")));
        Compiled::model(&support::model(support::yaml::<serde_yaml_ng::Value>(&yaml)), &schemas)
            .err()
            .unwrap_or_default()
    };
    assert_eq!(wide(256), []);
    assert!(wide(257)[0].message.en.contains("more than 256 items"));
}
