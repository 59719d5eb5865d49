//! Row rules and the record of looks: who may act on what, who may see what, and what texts may not carry.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, clock::micros, storage::sql};
use contract::sampling::v1::ErrorReason;
use identifiers::{CodeFault, personal};
use sea_orm::ConnectionTrait;

use crate::Sampling;

/// A department acts on what is its own; the credit office for all.
pub fn act_for<'a>(context: &Context, departments: impl IntoIterator<Item = &'a str>) -> Answer<()> {
    let caller = &context.caller;
    let departments: Vec<&str> = departments.into_iter().collect();
    let own = !caller.department().is_empty() && departments.contains(&caller.department());
    if own || caller.is_office() {
        return Ok(());
    }
    let listed = departments.join(", ");
    Err(Fault::denied(
        ErrorReason::OtherDepartment.as_str_name(),
        format!("this is {listed}'s; only its own departments or the credit office may do that"),
        format!("此项属于{listed}；只有相关部门或信用联办可以办理"),
    )
    .with("departments", listed))
}

/// Draws and visits tell who is to be inspected; an enterprise's own client sees the public bundle and results.
pub fn official(context: &Context) -> Answer<()> {
    if context.caller.enterprise().is_empty() {
        return Ok(());
    }
    Err(Fault::denied(
        ErrorReason::NotDisclosed.as_str_name(),
        "an enterprise's own client sees a draw's bundle and the public results; this is for departments",
        "企业自有客户端可查看抽取验证材料和公示结果；本接口仅供部门使用",
    ))
}

/// The refusal of another department's figures.
pub fn other_scheme(scheme: &str) -> Fault {
    Fault::denied(
        ErrorReason::OtherDepartment.as_str_name(),
        format!("no plan of your department draws by scheme \"{scheme}\"; a department sees its own figures, the credit office all"),
        format!("本部门没有依据评价制度“{scheme}”的抽查计划；部门只能查看本单位的统计，其他的请向信用联办查询"),
    )
    .at("scheme")
}

/// Writes a look down before its answer leaves.
pub async fn look(app: &Arc<Sampling>, context: &Context, purpose: &str, subject: &str) -> Answer<()> {
    let text = "INSERT INTO looks (at, client, department, purpose, method, subject) VALUES ($1, $2, $3, $4, $5, $6)";
    let values = [
        micros(context.now).into(),
        context.caller.name().into(),
        context.caller.department().into(),
        purpose.into(),
        context.method.as_ref().into(),
        subject.into(),
    ];
    let tx = app.store.begin().await?;
    tx.execute_raw(sql(&*tx, text, values)).await?;
    tx.commit().await
}

/// Refuses texts that carry a citizen's identity number 公民身份号码: never stored (个人信息保护法).
pub fn no_identity_number(field: &str, text: &str) -> Answer<()> {
    if !personal::occurs_in(text) {
        return Ok(());
    }
    Err(Fault::invalid(
        ErrorReason::PersonalIdentityNumber.as_str_name(),
        format!("{field} carries a citizen's identity number, which is never stored; leave it out"),
        format!("{field} 中含有公民身份号码，本系统不予存储；请删去"),
    )
    .at(field))
}

/// The refusal of a code at a field.
pub fn code_fault(field: &str, fault: &CodeFault) -> Fault {
    Fault::invalid(fault.reason(), fault.message_en(), fault.message_zh()).at(field)
}
