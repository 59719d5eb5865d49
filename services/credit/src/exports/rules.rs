//! Which records an export asks for.
use std::sync::Arc;

use chassis::fault::Violation;
use contract::credit::v1 as api;
use identifiers::Region;
use jiff::civil::Date;

use super::rows::Filter;
use crate::items::Item;

/// Reads the filters of a request, of items that the caller may see.
pub fn filter(
    request: &api::ExportRecordsRequest,
    items: &[Arc<Item>],
    today: Date,
) -> Result<Filter, Violation> {
    let region = match request.region.trim() {
        "" => String::new(),
        given => Region::parse(given)
            .map_err(|fault| Violation::new("region", fault.message_en(), fault.message_zh()))?
            .prefix()
            .to_owned(),
    };
    let (from, to) = (request.from.trim(), request.to.trim());
    // Dates of this form compare as text.
    if !from.is_empty() && !to.is_empty() && to < from {
        return Err(Violation::new(
            "to",
            format!("\"{to}\" is before from, {from}"),
            format!("“{to}”早于起始日期{from}"),
        ));
    }
    Ok(Filter {
        items: items.iter().map(|item| item.body.item.clone()).collect(),
        region,
        from: from.to_owned(),
        to: to.to_owned(),
        today: today.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn filters_are_judged() {
        let ask = |region: &str, from: &str, to: &str| {
            let request = api::ExportRecordsRequest {
                region: region.to_owned(),
                from: from.to_owned(),
                to: to.to_owned(),
                ..Default::default()
            };
            filter(&request, &[], date(2026, 2, 13)).map_err(|bad| bad.field)
        };
        assert_eq!(ask("640300", "2026-01-01", "2026-01-01").unwrap().region, "6403");
        assert_eq!(ask("", "", "").unwrap().today, "2026-02-13");
        assert_eq!(ask("64030", "", ""), Err(String::from("region")));
        assert_eq!(ask("", "2026-01-02", "2026-01-01"), Err(String::from("to")));
    }
}
