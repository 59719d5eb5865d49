//! Names to codes: the call, files without codes, and databases from before the keys.
use chassis::trial::reason;
use contract::credit::v1 as api;
use sea_orm::{ConnectionTrait, Database};

use crate::world::{MORNING, World, code, subject};

fn named(serial: u32, name: &str) -> api::SubjectInput {
    api::SubjectInput { name: name.to_owned(), region: String::from("640302"), ..subject(serial) }
}

async fn upsert(world: &World, subjects: Vec<api::SubjectInput>) {
    let who = world.department("market-regulation");
    let request = api::BatchUpsertSubjectsRequest { subjects, ..Default::default() };
    let answer = world.subjects(&who).batch_upsert_subjects(request).await.unwrap().into_inner();
    assert!(answer.outcomes.iter().all(|outcome| outcome.error.is_none()), "{:?}", answer.outcomes);
}

async fn ask(world: &World, names: &[&str], include_doubtful: bool) -> Vec<api::NameMatch> {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    let mut request =
        tonic::Request::new(api::MatchSubjectsRequest { names, include_doubtful, ..Default::default() });
    request.metadata_mut().insert("accept-language", "zh-CN".parse().unwrap());
    let who = world.trial.token("transport", "credit.read");
    world.subjects(&who).match_subjects(request).await.unwrap().into_inner().results
}

fn register() -> Vec<api::SubjectInput> {
    vec![
        named(1, "宁夏虚构(集团)农业科技有限公司"),
        named(2, "虚构银行股份有限公司吴忠市分行"),
        named(3, "虚构银行股份有限公司"),
        named(4, "吴忠市虚构商贸总公司(第一名称);吴忠市虚构纸箱厂(第二名称)"),
        named(5, "吴忠市示例商贸有限公司"),
        named(6, "吴忠市示例商贸有限公司"),
        api::SubjectInput {
            former_names: vec![String::from("吴忠市虚构旧名食品厂")],
            second_names: vec![String::from("吴忠市虚构从属食品厂")],
            ..named(7, "吴忠市虚构新名食品有限公司")
        },
        named(8, "吴忠市虚构第一建筑工程有限公司"),
    ]
}

#[tokio::test]
async fn a_name_finds_its_one_subject_and_says_why() {
    let world = World::open(MORNING).await;
    upsert(&world, register()).await;
    let table = [
        ("宁夏虚构(集团)农业科技有限公司", 1, "完全一致"),
        ("宁夏虚构（集团）农业科技有限公司", 1, "全半角"),
        ("虚构集团农业科技（宁夏）有限责任公司", 1, "位置不同"),
        ("寧夏虛構(集團)農業科技有限公司", 1, "繁简"),
        ("虚构银行吴忠分行", 2, "略去所属企业的组织形式"),
        ("虚构银行股份有限公司吴忠市分行及相关责任人", 2, "责任人"),
        ("虚构银行股份有限公司", 3, "完全一致"),
        ("吴忠市虚构纸箱厂", 4, "第二名称"),
        ("吴忠市虚构商贸总公司", 4, ""),
        ("吴忠市虚构旧名食品厂", 7, "曾用名"),
        ("吴忠市虚构从属食品厂", 7, "第二名称"),
    ];
    let names: Vec<&str> = table.iter().map(|(name, ..)| *name).collect();
    let results = ask(&world, &names, false).await;
    for ((name, serial, because), result) in table.iter().zip(&results) {
        assert_eq!(result.name, *name);
        let [one] = result.candidates.as_slice() else { panic!("{name}: {:?}", result.candidates) };
        assert_eq!(one.uscc, code(*serial), "{name}");
        assert!(one.linkable && one.score >= 0.9 && one.score <= 1.0, "{name}: {one:?}");
        assert!(one.reasons.iter().any(|reason| reason.contains(because)), "{name}: {:?}", one.reasons);
    }
    assert_eq!(results[9].candidates[0].matched_name, "吴忠市虚构旧名食品厂");
    assert!(results[0].candidates[0].matched_name.is_empty());
}

#[tokio::test]
async fn what_is_not_sure_is_left_for_a_person() {
    let world = World::open(MORNING).await;
    upsert(&world, register()).await;
    let table = [
        ("吴忠市示例商贸有限公司", 2, "2个主体"),
        ("虚构银行股份有限公司中卫市分行", 1, "不是同一主体"),
        ("吴忠市虚构第一建筑工程公司", 1, "组织形式不同"),
        ("吴忠市虚构第二建筑工程有限公司", 0, ""),
        ("甘肃虚构集团农业科技有限公司", 0, ""),
        ("宁夏虚拟(集团)农业科技有限公司", 0, ""),
        ("张某某", 0, ""),
        ("11010519491231002X", 0, ""),
    ];
    let names: Vec<&str> = table.iter().map(|(name, ..)| *name).collect();
    for result in ask(&world, &names, false).await {
        assert!(result.candidates.is_empty(), "{result:?}");
    }
    for ((name, count, because), result) in table.iter().zip(ask(&world, &names, true).await) {
        assert_eq!(result.candidates.len(), *count, "{name}: {:?}", result.candidates);
        for one in result.candidates {
            assert!(!one.linkable && one.score < 0.9, "{name}: {one:?}");
            assert!(one.reasons.iter().any(|reason| reason.contains(because)), "{name}: {:?}", one.reasons);
        }
    }
}

#[tokio::test]
async fn a_subject_renamed_is_found_by_its_earlier_name() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    upsert(&world, vec![named(1, "吴忠市虚构甲食品有限公司")]).await;
    upsert(&world, vec![named(1, "吴忠市虚构乙食品有限公司")]).await;
    let results = ask(&world, &["吴忠市虚构甲食品有限公司", "吴忠市虚构乙食品有限公司"], false).await;
    assert!(results.iter().all(|result| result.candidates[0].uscc == code(1)));
    let get = api::GetSubjectRequest { uscc: code(1), ..Default::default() };
    let subject = world.subjects(&who).get_subject(get).await.unwrap().into_inner();
    assert_eq!(subject.former_names, ["吴忠市虚构甲食品有限公司"]);
    // Another subject that bears the name now stands before the one that bore it.
    upsert(&world, vec![named(2, "吴忠市虚构甲食品有限公司")]).await;
    let results = ask(&world, &["吴忠市虚构甲食品有限公司"], false).await;
    assert_eq!(results[0].candidates.len(), 1);
    assert_eq!(results[0].candidates[0].uscc, code(2));
    // Lists find earlier names and either width of brackets.
    upsert(&world, vec![named(3, "虚构(吴忠)示例有限公司")]).await;
    for (q, serials) in [("虚构（吴忠）示例", vec![3]), ("虚构甲食品", vec![1, 2])] {
        let request = api::ListSubjectsRequest { q: q.to_owned(), ..Default::default() };
        let page = world.subjects(&who).list_subjects(request).await.unwrap().into_inner();
        let mut codes: Vec<String> = serials.into_iter().map(code).collect();
        codes.sort_unstable();
        assert_eq!(page.subjects.into_iter().map(|subject| subject.uscc).collect::<Vec<_>>(), codes, "{q}");
    }
}

#[tokio::test]
async fn who_may_not_and_what_is_too_much_is_refused() {
    let world = World::open(MORNING).await;
    upsert(&world, vec![named(1, "吴忠市虚构甲食品有限公司")]).await;
    let request = |count: usize| api::MatchSubjectsRequest {
        names: vec![String::from("吴忠市虚构甲食品有限公司"); count],
        ..Default::default()
    };
    let writer = world.trial.token("transport", "credit.write");
    let denied = world.subjects(&writer).match_subjects(request(1)).await.unwrap_err();
    assert_eq!(reason(&denied), "SCOPE_MISSING");
    let own = world.enterprise(&code(1));
    let denied = world.subjects(&own).match_subjects(request(1)).await.unwrap_err();
    assert_eq!(denied.code(), tonic::Code::PermissionDenied);
    let who = world.department("transport");
    for count in [0, 1_001] {
        let bad = world.subjects(&who).match_subjects(request(count)).await.unwrap_err();
        assert_eq!(reason(&bad), "FIELD_INVALID", "{count} names");
    }
    let blank = api::MatchSubjectsRequest { names: vec![String::from(" ")], ..Default::default() };
    let bad = world.subjects(&who).match_subjects(blank).await.unwrap_err();
    assert_eq!(reason(&bad), "FIELD_INVALID");
    let most = world.subjects(&who).match_subjects(request(1_000)).await.unwrap().into_inner();
    assert!(most.results.len() == 1_000 && most.results.iter().all(|result| result.candidates.len() == 1));
}

#[tokio::test]
async fn a_file_without_codes_is_linked_by_name_and_says_how() {
    let world = World::open(MORNING).await;
    upsert(&world, register()).await;
    let who = world.department("financial-work");
    let parties = [
        "宁夏虚构（集团）农业科技有限公司",
        "虚构银行股份有限公司",
        "虚构银行股份有限公司盐池支行",
        "吴忠市示例商贸有限公司",
        "吴忠市不曾登记有限公司",
        "李某某",
        "虚构银行股份有限公司吴忠市分行及相关责任人、虚构银行股份有限公司",
    ];
    let mut file = String::from("当事人名称,行政处罚决定书文号,处罚决定日期\n");
    for (row, party) in parties.iter().enumerate() {
        file.push_str(&format!("{party},虚罚〔2026〕{row}号,2026-01-05\n"));
    }
    let done = world.import(&who, "records", "administrative-penalty", file.as_bytes()).await;
    let progress = done.progress.unwrap();
    assert_eq!((progress.accepted, progress.rejected, progress.warned), (2, 5, 1));
    assert!(done.warnings[0].message.contains(&code(1)), "{:?}", done.warnings);
    assert_eq!(
        world.reasons(&who, &done.import_id).await,
        ["NAME_DOUBTFUL", "NAME_AMBIGUOUS", "NAME_UNKNOWN", "PERSON_NOT_TAKEN", "NAME_DOUBTFUL"]
    );
    let rejects = world.rejects(&who, &done.import_id).await;
    // The nearest are named, so that a clerk can fill the code in.
    assert!(rejects.contains(&code(3)) && rejects.contains(&code(5)) && rejects.contains(&code(6)));
}

#[tokio::test]
async fn names_come_from_a_file_of_subjects_too() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    let file = format!(
        "统一社会信用代码,企业名称,曾用名,行政区划\n{},吴忠市虚构新名食品有限公司,吴忠市虚构旧名食品厂；吴忠市虚构更旧食品厂,640302\n",
        code(1)
    );
    let done = world.import(&who, "subjects", "", file.as_bytes()).await;
    assert_eq!(done.progress.unwrap().accepted, 1);
    let results = ask(&world, &["吴忠市虚构旧名食品厂", "吴忠市虚构更旧食品厂"], false).await;
    assert!(results.iter().all(|result| result.candidates[0].uscc == code(1)));
}

#[tokio::test]
async fn a_database_from_before_gets_its_keys_at_the_next_start() {
    let world = World::open(MORNING).await;
    upsert(&world, register()).await;
    let boot = &world.trial.boot;
    let url = if boot.settings.database.is_empty() {
        format!("sqlite://{}", world.trial.folder.path().join("credit.sqlite").display())
    } else {
        boot.settings.database.replace("{service}", "credit")
    };
    let db = Database::connect(url).await.unwrap();
    let names = [
        "宁夏虚构(集团)农业科技有限公司",
        "吴忠市虚构纸箱厂",
        "吴忠市虚构旧名食品厂",
        "吴忠市虚构第一建筑工程有限公司",
    ];
    for spoil in [
        // As the migration leaves it.
        &[
            "UPDATE subjects SET name_key = NULL",
            "DELETE FROM other_name_keys",
            "DELETE FROM name_key_version",
        ][..],
        // Broken off half way.
        &["UPDATE subjects SET name_key = NULL WHERE uscc > (SELECT MIN(uscc) FROM subjects)"],
        // Made in another way.
        &[
            "UPDATE subjects SET name_key = 7",
            "UPDATE name_key_version SET version = 0",
            "DELETE FROM other_name_keys",
        ],
    ] {
        for statement in spoil {
            db.execute_unprepared(statement).await.unwrap();
        }
        let lost = ask(&world, &names, false).await;
        assert!(lost.iter().any(|result| result.candidates.is_empty()));
        credit::open(&world.trial.boot).await.unwrap();
        let found = ask(&world, &names, false).await;
        let codes: Vec<&str> = found.iter().map(|result| result.candidates[0].uscc.as_str()).collect();
        assert_eq!(codes, [code(1), code(4), code(7), code(8)]);
    }
    db.close().await.unwrap();
}
