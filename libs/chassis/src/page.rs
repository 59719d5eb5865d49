//! Pages of a list: a size within bounds, and a token that holds the key after which the next page begins.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::r#type::v1::ErrorReason as Common;

use crate::fault::{Answer, Fault};

/// Which page is asked for.
pub struct Page {
    size: u64,
    /// The key of the last row before the page; empty for the first.
    pub after: String,
}

impl Page {
    /// Reads `pageSize` (50 where none is given, at most 1000) and `pageToken`.
    pub fn of(size: i32, token: &str) -> Answer<Self> {
        let size = match u64::try_from(size) {
            Ok(0) => 50,
            Ok(size) => size.min(1_000),
            Err(_) => return Err(Fault::field("pageSize", "must not be negative", "不能为负数")),
        };
        let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let after = key.ok_or_else(strange_token)?;
        Ok(Self { size, after })
    }

    /// How many rows to fetch: one more than the page, which tells whether another follows.
    pub fn fetch(&self) -> u64 {
        self.size + 1
    }

    /// Cuts the rows to the page and gives the next page's token, empty at the end.
    pub fn cut<T>(&self, rows: &mut Vec<T>, key: impl Fn(&T) -> String) -> String {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return String::new();
        }
        rows.truncate(size);
        rows.last().map(|row| URL_SAFE_NO_PAD.encode(key(row))).unwrap_or_default()
    }
}

/// The refusal of a token that no page of the list gave, be it that it can't be read or that its key has another form.
pub fn strange_token() -> Fault {
    Fault::invalid(
        Common::PageTokenInvalid.as_str_name(),
        "the page token is not one that this list gave; start without one",
        "分页标记不是本列表给出的；请从第一页开始",
    )
    .at("pageToken")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_walk_the_list_once() {
        let all: Vec<u32> = (0..125).collect();
        let (mut token, mut seen) = (String::new(), Vec::new());
        loop {
            let page = Page::of(50, &token).expect("a page");
            let after: Option<u32> = page.after.parse().ok();
            let fetch = usize::try_from(page.fetch()).expect("small");
            let mut rows: Vec<u32> = all
                .iter()
                .copied()
                .filter(|row| after.is_none_or(|after| *row > after))
                .take(fetch)
                .collect();
            token = page.cut(&mut rows, u32::to_string);
            seen.extend(rows);
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, all);
        assert!(Page::of(1, "***").is_err());
        assert!(Page::of(-1, "").is_err());
    }
}
