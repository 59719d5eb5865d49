//! Libraries of objects 检查对象名录库: a filter over credit's register, or a special list.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, Tx, clock::wire, page::Page};
use contract::sampling::v1::{self as api, object_library::Kind};
use identifiers::{Industry, Region};
use sea_orm::ConnectionTrait;

use super::{no_library, rows};
use crate::{Sampling, register, rights};

const TABLE: &str = "object_libraries";

/// A library.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Answer<Option<api::ObjectLibrary>> {
    register::find(db, TABLE, id).await
}

/// A special library; refused where there is none of this name.
pub async fn special(db: &impl ConnectionTrait, id: &str) -> Answer<api::ObjectLibrary> {
    let found = find(db, id).await?.filter(|library| library.kind() == Kind::Special);
    found.ok_or_else(|| no_library(id))
}

/// A special library, for who may change it.
pub async fn own_special(tx: &Tx, context: &Context, id: &str) -> Answer<()> {
    let found = special(&**tx, id).await?;
    rights::act_for(context, [found.department.as_str()])
}

/// Puts a library.
pub async fn put(
    _: &Arc<Sampling>,
    context: &Context,
    tx: &Tx,
    request: api::PutObjectLibraryRequest,
) -> Answer<api::ObjectLibrary> {
    let mut library = request.object_library.unwrap_or_default();
    if library.department.is_empty() {
        library.department = context.caller.department().to_owned();
    }
    rights::act_for(context, [library.department.as_str()])?;
    if library.kind() == Kind::Unspecified {
        library.kind = Kind::Filter as i32;
    }
    if let Some(before) = find(&**tx, &library.object_library_id).await? {
        rights::act_for(context, [before.department.as_str()])?;
        if before.kind != library.kind {
            return Err(Fault::field(
                "objectLibrary.kind",
                format!("stays {}, as plans may name it; put another library", before.kind().as_str_name()),
                format!("应保持为 {}，因计划可能已引用；请另建名录库", before.kind().as_str_name()),
            ));
        }
    }
    judge(&library)?;
    library.members = 0;
    library.update_time = Some(wire(context.now));
    register::put(tx, TABLE, &library.object_library_id, &library.department, &library).await?;
    library.members = rows::count(&**tx, &library.object_library_id).await?;
    Ok(library)
}

fn judge(library: &api::ObjectLibrary) -> Answer<()> {
    let filtered = !library.region.is_empty() || !library.industries.is_empty();
    if library.kind() == Kind::Special && filtered {
        return Err(Fault::field(
            "objectLibrary.kind",
            "is SPECIAL, whose members are a file; region and industries are for one of kind FILTER",
            "为 SPECIAL 时成员来自文件；region 和 industries 仅用于 FILTER",
        ));
    }
    if !library.region.is_empty() {
        Region::parse(&library.region)
            .map_err(|fault| Fault::field("objectLibrary.region", fault.message_en(), fault.message_zh()))?;
    }
    for (index, industry) in library.industries.iter().enumerate() {
        Industry::parse(industry).map_err(|fault| {
            let field = format!("objectLibrary.industries[{index}]");
            Fault::field(field, fault.message_en(), fault.message_zh())
        })?;
    }
    Ok(())
}

/// Gives a library.
pub async fn get(
    app: &Arc<Sampling>,
    _: &Context,
    request: api::GetObjectLibraryRequest,
) -> Answer<api::ObjectLibrary> {
    let db = app.store.read();
    let found = find(db, &request.id).await?;
    let mut found = found.ok_or_else(|| Fault::not_found("object library", "检查对象名录库", &request.id))?;
    found.members = rows::count(db, &request.id).await?;
    Ok(found)
}

/// Lists libraries.
pub async fn list(
    app: &Arc<Sampling>,
    _: &Context,
    request: api::ListObjectLibrariesRequest,
) -> Answer<api::ListObjectLibrariesResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let db = app.store.read();
    let mut object_libraries: Vec<api::ObjectLibrary> =
        register::page(db, TABLE, &request.department, &page).await?;
    let next_page_token = page.cut(&mut object_libraries, |library| library.object_library_id.clone());
    for library in &mut object_libraries {
        library.members = rows::count(db, &library.object_library_id).await?;
    }
    Ok(api::ListObjectLibrariesResponse { object_libraries, next_page_token })
}
