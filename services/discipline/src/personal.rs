//! Citizens' identity numbers 公民身份号码: refused in every text, never stored (个人信息保护法).
use chassis::{Answer, Fault};
use contract::discipline::v1 as api;

/// Refuses texts that carry one, by the field's name.
pub fn refuse<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Answer<()> {
    for (field, text) in texts {
        if identifiers::personal::occurs_in(text) {
            return Err(Fault::invalid(
                api::ErrorReason::PersonalIdentityNumber.as_str_name(),
                format!("{field} carries a citizen's identity number, which is never stored; leave it out"),
                format!("{field} 中含有公民身份号码，本系统不予存储；请删去"),
            )
            .at(field));
        }
    }
    Ok(())
}
