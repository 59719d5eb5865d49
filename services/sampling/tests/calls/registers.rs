//! One list and two libraries as files, and draws from a library of objects.
use chassis::trial::reason;
use contract::{
    google::api::HttpBody,
    grading::v1::scheme::Disclosure,
    sampling::v1::{self as api, exclusion::Reason, object_library::Kind},
};
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Request};

use super::world::{World, code, plan, wrong_fields};

fn file(register: &str, text: &[u8]) -> api::ImportRegisterRequest {
    api::ImportRegisterRequest {
        register: register.to_owned(),
        file: Some(HttpBody { data: text.to_vec(), ..Default::default() }),
        ..Default::default()
    }
}

async fn import(
    world: &World,
    request: api::ImportRegisterRequest,
) -> Result<api::RegisterReport, tonic::Status> {
    let request = Request::new(futures::stream::iter([request]));
    Ok(world.registers(world.transport()).import_register(request).await?.into_inner())
}

async fn export(world: &World, register: &str, library: &str, format: &str) -> Vec<u8> {
    let request = api::ExportRegisterRequest {
        register: register.to_owned(),
        library: library.to_owned(),
        format: format.to_owned(),
        ..Default::default()
    };
    let answer = world.registers(world.transport()).export_register(request).await.unwrap();
    let told = chassis::trial::told(&answer);
    let bytes = answer.into_inner().map(|part| part.unwrap().data).collect::<Vec<_>>().await.concat();
    // By these a download goes on: a register that was changed is another file.
    assert_eq!(told, (hex::encode(Sha256::digest(&bytes)), bytes.len().to_string()));
    bytes
}

async fn put_library(
    world: &World,
    library: api::ObjectLibrary,
) -> Result<api::ObjectLibrary, tonic::Status> {
    let request = api::PutObjectLibraryRequest { object_library: Some(library), ..Default::default() };
    Ok(world.registers(world.transport()).put_object_library(request).await?.into_inner())
}

fn library(id: &str, kind: Kind) -> api::ObjectLibrary {
    api::ObjectLibrary {
        object_library_id: id.to_owned(),
        name: "道路运输企业名录库".to_owned(),
        kind: kind as i32,
        ..Default::default()
    }
}

#[tokio::test]
async fn inspectors_come_in_as_a_file_without_their_names() {
    let world = World::new(Disclosure::Departments).await;
    let text = format!(
        "姓名,执法证号,所属部门,专业资质,回避主体,执法证件有效期至,休假,停用,星座\n\
         某甲,6403-01,transport,road、vehicle,{},2027/1/31,2026-05-01至2026-05-07,否,x\n\
         某乙,6403-02,transport,road,,2026年12月31日,,是,x\n\
         某丙,6403-03,water,road,,,,,x\n\
         某丁,6403-04,transport,road,91640399M000010X50,,,,x\n\
         某戊,,transport,road,,,,,x\n\
         某己,6403-06,transport,road,,明年,,,x\n",
        code(7)
    );
    let dry = api::ImportRegisterRequest { validate_only: true, ..file("inspectors", text.as_bytes()) };
    let dry = import(&world, dry).await.unwrap();
    assert_eq!((dry.rows, dry.accepted, dry.rejected), (6, 2, 4));
    let listed = api::ListInspectorsRequest::default();
    let before =
        world.inspectors(world.transport()).list_inspectors(listed.clone()).await.unwrap().into_inner();
    assert!(before.inspectors.is_empty(), "nothing was kept");
    let report = import(&world, file("inspectors", text.as_bytes())).await.unwrap();
    assert_eq!(
        (report.accepted, report.dropped_columns, report.ignored_columns.as_slice()),
        (2, 1, ["星座".to_owned()].as_slice())
    );
    let why: Vec<(i32, &str)> = report.rejects.iter().map(|one| (one.line, one.reason.as_str())).collect();
    assert_eq!(why.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4, 5, 6, 7]);
    assert_eq!(why[0].1, "OTHER_DEPARTMENT");
    assert!(why[1].1.starts_with("CODE_"), "{why:?}");
    let after = world.inspectors(world.transport()).list_inspectors(listed).await.unwrap().into_inner();
    assert_eq!(after.inspectors.len(), 2);
    let one = &after.inspectors[0];
    assert_eq!(
        (one.certificate_until.as_str(), one.leaves.len(), one.conflicts.as_slice()),
        ("2027-01-31", 1, [code(7)].as_slice())
    );
    assert!(!format!("{after:?}").contains("某甲"));
    // What goes out comes in again, in both formats.
    for format in ["csv", "xlsx"] {
        let bytes = export(&world, "inspectors", "", format).await;
        let again = import(&world, file("inspectors", &bytes)).await.unwrap();
        assert_eq!((again.rows, again.accepted, again.rejected), (2, 2, 0), "{format}: {again:?}");
    }
}

#[tokio::test]
async fn items_come_in_dated_and_go_out_again() {
    let world = World::new(Disclosure::Departments).await;
    let text = "事项编号,抽查事项名称,事项类别,检查依据,检查方式,抽查频次,施行日期,失效日期\n\
                road,道路运输经营检查,一般检查事项,道路运输条例,实地核查,每年1次,2026-01-01,\n\
                safety,安全生产检查,重点检查事项,安全生产法,实地核查,不限,2026-01-01,2026-05-31\n\
                odd,特殊检查,特殊事项,,,,,\n\
                back,期限颠倒,一般检查事项,,,,2026-02-01,2026-01-01\n";
    let report = import(&world, file("inspectionItems", text.as_bytes())).await.unwrap();
    let lines: Vec<i32> = report.rejects.iter().map(|one| one.line).collect();
    assert_eq!((report.accepted, lines.as_slice()), (2, [4, 5].as_slice()), "{report:?}");
    let request = api::GetInspectionItemRequest { id: "safety".into(), ..Default::default() };
    let got = world.items(world.transport()).get_inspection_item(request).await.unwrap().into_inner();
    assert_eq!(
        (got.category(), got.department.as_str(), got.effective_until.as_str()),
        (api::inspection_item::Category::Key, "transport", "2026-05-31")
    );
    let bytes = export(&world, "inspectionItems", "", "xlsx").await;
    assert_eq!(import(&world, file("inspectionItems", &bytes)).await.unwrap().accepted, 2);
    // A plan's period lies within the item's days: this one ends a month after the item.
    let of = |item: &str| api::Plan { inspection_items: vec![item.to_owned()], ..plan(item) };
    let expired = world.try_plan(world.transport(), of("safety")).await.unwrap_err();
    assert_eq!(
        (reason(&expired).as_str(), wrong_fields(&expired)),
        ("INSPECTION_ITEM_NOT_IN_FORCE", vec!["plan.inspectionItems[0]".to_owned()])
    );
    world.try_plan(world.transport(), of("road")).await.unwrap();
}

#[tokio::test]
async fn files_are_refused_with_their_reason() {
    let world = World::new(Disclosure::Departments).await;
    let refused = async |request: api::ImportRegisterRequest| import(&world, request).await.unwrap_err();
    for bytes in [&b"\x89PNG\r\n\x1a\n\0\0"[..], b"PK\x03\x04 cut", b"", "姓名,电话\n甲,1".as_bytes()] {
        assert_eq!(reason(&refused(file("inspectors", bytes)).await), "FILE_UNREADABLE");
    }
    let said = api::ImportRegisterRequest { format: "xlsx".into(), ..file("inspectors", b"a,b") };
    assert_eq!(reason(&refused(said).await), "FILE_UNREADABLE");
    assert_eq!(wrong_fields(&refused(file("enterprises", b"a")).await), ["register"]);
    let lost = api::ImportRegisterRequest {
        library: "none".into(),
        ..file("objects", "统一社会信用代码\n".as_bytes())
    };
    let lost = refused(lost).await;
    assert_eq!((lost.code(), reason(&lost).as_str()), (Code::NotFound, "OBJECT_LIBRARY_UNKNOWN"));
    let request = Request::new(futures::stream::iter([file("inspectors", b"a")]));
    let own = world.trial.token_of(chassis::access::Claims {
        uscc: code(1),
        scope: "sampling.write".into(),
        ..world.trial.claims()
    });
    assert_eq!(reason(&world.registers(own).import_register(request).await.unwrap_err()), "NOT_DISCLOSED");
    let request = api::ExportRegisterRequest {
        register: "inspectors".into(),
        format: "pdf".into(),
        ..Default::default()
    };
    let wrong = world.registers(world.transport()).export_register(request).await.err().unwrap();
    assert_eq!(wrong_fields(&wrong), ["format"]);
}

#[tokio::test]
async fn a_special_library_is_drawn_from_and_strangers_in_it_are_told() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    put_library(&world, library("haulage", Kind::Special)).await.unwrap();
    // Twenty enterprises of the city, four of them Bs, one stranger, one code that is none.
    let mut text = "统一社会信用代码,备注\n".to_owned();
    for serial in 1..=20 {
        text += &format!("{},货运\n", code(serial));
    }
    text += &format!("{},外地\n91640399M000010X5N1,错\n", code(9_000));
    let request =
        api::ImportRegisterRequest { library: "haulage".into(), ..file("objects", text.as_bytes()) };
    let report = import(&world, request).await.unwrap();
    assert_eq!((report.rows, report.accepted, report.rejected), (22, 21, 1), "{report:?}");
    let request = api::GetObjectLibraryRequest { id: "haulage".into(), ..Default::default() };
    let got = world.registers(world.transport()).get_object_library(request).await.unwrap().into_inner();
    assert_eq!((got.members, got.department.as_str()), (21, "transport"));

    let made = world.create_plan(api::Plan { object_library: "haulage".into(), ..plan("p") }).await;
    let draw = world.commit(&made.plan_id).await.unwrap();
    // 5.5 % of 16 As are 1, half of 4 Bs are 2.
    assert_eq!((draw.roster_size, draw.quota_text.as_str(), draw.excluded), (20, "A,1\nB,2\n", 1));
    let request = api::ListExclusionsRequest { draw: draw.draw_id.clone(), ..Default::default() };
    let told = world.draws(world.transport()).list_exclusions(request).await.unwrap().into_inner().exclusions;
    assert_eq!((told[0].uscc.as_str(), told[0].reason()), (code(9_000).as_str(), Reason::OutOfScope));
    let revealed = world.reveal(&draw.draw_id, "1 2 3").await.unwrap();
    let members: Vec<String> = (1..=20).map(code).collect();
    assert!(revealed.selected.len() == 3 && revealed.selected.iter().all(|one| members.contains(&one.uscc)));
    // A new file is the whole list.
    let text = format!("统一社会信用代码\n{}\n", code(3));
    let request =
        api::ImportRegisterRequest { library: "haulage".into(), ..file("objects", text.as_bytes()) };
    import(&world, request).await.unwrap();
    let bytes = export(&world, "objects", "haulage", "csv").await;
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        format!("\u{FEFF}统一社会信用代码,备注\r\n{},\r\n", code(3))
    );
}

#[tokio::test]
async fn a_library_by_filter_gives_a_plan_its_scope() {
    let world = World::new(Disclosure::Departments).await;
    world.put_item("operation", &[]).await;
    let filter = api::ObjectLibrary { region: "640302".into(), ..library("liton", Kind::Unspecified) };
    let put = put_library(&world, filter.clone()).await.unwrap();
    assert_eq!((put.kind(), put.members), (Kind::Filter, 0));
    let made = world.create_plan(api::Plan { object_library: "liton".into(), ..plan("p") }).await;
    assert_eq!(made.region, "640302");
    assert_eq!(world.commit("p").await.unwrap().roster_size, 30);
    let both = api::Plan { object_library: "liton".into(), region: "640303".into(), ..plan("q") };
    assert_eq!(
        wrong_fields(&world.try_plan(world.transport(), both).await.unwrap_err()),
        ["plan.objectLibrary"]
    );
    let none = api::Plan { object_library: "none".into(), ..plan("q") };
    assert_eq!(reason(&world.try_plan(world.transport(), none).await.unwrap_err()), "OBJECT_LIBRARY_UNKNOWN");

    let changed = api::ObjectLibrary { kind: Kind::Special as i32, ..library("liton", Kind::Special) };
    assert_eq!(wrong_fields(&put_library(&world, changed).await.unwrap_err()), ["objectLibrary.kind"]);
    let mixed = api::ObjectLibrary { region: "640302".into(), ..library("mixed", Kind::Special) };
    assert_eq!(wrong_fields(&put_library(&world, mixed).await.unwrap_err()), ["objectLibrary.kind"]);
    let theirs = api::ObjectLibrary { department: "water".into(), ..filter };
    assert_eq!(reason(&put_library(&world, theirs).await.unwrap_err()), "OTHER_DEPARTMENT");
    let request = api::ListObjectLibrariesRequest { department: "transport".into(), ..Default::default() };
    let listed =
        world.registers(world.transport()).list_object_libraries(request).await.unwrap().into_inner();
    assert_eq!(listed.object_libraries.len(), 1);
    let request = api::GetObjectLibraryRequest { id: "none".into(), ..Default::default() };
    let missing = world.registers(world.transport()).get_object_library(request).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}
