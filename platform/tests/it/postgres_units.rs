//! Healthcare units are kept apart by PostgreSQL itself: what the processes' roles see and may do, asked with SQL that forgets
//! whose rows it is about; and who migrates, as whom.

use crate::postgres::config;
use model::{Epoch, TenantId};
use platform::{
    event_log::{
        AppendError, Change, EventStore, Holder, Moment, Ownership as _, Position, Refusal, Row, Snapshot,
        Snapshots as _, StreamId, Table, Tables as _, Version,
        postgres::{Config, Error, PostgresStore},
    },
    vault::keyring::{DataKey, Keyring as _, Shred, Shredding, TenantKey, postgres::PostgresKeyring},
};
use prometheus::Registry;
use std::{collections::BTreeMap, sync::Arc};
use testkit::{
    engines::Postgres,
    event_log::{DECIDED, command, conformance, stream},
    wait::eventually,
};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls, error::SqlState};
use uuid::Uuid;

const A: TenantId = TenantId(Uuid::from_u128(0xA));
const B: TenantId = TenantId(Uuid::from_u128(0xB));

const TENANT: &str = "telehealth_events_tenant";
const FLEET: &str = "telehealth_events_fleet";

/// A connection that asks what it likes.
struct Asking {
    client: Client,
    _driver: JoinSet<()>,
}

async fn asking(url: &str) -> Asking {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(async move { connection.await.unwrap_or_default() });
    Asking { client, _driver: driver }
}

impl Asking {
    async fn sql(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
    }

    /// Why it is refused.
    async fn refused(&self, sql: &str) -> SqlState {
        let error = self.client.batch_execute(sql).await.expect_err(sql);
        error.code().unwrap_or_else(|| panic!("{sql}: {error:?}")).clone()
    }
}

/// As a member of the roles and nothing else.
fn as_user(server: &Postgres, user: &str) -> String {
    server.url().replace("postgres@", &format!("{user}@"))
}

/// Each table of a schema that has rows of tenants, with how many there are.
async fn tables(admin: &Asking, schema: &str) -> BTreeMap<String, i64> {
    let which = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relrowsecurity";
    let mut tables = BTreeMap::new();
    for row in admin.client.query(which, &[&schema]).await.unwrap() {
        let table: String = row.get(0);
        let rows = admin.number(&format!("SELECT count(*) FROM {schema}.{table}")).await;
        tables.insert(table, rows);
    }
    tables
}

/// A stream of everything, in each of both units.
async fn fill(store: &PostgresStore) {
    let table = Table { name: "links.1", generation: 0 };
    for tenant in [A, B] {
        let stream = StreamId { tenant, ..stream(7) };
        store.append(command(stream, 0, 1)).await.unwrap();
        let body = "{}".to_owned();
        let snapshot = Snapshot { stream, version: Version(1), schema: 1, body: body.clone(), phi: None };
        store.save(snapshot).await.unwrap();
        let holder = Holder { process: Uuid::from_u128(5), address: String::new() };
        store.take(tenant, stream.id, Epoch(0), holder, DECIDED).await.unwrap();
        let row = Row { key: "key".into(), body, phi: None };
        let at = store.partitions()[usize::from(tenant == B)];
        store.apply(table, at, Position(0), Position(1), vec![Change::Put { tenant, row }]).await.unwrap();
    }
}

async fn fill_keys(ring: &PostgresKeyring) {
    for tenant in [A, B] {
        let (kek, wrapped, at) = ("kek".to_owned(), vec![1; 60], DECIDED);
        let key = TenantKey { tenant, version: 1, kek, wrapped: wrapped.clone(), at };
        assert_eq!(ring.add_tenant_key(key).await, Ok(true));
        let key = |scope| DataKey {
            tenant,
            scope: Uuid::from_u128(scope),
            version: 1,
            wrapped: wrapped.clone(),
            at,
        };
        ring.settle(vec![key(1), key(2)]).await.unwrap();
        let shred = Shred { tenant, scope: Uuid::from_u128(2), reason: "asked for".into(), at };
        assert_eq!(ring.shred(shred).await, Ok(Shredding::Done));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_processes_role_sees_and_writes_rows_of_the_tenant_it_names_and_no_others() {
    let server = Postgres::start(false);
    fill(&PostgresStore::open(&config(&server, "events"), &Registry::new()).await.unwrap()).await;
    let admin = asking(&server.url()).await;
    admin.sql(&format!("CREATE ROLE app LOGIN NOINHERIT; GRANT {TENANT} TO app")).await;
    let all = tables(&admin, "events").await;
    assert!(all.len() == 9 && all.values().all(|rows| *rows == 2), "{all:?}");
    let app = asking(&as_user(&server, "app")).await;
    // Logged in, it may do nothing; and not what a fleet does.
    assert_eq!(app.refused("SELECT 1 FROM events.streams").await, SqlState::INSUFFICIENT_PRIVILEGE);
    assert_eq!(app.refused(&format!("SET ROLE {FLEET}")).await, SqlState::INSUFFICIENT_PRIVILEGE);
    app.sql(&format!("SET ROLE {TENANT}; SET search_path = events")).await;
    // It only adds to the outbox: for looking, as the others.
    admin.sql(&format!("GRANT SELECT ON events.outbox TO {TENANT}")).await;

    let seen = async |table: &str| app.number(&format!("SELECT count(*) FROM {table}")).await;
    for table in all.keys() {
        assert_eq!(seen(table).await, 0, "{table} before any tenant was named");
    }
    let begin = |tenants: &str| format!("BEGIN; SET LOCAL telehealth.tenants = '{tenants}'");
    for (tenants, rows) in [(A.to_string(), 1), (format!("{A},{B}"), 2), (String::new(), 0)] {
        app.sql(&begin(&tenants)).await;
        for table in all.keys() {
            assert_eq!(seen(table).await, rows, "{table} for {tenants}");
        }
        app.sql("COMMIT").await;
        for table in all.keys() {
            assert_eq!(seen(table).await, 0, "{table} after the transaction");
        }
    }

    let of_b = admin.number(&format!("SELECT number FROM events.streams WHERE tenant = '{B}'")).await;
    for sql in [
        format!("INSERT INTO streams VALUES (99, '{B}', 'visit', '{A}', 1)"),
        format!("INSERT INTO events VALUES (0, 99, {of_b}, 9, 'noted', 1, '{{}}', NULL, 0, NULL)"),
        // Of a stream that nobody has.
        "INSERT INTO events VALUES (0, 99, 98, 9, 'noted', 1, '{}', NULL, 0, NULL)".to_owned(),
        format!("INSERT INTO commands VALUES ({of_b}, '{A}', 1, NULL)"),
        format!("INSERT INTO outbox VALUES (0, 99, '{B}', 'visit.noted', '{{}}', 0)"),
        format!("INSERT INTO audit_ends VALUES ('{B}', 9, 1)"),
        format!("INSERT INTO audit VALUES ('{B}', 9, 1, 0, 'read', NULL, NULL, '{{}}', NULL)"),
        format!("INSERT INTO owners VALUES ('{B}', '{A}', 1, '{A}', 0)"),
        format!(
            "INSERT INTO snapshots VALUES ({of_b}, 9, 1, '{{}}') ON CONFLICT (stream) DO UPDATE SET version = 9"
        ),
        format!("INSERT INTO table_rows VALUES ('links.1', 1, '{B}', 'key', '{{}}')"),
        // Nor does a row go over to another unit.
        format!("UPDATE owners SET tenant = '{B}', scope = '{A}'"),
        format!("UPDATE table_rows SET tenant = '{B}', key = 'other'"),
        // And nobody who runs changes history or the audit trail, not even their own.
        "UPDATE events SET body = '{}'".to_owned(),
        "DELETE FROM events".to_owned(),
        "UPDATE audit SET body = '{}'".to_owned(),
        "DELETE FROM streams".to_owned(),
        "TRUNCATE table_rows".to_owned(),
        "ALTER TABLE events DISABLE ROW LEVEL SECURITY".to_owned(),
        "CREATE TABLE mine (n int)".to_owned(),
    ] {
        app.sql(&begin(&A.to_string())).await;
        assert_eq!(app.refused(&sql).await, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
        app.sql("ROLLBACK").await;
    }
    // Rows of the audit trail go when they are older than six years, and before that the database keeps them.
    let audited = "SELECT count(*) FROM events.audit";
    app.sql(&begin(&A.to_string())).await;
    assert_eq!(app.client.execute("DELETE FROM audit", &[]).await.unwrap(), 0, "too young");
    app.sql("ROLLBACK").await;
    let day_of = |days: u64| {
        format!(
            "UPDATE events.audit SET at = (extract(epoch FROM now()) * 1000)::bigint - {days}::bigint * 86400000 - 1000"
        )
    };
    for (days, gone) in [(2_191, 0), (2_192, 1)] {
        admin.sql(&day_of(days)).await;
        app.sql(&begin(&A.to_string())).await;
        assert_eq!(app.client.execute("DELETE FROM audit", &[]).await.unwrap(), gone, "{days} days");
        app.sql("ROLLBACK").await;
    }
    assert_eq!(admin.number(audited).await, 2);
    app.sql(&begin(&A.to_string())).await;
    for sql in [
        "UPDATE streams SET version = 9",
        "UPDATE audit_ends SET number = 9",
        "UPDATE owners SET epoch = 9",
        "UPDATE snapshots SET version = 9",
        "UPDATE table_rows SET body = 'x'",
        "DELETE FROM table_rows",
    ] {
        assert_eq!(app.client.execute(sql, &[]).await.unwrap(), 1, "{sql}");
        let b = sql.to_owned() + " WHERE true";
        assert!(app.client.execute(&b, &[]).await.unwrap() <= 1, "{sql}");
    }
    app.sql("COMMIT").await;
    assert_eq!(
        admin.number(&format!("SELECT count(*) FROM events.table_rows WHERE tenant = '{B}'")).await,
        1
    );
    assert_eq!(admin.number(&format!("SELECT epoch FROM events.owners WHERE tenant = '{B}'")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fleets_role_does_over_all_tenants_what_it_must_and_nothing_else() {
    let server = Postgres::start(false);
    fill(&PostgresStore::open(&config(&server, "events"), &Registry::new()).await.unwrap()).await;
    fill_keys(&PostgresKeyring::open(&config(&server, "events_keys")).await.unwrap()).await;
    let admin = asking(&server.url()).await;
    admin
        .sql(&format!("CREATE ROLE app LOGIN NOINHERIT; GRANT {FLEET}, telehealth_events_keys_fleet TO app"))
        .await;
    let app = asking(&as_user(&server, "app")).await;
    app.sql(&format!("SET ROLE {FLEET}; SET search_path = events")).await;
    for table in ["streams", "events", "outbox", "audit_ends", "owners"] {
        assert_eq!(app.number(&format!("SELECT count(*) FROM {table}")).await, 2, "{table}");
    }
    for sql in [
        "SELECT body FROM audit",
        "SELECT answer FROM commands",
        "SELECT body FROM snapshots",
        "SELECT body FROM table_rows",
        "UPDATE events SET body = '{}'",
        "UPDATE outbox SET body = '{}'",
        "UPDATE owners SET epoch = 9",
        "INSERT INTO outbox SELECT partition, position + 9, tenant, subject, body, at FROM outbox",
        "DELETE FROM events",
        "DELETE FROM audit_ends",
        "DELETE FROM audit",
    ] {
        assert_eq!(app.refused(sql).await, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
    app.sql("RESET ROLE; SET ROLE telehealth_events_keys_fleet; SET search_path = events_keys").await;
    assert_eq!(app.number("SELECT count(version) FROM tenant_keys").await, 2);
    assert_eq!(app.number("SELECT count(scope) FROM data_keys").await, 2, "what was erased, and no more");
    for sql in ["SELECT wrapped FROM tenant_keys", "SELECT wrapped FROM data_keys", "DELETE FROM data_keys"] {
        assert_eq!(app.refused(sql).await, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
    app.sql("RESET ROLE").await;
    admin.sql("GRANT telehealth_events_keys_tenant TO app").await;
    app.sql("SET ROLE telehealth_events_keys_tenant").await;
    for (tenants, keys) in [(String::new(), 0), (A.to_string(), 2), (format!("{A},{B}"), 4)] {
        app.sql(&format!("BEGIN; SET LOCAL telehealth.tenants = '{tenants}'")).await;
        assert_eq!(app.number("SELECT count(wrapped) + count(shredded) FROM data_keys").await, keys);
        assert_eq!(app.number("SELECT 2 * count(wrapped) FROM tenant_keys").await, keys);
        app.sql("ROLLBACK").await;
    }
    app.sql(&format!("BEGIN; SET LOCAL telehealth.tenants = '{A}'")).await;
    let foreign = format!("INSERT INTO tenant_keys VALUES ('{B}', 2, 'kek', '', 0)");
    assert_eq!(app.refused(&foreign).await, SqlState::INSUFFICIENT_PRIVILEGE);
}

/// What has a tenant is kept apart; what has none is listed here, so that a new table is thought about.
#[tokio::test(flavor = "multi_thread")]
async fn each_table_is_kept_apart_or_is_known_to_be_nobodys() {
    let server = Postgres::start(false);
    drop(PostgresStore::open(&config(&server, "events"), &Registry::new()).await.unwrap());
    drop(PostgresKeyring::open(&config(&server, "events_keys")).await.unwrap());
    let nobodys = ["ends", "tables", "places", "migrations", "migration_lease", "shredding"];
    let admin = asking(&server.url()).await;
    let tables = "SELECT t.table_name::text, c.relrowsecurity AND c.relforcerowsecurity, \
        (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid), \
        EXISTS (SELECT 1 FROM information_schema.columns i WHERE i.table_schema = t.table_schema AND i.table_name = t.table_name AND i.column_name = 'tenant') \
        FROM information_schema.tables t JOIN pg_class c ON c.oid = format('%I.%I', t.table_schema, t.table_name)::regclass \
        WHERE t.table_schema NOT IN ('pg_catalog', 'information_schema')";
    let rows = admin.client.query(tables, &[]).await.unwrap();
    assert!(rows.len() > 15, "{}", rows.len());
    for row in rows {
        let (table, forced, policies, has_tenant): (String, bool, i64, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        if nobodys.contains(&table.as_str()) {
            assert!(!has_tenant, "{table} has rows of tenants");
        } else {
            assert!(forced && policies > 0, "{table}: row-level security is not forced");
        }
    }
    // And no policy is for everybody, nor does anybody else have a right.
    let open = "SELECT count(*) FROM pg_policy WHERE 0 = ANY (polroles)";
    assert_eq!(admin.number(open).await, 0);
    let others = "SELECT count(*) FROM information_schema.role_table_grants WHERE table_schema LIKE 'events%' \
        AND grantee NOT LIKE 'telehealth%' AND grantee <> 'postgres'";
    assert_eq!(admin.number(others).await, 0);
    let strong = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'telehealth%' AND (rolsuper OR rolbypassrls \
        OR rolcreaterole OR rolcreatedb OR rolreplication OR rolcanlogin \
        OR EXISTS (SELECT 1 FROM pg_class WHERE relowner = pg_roles.oid))";
    assert_eq!(admin.number(strong).await, 0);
    assert_eq!(admin.number("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'telehealth%'").await, 4);
}

/// An owner who is no superuser, and processes that own nothing: all that stores do, they can.
async fn as_in_production(server: &Postgres) -> impl Fn(&str) -> Config {
    let admin = asking(&server.url()).await;
    admin.sql("CREATE ROLE owner LOGIN CREATEROLE; GRANT CREATE ON DATABASE postgres TO owner").await;
    admin.sql("CREATE ROLE app LOGIN NOINHERIT").await;
    let (owner, app) = (as_user(server, "owner"), as_user(server, "app"));
    move |schema| Config {
        url: app.clone().into(),
        owner: Some(owner.clone().into()),
        schema: schema.to_owned(),
        ca_file: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_own_nothing_do_all_that_a_store_does_once_the_owner_has_migrated() {
    let server = Postgres::start(false);
    let of = as_in_production(&server).await;
    let serving = |schema: &str| Config { owner: None, ..of(schema) };
    let error = PostgresStore::open(&serving("events"), &Registry::new()).await.unwrap_err();
    assert!(matches!(error, Error::NotMigrated), "{error}");
    PostgresStore::migrate(&of("events")).await.unwrap();
    PostgresStore::migrate(&of("events")).await.unwrap();
    PostgresKeyring::migrate(&of("events_keys")).await.unwrap();
    let store = PostgresStore::open(&serving("events"), &Registry::new()).await.unwrap();
    conformance(Arc::new(store)).await;
    let ring = PostgresKeyring::open(&serving("events_keys")).await.unwrap();
    testkit::vault::conformance(Arc::new(ring)).await;
    // Nor does the owner see any of it.
    let owner = asking(&as_user(&server, "owner")).await;
    let admin = asking(&server.url()).await;
    for schema in ["events", "events_keys"] {
        for (table, rows) in tables(&admin, schema).await {
            assert_eq!(owner.number(&format!("SELECT count(*) FROM {schema}.{table}")).await, 0, "{table}");
            assert!(rows > 0, "{table}");
        }
    }
    // A step that was not done is missed.
    admin.sql("DELETE FROM events.migrations WHERE number >= 3").await;
    let error = PostgresStore::open(&serving("events"), &Registry::new()).await.unwrap_err();
    assert!(matches!(error, Error::NotMigrated), "{error}");
}

/// One URL, as in development: whoever it is makes everything, and works as the roles.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_alone_makes_the_roles_and_works_as_them() {
    let server = Postgres::start(false);
    let of = as_in_production(&server).await;
    let alone = Config { url: as_user(&server, "owner").into(), owner: None, ..of("events") };
    let mut opening = JoinSet::new();
    for _ in 0..4 {
        let alone = alone.clone();
        opening.spawn(async move { PostgresStore::open(&alone, &Registry::new()).await.unwrap() });
    }
    let store = opening.join_all().await.remove(0);
    fill(&store).await;
    let owner = asking(&as_user(&server, "owner")).await;
    assert_eq!(owner.number("SELECT count(*) FROM events.events").await, 0);
    for tenant in [A, B] {
        let stream = StreamId { tenant, ..stream(7) };
        assert_eq!(store.read(stream, Version(0), 10, Moment::NOW).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_policies_do_not_hold_for_are_refused() {
    let server = Postgres::start(false);
    drop(PostgresStore::open(&config(&server, "events"), &Registry::new()).await.unwrap());
    let admin = asking(&server.url()).await;
    for (spoil, mend) in [
        (format!("ALTER ROLE {TENANT} BYPASSRLS"), format!("ALTER ROLE {TENANT} NOBYPASSRLS")),
        (format!("ALTER ROLE {FLEET} SUPERUSER"), format!("ALTER ROLE {FLEET} NOSUPERUSER")),
        (
            format!("ALTER TABLE events.ends OWNER TO {TENANT}"),
            "ALTER TABLE events.ends OWNER TO postgres".into(),
        ),
    ] {
        admin.sql(&spoil).await;
        let error = PostgresStore::open(&config(&server, "events"), &Registry::new()).await.unwrap_err();
        assert!(matches!(error, Error::Role { .. }), "{spoil}: {error}");
        admin.sql(&mend).await;
    }
    // Who may make no roles says so.
    admin
        .sql("CREATE ROLE plain LOGIN; GRANT CREATE ON DATABASE postgres TO plain; CREATE ROLE app LOGIN")
        .await;
    let plain = Config { url: as_user(&server, "plain").into(), ..config(&server, "other") };
    let error = PostgresStore::open(&plain, &Registry::new()).await.unwrap_err();
    assert!(matches!(&error, Error::Role { name, .. } if name == "telehealth_other_tenant"), "{error}");
    // So does who is not let in.
    admin.sql(&format!("GRANT {FLEET} TO app")).await;
    let app = Config { url: as_user(&server, "app").into(), ..config(&server, "events") };
    let error = PostgresStore::open(&app, &Registry::new()).await.unwrap_err();
    assert!(matches!(&error, Error::Role { name, .. } if name == TENANT), "{error}");
}

/// An older program works as the owner: it goes on until it is stopped, and only then is the owner held to the policies.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_process_goes_on_while_a_newer_one_has_migrated() {
    let server = Postgres::start(false);
    let of = as_in_production(&server).await;
    let alone = Config { url: as_user(&server, "owner").into(), owner: None, ..of("events") };
    let older = asking(&format!("{}?application_name=telehealth", as_user(&server, "owner"))).await;
    let store = PostgresStore::open(&alone, &Registry::new()).await.unwrap();
    fill(&store).await;
    older.sql("SET search_path = events").await;
    assert_eq!(older.number("SELECT count(*) FROM events").await, 2);
    let change = format!("UPDATE owners SET epoch = 2 WHERE tenant = '{B}'");
    assert_eq!(older.client.execute(&change, &[]).await.unwrap(), 1);
    drop(older);
    let admin = asking(&server.url()).await;
    let gone = async || {
        admin.number("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'telehealth'").await == 0
    };
    eventually("it to be gone", gone).await;
    let next = PostgresStore::open(&alone, &Registry::new()).await.unwrap();
    let owner = asking(&as_user(&server, "owner")).await;
    assert_eq!(owner.number("SELECT count(*) FROM events.events").await, 0);
    // Both of the newer ones write on.
    for (store, expected) in [(&store, 1), (&next, 2)] {
        store
            .append(command(StreamId { tenant: A, ..stream(7) }, expected, 1 + u128::from(expected)))
            .await
            .unwrap();
    }
    // From now on an older one does not start.
    assert_eq!(
        admin.number("SELECT count(*) FROM events.migrations WHERE NOT additive AND number = 5").await,
        1
    );
}

/// Appends of many tenants share a commit, and each sees its own streams, commands and owners only.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_share_commits_and_nothing_else() {
    let server = Postgres::start(false);
    let store = Arc::new(PostgresStore::open(&config(&server, "events"), &Registry::new()).await.unwrap());
    let of = |tenant: u128| StreamId { tenant: TenantId(Uuid::from_u128(tenant)), ..stream(1) };
    let mut tasks = JoinSet::new();
    for tenant in 1..=200 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for n in 0..5 {
                store.append(command(of(tenant), n, u128::from(n))).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    for tenant in 1..=200 {
        assert_eq!(store.read(of(tenant), Version(0), 10, Moment::NOW).await.unwrap().len(), 5);
        // The same id under another tenant is another stream.
        let conflict = store.append(command(of(tenant), 0, 99)).await.unwrap_err();
        assert_eq!(conflict, AppendError::Rejected(Refusal::Conflict { actual: Version(5) }));
    }
}
