//! A selection in the order of the tickets alone, as a bundle without strata gives it: the strata, each in its own order already, merged.
use std::collections::VecDeque;

use chassis::Answer;
use sea_orm::ConnectionTrait;

use super::rows::{self, Stored};

/// How far a selection is merged.
pub struct Merged(Vec<Stratum>);

// What is left of a stratum: what was read of it, and the places still to be read.
struct Stratum {
    read: VecDeque<Stored>,
    after: i32,
    last: i32,
}

impl Merged {
    /// From the beginning.
    pub async fn begin(db: &impl ConnectionTrait, draw: &str) -> Answer<Self> {
        let places = rows::strata(db, draw).await?;
        let stratum = |(first, last)| Stratum { read: VecDeque::new(), after: first - 1, last };
        Ok(Self(places.into_iter().map(stratum).collect()))
    }

    /// The next so many; fewer at the end.
    pub async fn page(&mut self, db: &impl ConnectionTrait, draw: &str, most: u64) -> Answer<Vec<Stored>> {
        let mut page = Vec::new();
        while (page.len() as u64) < most {
            for stratum in
                self.0.iter_mut().filter(|stratum| stratum.read.is_empty() && stratum.after < stratum.last)
            {
                stratum.read =
                    rows::stream_selected(db, draw, (stratum.after, stratum.last), most).await?.into();
                stratum.after = stratum.read.back().map_or(stratum.last, |visit| visit.place);
            }
            let next = self.0.iter_mut().filter(|stratum| !stratum.read.is_empty());
            let next = next.min_by(|one, other| one.read[0].ticket.cmp(&other.read[0].ticket));
            match next.and_then(|stratum| stratum.read.pop_front()) {
                Some(visit) => page.push(visit),
                None => break,
            }
        }
        Ok(page)
    }
}
