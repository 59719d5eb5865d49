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

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectOptions, Database};

    use super::*;

    // Pages of every size, so that strata end within a page, at its end and beyond it; places from 10 on took others' places and are not in it.
    #[tokio::test]
    async fn strata_of_several_pages_come_in_the_order_of_the_tickets() {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1);
        let db = Database::connect(options).await.unwrap();
        let table = "CREATE TABLE visits (visit_id TEXT, draw TEXT, place INTEGER, uscc TEXT DEFAULT '', name TEXT DEFAULT '', stratum TEXT, \
                     ticket TEXT, status INTEGER DEFAULT 1, replaces TEXT, replace_reason TEXT DEFAULT '', replaced_at BIGINT DEFAULT 0, \
                     inspected_on TEXT DEFAULT '', publish_due_on TEXT DEFAULT '', found BOOLEAN DEFAULT FALSE, published_at BIGINT DEFAULT 0, \
                     position TEXT DEFAULT '', kind INTEGER DEFAULT 1, order_reason TEXT DEFAULT '', over_cap BOOLEAN DEFAULT FALSE, \
                     publish_basis TEXT DEFAULT '')";
        db.execute_unprepared(table).await.unwrap();
        let tickets =
            [("A", "05"), ("A", "20"), ("A", "21"), ("A", "22"), ("A", "90"), ("A", "91"), ("B", "50")];
        let tickets = tickets.into_iter().chain([("D", "01"), ("D", "21a"), ("D", "99")]);
        for (place, (stratum, ticket)) in tickets.clone().enumerate() {
            for (draw, place, replaces) in [("d", place, ""), ("d", place + 10, "x"), ("other", place, "")] {
                let insert = format!(
                    "INSERT INTO visits (visit_id, draw, place, stratum, ticket, replaces) \
                     VALUES ('{draw}{place}', '{draw}', {place}, '{stratum}', '{ticket}', '{replaces}')"
                );
                db.execute_unprepared(&insert).await.unwrap();
            }
        }
        let mut expected: Vec<&str> = tickets.map(|(_, ticket)| ticket).collect();
        expected.sort_unstable();
        for most in 1..=11 {
            let (mut merged, mut found) = (Merged::begin(&db, "d").await.unwrap(), Vec::new());
            loop {
                let page = merged.page(&db, "d", most).await.unwrap();
                assert!(page.iter().all(|visit| visit.draw == "d" && visit.replaces.is_empty()));
                found.extend(page.iter().map(|visit| visit.ticket.clone()));
                if page.is_empty() {
                    break;
                }
            }
            assert_eq!(found, expected, "pages of {most}");
        }
        assert!(
            Merged::begin(&db, "nobody's").await.unwrap().page(&db, "nobody's", 5).await.unwrap().is_empty()
        );
    }
}
