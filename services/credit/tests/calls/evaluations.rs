//! The national evaluation: lists handed in, exported, answered half and whole, fetched; scales.
use chassis::trial::reason;
use contract::credit::v1::{self as api, change::Kind};
use tonic::{Code, Status};

use crate::world::{MORNING, World, broken, code, ends, subject};

fn list(serials: impl IntoIterator<Item = u32>) -> api::CreateEvaluationListRequest {
    api::CreateEvaluationListRequest {
        uscc: serials.into_iter().map(code).collect(),
        domain: String::from("D09"),
        ..Default::default()
    }
}

fn result(serial: u32, grade: &str) -> api::EvaluationResultInput {
    api::EvaluationResultInput {
        uscc: code(serial),
        grade: grade.to_owned(),
        score: Some(86.5),
        period: String::from("2025"),
        ..Default::default()
    }
}

async fn create(world: &World, request: api::CreateEvaluationListRequest) -> api::EvaluationList {
    let who = world.department("transport");
    world.evaluation_lists(&who).create_evaluation_list(request).await.unwrap().into_inner()
}

async fn import(
    world: &World,
    list: &api::EvaluationList,
    results: Vec<api::EvaluationResultInput>,
) -> api::ImportEvaluationResultsResponse {
    let request = api::ImportEvaluationResultsRequest {
        evaluation_list_id: list.evaluation_list_id.clone(),
        results,
        ..Default::default()
    };
    let office = world.office();
    world.evaluation_lists(&office).import_evaluation_results(request).await.unwrap().into_inner()
}

async fn entries(
    world: &World,
    who: &chassis::trial::Bearer,
    list: &api::EvaluationList,
    answered: Option<bool>,
) -> Result<api::ListEvaluationEntriesResponse, Status> {
    let request = api::ListEvaluationEntriesRequest {
        evaluation_list_id: list.evaluation_list_id.clone(),
        answered,
        ..Default::default()
    };
    world.evaluation_lists(who).list_evaluation_entries(request).await.map(tonic::Response::into_inner)
}

async fn file(world: &World, who: &chassis::trial::Bearer, id: &str) -> Result<(String, String), Status> {
    let request =
        api::ExportEvaluationListRequest { evaluation_list_id: id.to_owned(), ..Default::default() };
    let response = world.evaluation_lists(who).export_evaluation_list(request).await?;
    let name = response.metadata().get("content-disposition").unwrap().to_str().unwrap().to_owned();
    assert_eq!(chassis::trial::told(&response).0.len(), 64, "who stands on a list is settled");
    let (mut stream, mut bytes) = (response.into_inner(), Vec::new());
    while let Some(part) = stream.message().await? {
        assert_eq!(part.content_type, "text/csv; charset=utf-8");
        bytes.extend(part.data);
    }
    Ok((name, String::from_utf8(bytes).unwrap()))
}

#[tokio::test]
async fn a_list_is_exported_and_half_answered_and_shows_which_half() {
    let world = World::open(MORNING).await;
    world.register(1..5).await;
    let who = world.department("transport");
    let given = create(&world, list([3, 1, 2, 4, 1])).await;
    assert_eq!((given.entries, given.answered, given.unanswered, given.repeated), (4, 0, 4, 1));
    assert_eq!((given.department.as_str(), given.domain.as_str()), ("transport", "D09"));
    assert_eq!(given.waiting_since, given.created_at);
    let (name, text) = file(&world, &world.office(), &given.evaluation_list_id).await.unwrap();
    assert!(name.contains(&format!("ggxypj-20260213-{}.csv", given.evaluation_list_id)), "{name}");
    let lines: Vec<&str> = text.trim_start_matches('\u{FEFF}').lines().collect();
    assert!(text.starts_with('\u{FEFF}'));
    assert_eq!(lines[0], "序号,统一社会信用代码,主体名称,所属领域,报送单位");
    assert_eq!(lines.len(), 5);
    assert!(
        lines[1].starts_with(&format!("1,{},虚构示例第", code(1))) && lines[1].ends_with("交通运输局"),
        "{}",
        lines[1]
    );
    // The first export is kept; another gives the same bytes.
    world.trial.boot.clock.set("2026-02-14T01:00:00Z".parse().unwrap());
    assert_eq!(file(&world, &who, &given.evaluation_list_id).await.unwrap().1, text);
    let answer = import(&world, &given, vec![result(1, "优"), result(2, "差")]).await;
    assert_eq!(ends(&answer.outcomes), ["ACCEPTED", "ACCEPTED"]);
    assert_eq!((answer.accepted, answer.rejected), (2, 0));
    let request = api::GetEvaluationListRequest {
        evaluation_list_id: given.evaluation_list_id.clone(),
        ..Default::default()
    };
    let half = world.evaluation_lists(&who).get_evaluation_list(request).await.unwrap().into_inner();
    assert_eq!(Some(&half), answer.evaluation_list.as_ref());
    assert_eq!((half.answered, half.unanswered, half.scale_id.as_str()), (2, 2, "national-2019"));
    assert_eq!((half.exported_by.as_str(), half.waiting_since), ("office", half.exported_at));
    assert!(half.exported_at.unwrap().seconds < half.answered_at.unwrap().seconds);
    let codes = |page: &api::ListEvaluationEntriesResponse| -> Vec<String> {
        page.entries.iter().map(|entry| entry.uscc.clone()).collect()
    };
    let with = entries(&world, &who, &half, Some(true)).await.unwrap();
    assert_eq!((codes(&with), with.answered, with.unanswered), (vec![code(1), code(2)], 2, 2));
    let first = &with.entries[0].results[0];
    assert_eq!((first.grade.as_str(), first.score, first.period.as_str()), ("优", Some(86.5), "2025"));
    assert_eq!(first.evaluated_on, "2026-02-14");
    let without = entries(&world, &who, &half, Some(false)).await.unwrap();
    assert_eq!(codes(&without), [code(3), code(4)]);
    assert!(without.entries.iter().all(|entry| entry.waiting_since == half.exported_at));
    assert_eq!(entries(&world, &who, &half, None).await.unwrap().entries.len(), 4);
    // The results are records, in the feed and in the log of the looks.
    let last = world.changes(&world.office(), "").await.pop().unwrap();
    assert_eq!((last.kind(), last.position), (Kind::RecordAccepted, answer.position));
    let record = last.record.unwrap();
    assert_eq!((record.item.as_str(), record.department.as_str()), ("national-evaluation", "credit-office"));
    let own = world.enterprise(&code(1));
    let looks = api::ListAccessesRequest { uscc: code(1), ..Default::default() };
    let looks = world.accesses(&own).list_accesses(looks).await.unwrap().into_inner().accesses;
    let what = format!("evaluation:{}", half.evaluation_list_id);
    assert!(looks.iter().any(|look| look.what == what && look.department == "transport"), "{looks:?}");
    // The rest.
    let answer = import(&world, &given, vec![result(3, "良"), result(4, "中")]).await;
    let whole = answer.evaluation_list.unwrap();
    assert_eq!((whole.answered, whole.unanswered, whole.waiting_since), (4, 0, None));
    let waiting = api::ListEvaluationListsRequest { waiting: true, ..Default::default() };
    let waiting = world.evaluation_lists(&who).list_evaluation_lists(waiting).await.unwrap().into_inner();
    assert!(waiting.evaluation_lists.is_empty());
}

#[tokio::test]
async fn a_result_sent_again_is_known_and_a_changed_one_corrects() {
    let world = World::open(MORNING).await;
    world.register(1..4).await;
    let given = create(&world, list(1..4)).await;
    let first = import(&world, &given, vec![result(1, "A"), result(2, "B"), result(1, "A")]).await;
    assert_eq!(ends(&first.outcomes), ["ACCEPTED", "ACCEPTED", "DUPLICATE"]);
    assert_eq!(first.outcomes[0].record, first.outcomes[2].record);
    world.trial.boot.clock.set("2026-02-20T01:00:00Z".parse().unwrap());
    let again = import(&world, &given, vec![result(1, "A"), result(2, "B")]).await;
    assert_eq!(ends(&again.outcomes), ["DUPLICATE", "DUPLICATE"]);
    assert_eq!(again.evaluation_list.unwrap().answered_at, first.evaluation_list.unwrap().answered_at);
    let changed = import(&world, &given, vec![result(1, "C"), result(3, "D"), result(2, "B")]).await;
    assert_eq!(ends(&changed.outcomes), ["ACCEPTED", "ACCEPTED", "DUPLICATE"]);
    assert_eq!((changed.accepted, changed.corrected, changed.duplicates), (1, 1, 1));
    assert_eq!(changed.outcomes[0].record, first.outcomes[0].record);
    let office = world.office();
    let versions =
        api::ListRecordVersionsRequest { record: first.outcomes[0].record.clone(), ..Default::default() };
    let versions = world.records(&office).list_record_versions(versions).await.unwrap().into_inner().versions;
    assert_eq!(versions.len(), 2);
    let record = versions[0].record.as_ref().unwrap();
    // The day on which it was first received stays.
    assert_eq!((record.version, record.occurred_on.as_str()), (2, "2026-02-13"));
    // Another period is another result of the same enterprise.
    let next = api::EvaluationResultInput {
        period: String::from("2026"),
        evaluated_on: String::from("2026-02-18"),
        score: None,
        ..result(1, "B")
    };
    let next = import(&world, &given, vec![next]).await;
    assert_eq!((next.accepted, next.evaluation_list.as_ref().unwrap().answered), (1, 3));
    let page = entries(&world, &office, &given, Some(true)).await.unwrap();
    let of_first: Vec<(&str, &str, Option<f64>)> = page.entries[0]
        .results
        .iter()
        .map(|result| (result.period.as_str(), result.grade.as_str(), result.score))
        .collect();
    assert_eq!(of_first, [("2026", "B", None), ("2025", "C", Some(86.5))]);
    // What was withdrawn is not brought back by a changed result.
    let withdrawal = api::WithdrawRecordRequest {
        record: first.outcomes[1].record.clone(),
        reason: String::from("误传"),
        ..Default::default()
    };
    world.records(&office).withdraw_record(withdrawal).await.unwrap();
    let refused = import(&world, &given, vec![result(2, "A")]).await;
    assert_eq!(ends(&refused.outcomes), ["RECORD_NOT_EFFECTIVE"]);
}

#[tokio::test]
async fn results_are_judged_row_by_row() {
    let world = World::open(MORNING).await;
    world.register(1..4).await;
    let named = api::CreateEvaluationListRequest { scale_id: String::from("gbt-45255-2025"), ..list(1..3) };
    let given = create(&world, named).await;
    let results = vec![
        result(1, "A"),
        result(2, "优"),
        result(3, "A"),
        api::EvaluationResultInput { uscc: broken(1), ..result(1, "A") },
        api::EvaluationResultInput { uscc: String::from("11010519491231002X"), ..result(1, "A") },
        api::EvaluationResultInput { score: Some(0.123_45), ..result(2, "B") },
        api::EvaluationResultInput { evaluated_on: String::from("2026-02-14"), ..result(2, "B") },
        result(2, ""),
        result(1, "B"),
    ];
    let answer = import(&world, &given, results).await;
    assert_eq!(
        ends(&answer.outcomes),
        [
            "ACCEPTED",
            "EVALUATION_GRADE_UNKNOWN",
            "EVALUATION_NOT_ON_LIST",
            "EVALUATION_NOT_ON_LIST",
            "PERSONAL_IDENTITY_NUMBER",
            "FIELD_INVALID",
            "FIELD_INVALID",
            "FIELD_INVALID",
            "FIELD_INVALID",
        ]
    );
    let refusal = answer.outcomes[1].error.as_ref().unwrap();
    assert!(refusal.message.contains("A, B, C, D") || refusal.message.contains("A、B、C、D"), "{refusal:?}");
    assert_eq!((answer.accepted, answer.rejected), (1, 8));
    // Without a scale a grade that no scale knows is refused, and the scales are named.
    let open = create(&world, list(1..3)).await;
    let answer = import(&world, &open, vec![result(1, "AAA")]).await;
    assert_eq!(ends(&answer.outcomes), ["EVALUATION_GRADE_UNKNOWN"]);
    let message = &answer.outcomes[0].error.as_ref().unwrap().message;
    assert!(message.contains("national-2019") && message.contains("gbt-45255-2025"), "{message}");
    assert_eq!(answer.evaluation_list.unwrap().scale_id, "");
}

#[tokio::test]
async fn a_wrong_list_is_refused_whole_and_names_each_place() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let who = world.department("transport");
    let refused = |request: api::CreateEvaluationListRequest| {
        let mut lists = world.evaluation_lists(&who);
        async move { lists.create_evaluation_list(request).await.unwrap_err() }
    };
    let mut wrong = list([1]);
    wrong.uscc.push(String::from("91640399"));
    wrong.uscc.push(String::from("11010519491231002X"));
    let status = refused(wrong).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = |status: &Status| -> Vec<(String, String)> {
        use tonic_types::StatusExt;
        let bad = status.get_details_bad_request().unwrap();
        bad.field_violations.into_iter().map(|bad| (bad.field, bad.reason)).collect()
    };
    let pair = |field: &str, reason: &str| (field.to_owned(), reason.to_owned());
    assert_eq!(
        violations(&status),
        [pair("uscc[1]", "CODE_LENGTH"), pair("uscc[2]", "PERSONAL_IDENTITY_NUMBER")]
    );
    assert!(!format!("{status:?}").contains("19491231"), "no refusal repeats an identity number");
    let mut strange = list([1, 9]);
    strange.uscc.push(broken(2));
    assert_eq!(
        violations(&refused(strange).await),
        [pair("uscc[1]", "SUBJECT_UNKNOWN"), pair("uscc[2]", "CODE_CHECK_FAILED")]
    );
    let bare = refused(list([])).await;
    assert_eq!((bare.code(), reason(&bare).as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    let nowhere =
        refused(api::CreateEvaluationListRequest { domain: String::from("D23"), ..list([1]) }).await;
    assert_eq!(nowhere.code(), Code::InvalidArgument);
    let scaleless =
        refused(api::CreateEvaluationListRequest { scale_id: String::from("none"), ..list([1]) }).await;
    assert_eq!((scaleless.code(), reason(&scaleless).as_str()), (Code::NotFound, "EVALUATION_SCALE_UNKNOWN"));
    let all = api::ListEvaluationListsRequest::default();
    let lists = world.evaluation_lists(&who).list_evaluation_lists(all).await.unwrap().into_inner();
    assert!(lists.evaluation_lists.is_empty());
    // Once for each request id.
    let once = api::CreateEvaluationListRequest { request_id: String::from("l-1"), ..list([1, 2]) };
    let first = create(&world, once.clone()).await;
    assert_eq!(create(&world, once).await, first);
}

#[tokio::test]
async fn a_list_is_its_departments_and_the_offices() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let (who, office) = (world.department("transport"), world.office());
    let (other, own) = (world.department("health"), world.enterprise(&code(1)));
    let given = create(&world, list([1, 2])).await;
    let denied = world.evaluation_lists(&own).create_evaluation_list(list([1])).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let get = api::GetEvaluationListRequest {
        evaluation_list_id: given.evaluation_list_id.clone(),
        ..Default::default()
    };
    for (bearer, code) in
        [(&who, Code::Ok), (&office, Code::Ok), (&other, Code::NotFound), (&own, Code::PermissionDenied)]
    {
        let of = |done: Result<(), Status>| done.map_or_else(|status| status.code(), |()| Code::Ok);
        let got = world.evaluation_lists(bearer).get_evaluation_list(get.clone()).await.map(|_| ());
        assert_eq!(of(got), code);
        assert_eq!(of(entries(&world, bearer, &given, None).await.map(|_| ())), code);
        assert_eq!(of(file(&world, bearer, &given.evaluation_list_id).await.map(|_| ())), code);
    }
    for (bearer, found) in [(&who, 1), (&office, 1), (&other, 0)] {
        let all = api::ListEvaluationListsRequest::default();
        let lists = world.evaluation_lists(bearer).list_evaluation_lists(all).await.unwrap().into_inner();
        assert_eq!(lists.evaluation_lists.len(), found);
    }
    let theirs =
        api::ListEvaluationListsRequest { department: String::from("transport"), ..Default::default() };
    let denied = world.evaluation_lists(&other).list_evaluation_lists(theirs.clone()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let lists = world.evaluation_lists(&office).list_evaluation_lists(theirs).await.unwrap().into_inner();
    assert_eq!(
        lists.evaluation_lists,
        [world.evaluation_lists(&who).get_evaluation_list(get).await.unwrap().into_inner()]
    );
    let results = api::ImportEvaluationResultsRequest {
        evaluation_list_id: given.evaluation_list_id.clone(),
        results: vec![result(1, "A")],
        ..Default::default()
    };
    let denied = world.evaluation_lists(&who).import_evaluation_results(results.clone()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let nowhere = api::ImportEvaluationResultsRequest { evaluation_list_id: String::from("none"), ..results };
    let missing = world.evaluation_lists(&office).import_evaluation_results(nowhere).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    // Results are not public: no look without a purpose.
    let bare = world.trial.token_of(chassis::access::Claims {
        department: String::from("transport"),
        scope: String::from("credit.read"),
        ..world.trial.claims()
    });
    assert_eq!(reason(&entries(&world, &bare, &given, None).await.unwrap_err()), "PURPOSE_REQUIRED");
}

#[tokio::test]
async fn scales_are_dated_data_that_the_office_keeps() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let (who, office) = (world.department("transport"), world.office());
    let scales = async |as_of: &str| -> Vec<String> {
        let request = api::ListEvaluationScalesRequest { as_of: as_of.to_owned(), ..Default::default() };
        let scales =
            world.evaluation_scales(&who).list_evaluation_scales(request).await.unwrap().into_inner();
        scales.scales.into_iter().map(|scale| scale.scale_id).collect()
    };
    assert_eq!(scales("").await, ["gbt-45255-2025", "national-2019"]);
    assert_eq!(scales("2025-05-31").await, ["national-2019"]);
    let grade = |code: &str, rank| api::EvaluationGrade { code: code.to_owned(), rank, ..Default::default() };
    let scale = api::EvaluationScale {
        scale_id: String::from("five-stars"),
        name: String::from("测试等级"),
        grades: vec![grade("五星", 1), grade("四星", 2)],
        valid_from: String::from("2026-01-01"),
        basis: String::from("测试依据"),
        verification: api::Verification::Unverified.into(),
        ..Default::default()
    };
    let put = |scale: &api::EvaluationScale| api::PutEvaluationScaleRequest {
        scale: Some(scale.clone()),
        ..Default::default()
    };
    let denied = world.evaluation_scales(&who).put_evaluation_scale(put(&scale)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let first =
        world.evaluation_scales(&office).put_evaluation_scale(put(&scale)).await.unwrap().into_inner();
    assert_eq!(first.version, 1);
    let same = world.evaluation_scales(&office).put_evaluation_scale(put(&scale)).await.unwrap().into_inner();
    assert_eq!(same, first);
    let given = create(&world, list([1])).await;
    let answer = import(&world, &given, vec![result(1, "四星")]).await;
    assert_eq!(answer.evaluation_list.unwrap().scale_id, "five-stars");
    let mut fewer = scale.clone();
    fewer.grades.pop();
    let refused = world.evaluation_scales(&office).put_evaluation_scale(put(&fewer)).await.unwrap_err();
    assert_eq!(reason(&refused), "EVALUATION_SCALE_IN_USE");
    let mut more = scale.clone();
    more.grades.push(grade("三星", 3));
    let more = world.evaluation_scales(&office).put_evaluation_scale(put(&more)).await.unwrap().into_inner();
    assert_eq!(more.version, 2);
    // One that has ended grades no new lists.
    let ended = api::EvaluationScale { valid_to: String::from("2026-02-12"), ..more };
    world.evaluation_scales(&office).put_evaluation_scale(put(&ended)).await.unwrap();
    let late = api::CreateEvaluationListRequest { scale_id: String::from("five-stars"), ..list([1]) };
    let late = world.evaluation_lists(&who).create_evaluation_list(late).await.unwrap_err();
    assert_eq!(reason(&late), "EVALUATION_SCALE_UNKNOWN");
    for (wrong, said) in [
        (api::EvaluationScale { grades: Vec::new(), ..scale.clone() }, "grades"),
        (api::EvaluationScale { valid_to: String::from("2025-01-01"), ..scale.clone() }, "validTo"),
        (api::EvaluationScale { grades: vec![grade("A", 2), grade("B", 1)], ..scale.clone() }, "grades"),
        (api::EvaluationScale { scale_id: String::from("Five Stars"), ..scale.clone() }, "scaleId"),
    ] {
        let refused = world.evaluation_scales(&office).put_evaluation_scale(put(&wrong)).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
        assert!(refused.message().contains(said), "{said}: {}", refused.message());
    }
    // A service opened again leaves what was put.
    credit::open(&world.trial.boot).await.unwrap();
    assert_eq!(scales("").await, ["five-stars", "gbt-45255-2025", "national-2019"]);
}

#[tokio::test]
async fn many_enterprises_stand_on_one_list() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    for first in (1..6_001).step_by(3_000) {
        let subjects = (first..first + 3_000).map(subject).collect();
        let request = api::BatchUpsertSubjectsRequest { subjects, ..Default::default() };
        world.subjects(&who).batch_upsert_subjects(request).await.unwrap();
    }
    let given = create(&world, list(1..6_001)).await;
    assert_eq!(given.entries, 6_000);
    let (_, text) = file(&world, &world.office(), &given.evaluation_list_id).await.unwrap();
    assert_eq!(text.lines().count(), 6_001);
    assert!(text.lines().last().unwrap().starts_with("6000,"));
    let answer = import(&world, &given, (1..5_501).map(|serial| result(serial, "B")).collect()).await;
    let whole = answer.evaluation_list.unwrap();
    assert_eq!((answer.accepted, whole.answered, whole.unanswered), (5_500, 5_500, 500));
    let again = import(&world, &given, (1..5_501).map(|serial| result(serial, "B")).collect()).await;
    assert_eq!(again.duplicates, 5_500);
}

#[tokio::test]
async fn results_come_as_a_file_too() {
    let world = World::open(MORNING).await;
    world.register(1..5).await;
    let given = create(&world, list(1..5)).await;
    let upload = async |file: Vec<u8>, period: &str| {
        let pieces = file.chunks(100).map(|data| api::UploadEvaluationResultsRequest {
            evaluation_list_id: given.evaluation_list_id.clone(),
            period: period.to_owned(),
            file: Some(contract::google::api::HttpBody { data: data.to_vec(), ..Default::default() }),
        });
        let mut pieces: Vec<_> = pieces.collect();
        if pieces.is_empty() {
            pieces.push(api::UploadEvaluationResultsRequest {
                evaluation_list_id: given.evaluation_list_id.clone(),
                ..Default::default()
            });
        }
        let mut lists = world.evaluation_lists(&world.office());
        lists.upload_evaluation_results(futures::stream::iter(pieces)).await.map(tonic::Response::into_inner)
    };
    // A title above the headings, the brackets of a spreadsheet round a code, days as departments write them; in GB18030.
    let text = format!(
        "公共信用综合评价结果\n序号,统一社会信用代码,主体名称,评价等级,评价得分,评价日期\n1,\"=\"\"{}\"\"\",虚构,A,91.5,2026年1月20日\n2,{},虚构,B,,2026/1/20\n\
         3,{},虚构,E,80,2026/1/20\n4,{},虚构,C,许多,2026/1/20\n",
        code(1),
        code(2),
        code(3),
        code(4)
    );
    let (bytes, _, _) = encoding_rs::GB18030.encode(&text);
    let answer = upload(bytes.into_owned(), "2025").await.unwrap();
    assert_eq!((answer.accepted, answer.rejected), (2, 2));
    let refused: Vec<_> = answer.outcomes.iter().map(|outcome| outcome.index).collect();
    assert_eq!(refused, [2, 3], "only what was refused is told, by its row");
    let why = |outcome: &api::Outcome| outcome.error.as_ref().unwrap().reason.clone();
    let reasons: Vec<String> = answer.outcomes.iter().map(why).collect();
    assert_eq!(reasons, ["EVALUATION_GRADE_UNKNOWN", "FIELD_INVALID"]);
    let answered = entries(&world, &world.office(), &given, Some(true)).await.unwrap();
    let told: Vec<_> = answered.entries.iter().map(|entry| entry.results[0].clone()).collect();
    assert_eq!((told[0].grade.as_str(), told[0].period.as_str()), ("A", "2025"));
    assert_eq!(told[0].evaluated_on, "2026-01-20");
    // The same file again.
    let (bytes, _, _) = encoding_rs::GB18030.encode(&text);
    let again = upload(bytes.into_owned(), "2025").await.unwrap();
    assert_eq!((again.accepted, again.duplicates, again.rejected), (0, 2, 2));
    // What is no such file says so and takes nothing in.
    for (file, wanted) in [
        (Vec::new(), "FIELD_INVALID"),
        (b"%PDF-1.7".to_vec(), "FILE_UNREADABLE"),
        (vec![0; 500], "FILE_UNREADABLE"),
        ("统一社会信用代码,得分\n".into(), "COLUMN_MISSING"),
        (b"PK\x03\x04 no workbook".to_vec(), "FILE_UNREADABLE"),
    ] {
        let status = upload(file, "2025").await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, wanted), "{status:?}");
    }
    let many = vec![b'x'; 17 << 20];
    let pieces = many.chunks(1 << 20).map(|data| api::UploadEvaluationResultsRequest {
        evaluation_list_id: given.evaluation_list_id.clone(),
        file: Some(contract::google::api::HttpBody { data: data.to_vec(), ..Default::default() }),
        ..Default::default()
    });
    let mut lists = world.evaluation_lists(&world.office());
    let status =
        lists.upload_evaluation_results(futures::stream::iter(pieces.collect::<Vec<_>>())).await.unwrap_err();
    assert_eq!(reason(&status), "BODY_TOO_LARGE");
    // The office alone.
    let mut lists = world.evaluation_lists(&world.department("transport"));
    let one = api::UploadEvaluationResultsRequest::default();
    let status = lists.upload_evaluation_results(futures::stream::iter([one])).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}
