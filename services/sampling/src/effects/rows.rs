//! How often the table of visits names one enterprise.
use chassis::{Answer, storage::sql};
use contract::sampling::v1::Burden;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

/// Which visits count: of a scheme, recorded, by the day of the visit; all versions where it is 0.
pub struct Span<'a> {
    pub scheme: &'a str,
    pub from: &'a str,
    pub to: &'a str,
    pub version: i32,
}

impl Span<'_> {
    fn values(&self) -> [Value; 4] {
        [self.scheme.into(), self.from.into(), self.to.into(), self.version.into()]
    }
}

const RECORDED: &str = "v.inspected_on <> '' AND v.inspected_on >= $2 AND ($3 = '' OR v.inspected_on <= $3)";

#[derive(FromQueryResult)]
struct Burdened {
    visits: i64,
    enterprises: i64,
}

/// How many enterprises were visited how often, drawn or ordered; an order is by no version and counts where all do.
pub async fn burdens(db: &impl ConnectionTrait, span: &Span<'_>) -> Answer<Vec<Burden>> {
    let text = format!(
        "SELECT visits, COUNT(*) AS enterprises FROM (SELECT v.uscc, COUNT(*) AS visits FROM visits v \
         LEFT JOIN draws d ON d.draw_id = v.draw LEFT JOIN orders o ON o.order_id = v.draw \
         JOIN plans p ON p.plan_id = COALESCE(d.plan, o.plan) WHERE p.scheme = $1 AND {RECORDED} \
         AND ($4 = 0 OR d.scheme_version = $4) GROUP BY v.uscc) AS counted GROUP BY visits ORDER BY visits DESC"
    );
    let rows = Burdened::find_by_statement(sql(db, &text, span.values())).all(db).await?;
    let count = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    Ok(rows
        .into_iter()
        .map(|row| Burden { visits: count(row.visits), enterprises: count(row.enterprises) })
        .collect())
}
