//! Results from a file 评价结果文件导入: its rows become results as they would be sent one by one.
use std::{collections::HashSet, sync::Arc};

use chassis::{Answer, Context, Fault, fault::Violation, validation};
use contract::{
    credit::v1::{self as api, outcome::Status},
    r#type::v1::ErrorReason as Common,
};
use tonic::Streaming;

use super::{office_only, results};
use crate::{
    Credit,
    imports::{self, Line, Target, USCC, optional, squash, value, wanted},
};

const FILE_MAX: usize = 16 * 1024 * 1024;
/// Refusals that an answer tells.
const TOLD: usize = 1_000;

// What the state's results and the departments' tables of them call their columns, squashed.
const COLUMNS: [Target; 5] = [
    USCC,
    wanted("grade", &["grade", "评价等级", "信用等级", "等级", "评价结果", "综合评价等级"]),
    optional("score", &["score", "评价得分", "得分", "评价分数", "分数", "综合评价得分"]),
    optional("period", &["period", "评价期", "评价周期", "评价年度", "年度"]),
    optional("evaluatedOn", &["evaluatedon", "评价日期", "评价时间", "结果日期"]),
];

/// Receives a file and takes its results in.
pub async fn upload(
    app: &Arc<Credit>,
    context: &Context,
    mut parts: Streaming<api::UploadEvaluationResultsRequest>,
) -> Answer<api::ImportEvaluationResultsResponse> {
    office_only(context)?;
    let first = parts.message().await?.unwrap_or_default();
    validation::check(&first)?;
    let (list, period) = (first.evaluation_list_id.clone(), first.period.trim().to_owned());
    let mut file = Vec::new();
    let mut part = Some(first);
    while let Some(request) = part {
        file.extend(request.file.map(|file| file.data).unwrap_or_default());
        if file.len() > FILE_MAX {
            return Err(too_large());
        }
        part = parts.message().await?;
    }
    if file.is_empty() {
        return Err(Fault::field("file", "is empty", "文件为空"));
    }
    let known: HashSet<String> = COLUMNS.iter().flat_map(Target::headings).collect();
    // A workbook is unpacked, which is no work for the threads that answer calls.
    let (head, lines) =
        tokio::task::spawn_blocking(move || imports::table(file, known)).await.map_err(Fault::internal)??;
    let columns = Columns::find(&head.cells)?;
    let rows: Vec<_> = lines.iter().map(|line| columns.read(line, &period)).collect();
    let tx = app.store.begin().await?;
    let mut answer = results::take(app, context, &tx, &list, rows).await?;
    tx.commit().await?;
    answer.outcomes.retain(|outcome| outcome.status() == Status::Rejected);
    answer.outcomes.truncate(TOLD);
    Ok(answer)
}

fn too_large() -> Fault {
    Fault::exhausted(
        Common::BodyTooLarge.as_str_name(),
        "the file is larger than 16 MiB; split it and send the parts one by one",
        "文件超过16 MiB；请拆分后分次提交",
    )
    .at("file")
}

// Where each of the columns stands.
struct Columns([Option<usize>; COLUMNS.len()]);

impl Columns {
    fn find(headings: &[String]) -> Answer<Self> {
        let squashed: Vec<String> = headings.iter().map(|heading| squash(heading)).collect();
        let places = COLUMNS.each_ref().map(|target| target.find(&squashed));
        let missing = COLUMNS.iter().zip(&places).filter(|(_, place)| place.is_none());
        match missing.filter_map(|(target, _)| target.missing()).next() {
            Some(missing) => Err(imports::column_missing(missing, headings)),
            None => Ok(Self(places)),
        }
    }

    fn read(&self, line: &Line, period: &str) -> Result<api::EvaluationResultInput, Violation> {
        let [uscc, grade, score, own, day] = self.0.map(|place| {
            let cell = place.and_then(|place| line.cells.get(place));
            cell.map_or("", |cell| value(cell)).to_owned()
        });
        let score = match score.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                let text = crate::outcomes::shown(text);
                Violation::new("score", format!("\"{text}\" is no number"), format!("“{text}”不是数字"))
            })?),
        };
        let period = if own.is_empty() { period.to_owned() } else { own };
        Ok(api::EvaluationResultInput { uscc, grade, score, period, evaluated_on: imports::date(&day) })
    }
}
