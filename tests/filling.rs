//! A whole city in PostgreSQL's tables, and more of it: what the demo made is copied by bulk SQL until each table is big.
use std::{collections::BTreeMap, path::Path, process::Command};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, QueryResult, Statement};

use crate::{
    process::{binary, free_port},
    world,
};

/// Whose databases there are.
pub const SERVICES: [&str; 6] = ["credit", "grading", "sampling", "discipline", "reporting", "gateway"];

// Tables that stay as they are: catalogues, what the suite keeps of itself, and what a city has some hundreds of in a year, its departments'
// plans and summaries.
const SMALL: [&str; 22] = [
    "plans",
    "plan_departments",
    "summaries",
    "run_shards",
    "outgoing",
    "deliveries",
    "seaql_migrations",
    "items",
    "directory",
    "directory_versions",
    "evaluation_scales",
    "formulas",
    "scheme_versions",
    "measures",
    "measure_versions",
    "signing_keys",
    "standing",
    "revocations",
    "cursors",
    "name_key_version",
    "suggestion_rules",
    "watched_feed",
];

// Columns that a copy has its own of, beside those of its keys: so that a value finds a few rows, as in life, and not all.
const REFERENCES: [&str; 13] = [
    "record",
    "listing",
    "case_id",
    "draw",
    "visit",
    "scheme",
    "inspector",
    "parent",
    "client",
    "caller",
    "matter",
    "subject",
    "import",
];

/// Lets the demo make its city in a data folder and these databases, and end.
pub fn demo(url: &str, data_dir: &Path) {
    let [listen, admin] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let story = Command::new(binary())
        .args([
            "demo",
            "--exit",
            "--listen",
            &listen,
            "--admin-listen",
            &admin,
            "--database",
            url,
            "--data-dir",
        ])
        .arg(data_dir)
        .output()
        .unwrap();
    assert!(story.status.success(), "{}", String::from_utf8_lossy(&story.stderr));
}

/// One connection to the database of a service.
pub async fn connect(url: &str, service: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url.replace("{service}", service));
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

/// The rows of a query whose columns are all texts.
pub async fn texts(database: &DatabaseConnection, query: &str) -> Vec<Vec<String>> {
    let statement = Statement::from_string(database.get_database_backend(), query);
    let rows = database.query_all_raw(statement).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    let cell =
        |row: &QueryResult, place| row.try_get_by_index::<Option<String>>(place).unwrap().unwrap_or_default();
    rows.iter().map(|row| (0..row.column_names().len()).map(|place| cell(row, place)).collect()).collect()
}

/// Copies the rows of each table until there are about so many: with keys of their own, and departments that are spread. How many each had,
/// and has.
pub async fn fill(database: &DatabaseConnection, enough: i64) -> BTreeMap<String, (i64, i64)> {
    let mut filled = BTreeMap::new();
    // A code for each copy, of nobody who is there.
    let codes: Vec<String> = (1..=enough)
        .map(|n| format!("({n}, '{}')", world::code(200_000 + u32::try_from(n).unwrap())))
        .collect();
    let codes =
        format!("CREATE TEMP TABLE copies AS SELECT * FROM (VALUES {}) AS c (n, code)", codes.join(", "));
    database.execute_unprepared(&codes).await.unwrap();
    let tables = texts(
        database,
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1",
    )
    .await;
    for table in tables.into_iter().map(|row| row[0].clone()).filter(|table| !SMALL.contains(&table.as_str()))
    {
        let count = format!("SELECT COUNT(*)::text FROM {table}");
        let rows: i64 = texts(database, &count).await[0][0].parse().unwrap();
        filled.insert(table.clone(), (rows, rows));
        if rows == 0 || rows >= enough / 4 {
            continue;
        }
        let columns = texts(
            database,
            &format!(
                "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), (a.attidentity <> '' OR COALESCE(pg_get_expr(d.adbin, d.adrelid), \
                 '') LIKE 'nextval%')::text FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
                 WHERE a.attrelid = '{table}'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
            ),
        )
        .await;
        let unique = texts(
            database,
            &format!(
                "SELECT (SELECT string_agg(a.attname, ',') FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)) \
                 FROM pg_index i WHERE i.indrelid = '{table}'::regclass AND i.indisunique AND i.indpred IS NULL"
            ),
        )
        .await;
        let kind =
            |name: &str| columns.iter().find(|column| column[0] == name).map_or("", |column| &column[1]);
        let generated = |name: &str| columns.iter().any(|column| column[0] == name && column[2] == "true");
        let mut own: Vec<&str> = Vec::new();
        for key in &unique {
            let parts: Vec<&str> = key[0].split(',').collect();
            if parts.iter().any(|part| generated(part) || own.contains(part)) {
                continue;
            }
            // A code or a department is shared by several in life, where there is anything else.
            let shared =
                |part: &str| ["uscc", "department", "kind", "item", "domain", "year"].contains(&part);
            let text = parts.iter().find(|part| kind(part) == "text" && !shared(part));
            let any = text.or_else(|| parts.iter().find(|part| kind(part) == "text")).or(parts.first());
            own.extend(any);
        }
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for column in columns.iter().filter(|column| column[2] != "true") {
            let name = column[0].as_str();
            let value = match column[1].as_str() {
                "text" if own.contains(&name) || REFERENCES.contains(&name) => {
                    format!("t.{name} || '~' || n")
                }
                "text" if name == "uscc" => String::from("code"),
                "text" if name == "department" => format!("t.{name} || '~' || (n % 40)"),
                "bigint" | "integer" if own.contains(&name) => format!("t.{name} + n * 1000"),
                _ => format!("t.{name}"),
            };
            names.push(name);
            values.push(value);
        }
        let copies = enough / rows;
        let statement = format!(
            "INSERT INTO {table} ({}) SELECT {} FROM {table} t, copies WHERE n <= {copies} ON CONFLICT DO NOTHING",
            names.join(", "),
            values.join(", ")
        );
        let done = database.execute_unprepared(&statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
        filled.insert(table.clone(), (rows, texts(database, &count).await[0][0].parse().unwrap()));
    }
    database.execute_unprepared("VACUUM ANALYZE").await.unwrap();
    filled
}
