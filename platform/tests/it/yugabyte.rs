//! The schema for YugabyteDB, beside the one for PostgreSQL. There is no YugabyteDB here: what its DDL makes is looked at
//! in a PostgreSQL, without the words that say how keys are split, which PostgreSQL does not know.

use platform::{event_log::postgres::statements, vault::keyring::postgres::statements as keys};
use std::{fs, path::Path};
use testkit::engines::Postgres;
use tokio_postgres::Client;

/// The steps of a directory, in order.
fn migrations(dir: &str) -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(dir);
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "sql")).collect();
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// `(partition HASH, position ASC)` and `((name, tenant) HASH, key ASC)`, as PostgreSQL writes them.
fn without_splits(sql: &str) -> String {
    let mut sql = sql.replace(" HASH", "").replace(" ASC", "");
    while let Some(at) = sql.find("KEY ((") {
        let end = at + sql[at..].find(')').unwrap();
        sql.remove(end);
        sql.remove(at + "KEY (".len());
    }
    sql
}

/// A line for each column, and one for each unique key and index.
async fn shape(client: &Client, schema: &str) -> Vec<String> {
    let columns = "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, collation_name, column_default) \
        FROM information_schema.columns WHERE table_schema = $1";
    let keys = "SELECT concat_ws(' ', t.relname, i.indisunique, i.indisprimary, array_agg(a.attname::text ORDER BY k.n)::text) \
        FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace s ON s.oid = t.relnamespace, \
        unnest(i.indkey::int[]) WITH ORDINALITY AS k (attribute, n), pg_attribute a \
        WHERE s.nspname = $1 AND a.attrelid = t.oid AND a.attnum = k.attribute GROUP BY i.indexrelid, t.relname, i.indisunique, i.indisprimary";
    let checks = "SELECT concat_ws(' ', t.relname, pg_get_constraintdef(c.oid)) FROM pg_constraint c \
        JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace s ON s.oid = t.relnamespace WHERE s.nspname = $1 AND c.contype = 'c'";
    let policies = "SELECT concat_ws(' ', tablename, policyname, roles::text, cmd, replace(replace(qual, 'ours.', ''), 'theirs.', ''), with_check) \
        FROM pg_policies WHERE schemaname = $1";
    let forced = "SELECT concat_ws(' ', t.relname, t.relrowsecurity, t.relforcerowsecurity) FROM pg_class t \
        JOIN pg_namespace s ON s.oid = t.relnamespace WHERE s.nspname = $1 AND t.relkind = 'r'";
    let rights = "SELECT concat_ws(' ', table_name, column_name, grantee, privilege_type) \
        FROM information_schema.column_privileges WHERE table_schema = $1";
    let mut lines = Vec::new();
    for sql in [columns, keys, checks, policies, forced, rights] {
        let rows = client.query(sql, &[&schema]).await.unwrap();
        lines.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    }
    lines.sort();
    lines
}

#[tokio::test]
async fn the_schema_for_yugabytedb_is_the_one_for_postgresql() {
    same("event_log/postgres/migrations", statements::ALL, 200).await;
}

#[tokio::test]
async fn the_keyrings_schema_for_yugabytedb_is_the_one_for_postgresql() {
    same("vault/keyring/migrations/postgres", keys::ALL, 50).await;
}

/// Makes both, and compares them: each has at least so many lines.
async fn same(dir: &str, statements: &[statements::Statement], lines: usize) {
    let server = Postgres::start(false);
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(async move { connection.await.unwrap() });
    let (ours, theirs) = (migrations(dir), migrations(&format!("{dir}/yugabyte")));
    let names = |steps: &[(String, String)]| steps.iter().map(|step| step.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));
    client.batch_execute("CREATE SCHEMA ours; CREATE SCHEMA theirs").await.unwrap();
    client.batch_execute("CREATE ROLE unit; CREATE ROLE fleet").await.unwrap();
    let fill = |sql: &str, schema: &str| {
        sql.replace("{schema}", schema).replace("{tenant}", "unit").replace("{fleet}", "fleet")
    };
    // What whoever migrates has made before.
    let before = "CREATE TABLE migrations (number integer PRIMARY KEY)";
    for schema in ["ours", "theirs"] {
        client.batch_execute(&format!("SET search_path = {schema}; {before}")).await.unwrap();
    }
    for (name, sql) in &ours {
        let sql = fill(sql, "ours");
        client.batch_execute(&format!("SET search_path = ours; {sql}")).await.expect(name);
    }
    // Twice: one that was cut off is begun again.
    for (name, sql) in theirs.iter().chain(&theirs) {
        let sql = fill(&without_splits(sql), "theirs");
        client.batch_execute(&format!("SET search_path = theirs; {sql}")).await.expect(name);
    }
    let shape_of_ours = shape(&client, "ours").await;
    assert!(shape_of_ours.len() > lines, "{shape_of_ours:#?}");
    assert_eq!(shape_of_ours, shape(&client, "theirs").await);
    for statement in statements {
        client.prepare(statement.sql).await.expect(statement.name);
    }
}
