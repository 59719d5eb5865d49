//! A fictional world: enterprises of region 640399, which does not exist, and a scheme to grade them by.
use identifiers::Uscc;
use serde_json::{Value, json};

/// The code of fictional enterprise number `serial`.
pub fn code(serial: u32) -> String {
    Uscc::fictional(serial).to_string()
}

/// Fictional enterprises as the body of a batch.
pub fn subjects(serials: std::ops::Range<u32>) -> Value {
    let rows: Vec<Value> = serials
        .map(|serial| {
            json!({
                "uscc": code(serial), "name": format!("虚构第{serial}有限公司"), "kind": "企业", "industry": "G5437",
                "region": "640302", "domains": ["D09"], "registeredOn": "2015-06-01", "status": "存续",
            })
        })
        .collect();
    json!({ "subjects": rows })
}

/// A CSV register of fictional enterprises, with Chinese headings.
pub fn register(serials: std::ops::Range<u32>) -> String {
    let mut csv = String::from("统一社会信用代码,企业名称,行政区划,行业代码,成立日期\n");
    for serial in serials {
        csv.push_str(&format!("{},虚构第{serial}有限公司,640302,G5437,2015/6/1\n", code(serial)));
    }
    csv
}

/// A scheme with every kind of measure, decay, bands and a veto.
pub fn scheme(id: &str, disclosure: &str) -> Value {
    json!({
        "schemeId": id, "domain": "transport", "department": "transport",
        "basis": { "title": "测试用评价制度", "documentNumber": "测试〔2026〕1号" },
        "nationalResult": "INDICATOR", "disclosure": disclosure,
        "model": {
            "baseScore": 100, "minScore": 0, "maxScore": 120,
            "indicators": [
                { "id": "penalties", "name": "行政处罚", "dimension": "监管信息", "items": ["administrative-penalty"],
                  "filter": "severity >= 2 && amount > 10000.0", "measure": "COUNT",
                  "decay": [{ "withinMonths": 12, "percent": 100 }, { "withinMonths": 36, "percent": 50 }],
                  "pointsPerUnit": -5, "minPoints": -40, "maxPoints": 0 },
                { "id": "fines", "name": "罚款金额", "dimension": "监管信息", "items": ["administrative-penalty"],
                  "measure": "SUM_AMOUNT",
                  "bands": [{ "atLeast": 10000, "points": -2.5 }, { "atLeast": 50000, "points": -7.25 }] },
                { "id": "honours", "name": "荣誉", "dimension": "荣誉信息", "items": ["honour"], "measure": "EXISTS",
                  "decay": [{ "withinMonths": 36, "percent": 100 }], "pointsPerUnit": 4 },
                { "id": "national", "name": "国家评价", "dimension": "国家评价", "items": ["national-evaluation"],
                  "measure": "LATEST_GRADE", "gradePoints": { "优": 6, "差": -15 } },
                { "id": "inspections", "name": "抽查问题", "dimension": "监管信息", "items": ["administrative-inspection"],
                  "filter": "severity >= 1", "measure": "COUNT", "pointsPerUnit": -12 },
            ],
            "vetoes": [{ "id": "listed", "items": ["serious-dishonesty-listing"], "withinMonths": 36, "grade": "D",
                         "reason": "列入严重失信主体名单" }],
            "grades": [ { "grade": "A", "minScore": 90, "label": "优" }, { "grade": "B", "minScore": 75, "label": "良" },
                        { "grade": "C", "minScore": 60, "label": "中" }, { "grade": "D", "minScore": 0, "label": "差" } ],
        },
    })
}
