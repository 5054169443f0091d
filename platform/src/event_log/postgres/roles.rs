//! As whom the database is asked, and for whom: PostgreSQL itself keeps healthcare units apart (row-level security).
//!
//! ```text
//! role        how a transaction begins                       what it may see and do
//! tenant      SET LOCAL telehealth.tenants = 'id,id'         rows of these tenants; without it, nothing
//! fleet       SET LOCAL ROLE telehealth_events_fleet         of all tenants, only what a fleet does over all of them
//! owner       only to migrate                                nothing of the rows: policies are forced on it too
//! ```
//!
//! The first two can neither log in nor pass over policies, and own nothing; the user of the URL is a member of both. A
//! connection is the tenant role from its beginning, and belongs to no tenant between transactions.

use super::{
    Config, Error,
    connect::{Connect, Link},
    schema::{self, Migration},
};
use crate::limits::MAX_SCHEMA_NAME;
use model::TenantId;
use std::{collections::BTreeSet, fmt::Write as _};
use tokio_postgres::{Client, error::SqlState};

/// Whose rows a transaction is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Theirs, and nobody else's.
    Of(BTreeSet<TenantId>),
    /// Everybody's: for what docs/postgresql.md lists, as the fleet's role.
    All,
}

impl Whose {
    /// One tenant's.
    pub(crate) fn one(tenant: TenantId) -> Self {
        Self::Of(BTreeSet::from([tenant]))
    }

    /// Those of several tenants.
    pub(crate) fn of(tenants: impl IntoIterator<Item = TenantId>) -> Self {
        Self::Of(tenants.into_iter().collect())
    }
}

/// The names of a schema's roles.
#[derive(Clone, Debug)]
pub(crate) struct Roles {
    schema: String,
    pub(crate) tenant: String,
    pub(crate) fleet: String,
}

impl Roles {
    /// # Errors
    /// The schema's name is not `[a-z_]{1,40}`: it stands in SQL, and in names of at most 63 bytes.
    pub(crate) fn of(schema: &str) -> Result<Self, Error> {
        let name = |c: char| c.is_ascii_lowercase() || c == '_';
        if schema.is_empty() || schema.len() > MAX_SCHEMA_NAME || !schema.chars().all(name) {
            return Err(Error::Config("the schema's name is not of a-z and _, or longer than 40"));
        }
        Ok(Self {
            schema: schema.to_owned(),
            tenant: format!("telehealth_{schema}_tenant"),
            fleet: format!("telehealth_{schema}_fleet"),
        })
    }

    /// How a transaction begins.
    pub(crate) fn begin(&self, whose: &Whose) -> String {
        let tenants = match whose {
            Whose::All => return format!("BEGIN; SET LOCAL ROLE {}", self.fleet),
            Whose::Of(tenants) => tenants,
        };
        let mut sql = "BEGIN; SET LOCAL telehealth.tenants = '".to_owned();
        for (n, tenant) in tenants.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            // Ids are hexadecimal digits and hyphens. Writing into a string does not fail.
            let _ = write!(sql, "{comma}{}", tenant.0);
        }
        sql.push('\'');
        sql
    }

    /// A migration's text with the names filled in.
    pub(crate) fn fill(&self, sql: &str) -> String {
        sql.replace("{schema}", &self.schema)
            .replace("{tenant}", &self.tenant)
            .replace("{fleet}", &self.fleet)
    }
}

/// Brings a schema to this program's version if it may, and says how to connect to it.
///
/// # Errors
/// By variant of [`Error`].
pub(crate) async fn open(config: &Config, migrations: &[Migration]) -> Result<Connect, Error> {
    let connect = Connect::new(config)?;
    if may_migrate(config).await? {
        migrate(config, migrations).await?;
        check(&connect).await?;
    } else {
        let link = check(&connect).await?;
        schema::is_migrated(&link.client, migrations).await?;
    }
    Ok(connect)
}

/// Brings a schema to this program's version, as its owner, and makes the roles that processes need.
///
/// # Errors
/// By variant of [`Error`].
pub(crate) async fn migrate(config: &Config, migrations: &[Migration]) -> Result<(), Error> {
    let roles = Roles::of(&config.schema)?;
    let owner = Connect::owner(config)?;
    let mut link = owner.link().await?;
    let user = match &config.owner {
        None => link.client.query_one("SELECT session_user::text", &[]).await?.try_get(0)?,
        Some(_) => Connect::new(config)?.user().ok_or(Error::Config("the URL names no user"))?,
    };
    for role in [&roles.tenant, &roles.fleet] {
        make(&link.client, role).await?;
        let_in(&link.client, role, &user).await?;
    }
    schema::apply(&mut link.client, &roles, crate::ids::fresh(), migrations).await
}

/// Whether the one URL there is belongs to who made the schema, or nobody has made it.
async fn may_migrate(config: &Config) -> Result<bool, Error> {
    if config.owner.is_some() {
        return Ok(true);
    }
    let link = Connect::owner(config)?.link().await?;
    let owns = "SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = $1 AND c.relname = 'migrations'";
    if let Some(row) = link.client.query_opt(owns, &[&config.schema]).await? {
        return Ok(row.try_get(0)?);
    }
    let may = "SELECT has_database_privilege(current_database(), 'CREATE')";
    match link.client.query_one(may, &[]).await?.try_get(0)? {
        true => Ok(true),
        false => Err(Error::NotMigrated),
    }
}

/// Processes that start at once make a role together.
const TRIES: u32 = 10;

async fn make(client: &Client, role: &str) -> Result<(), Error> {
    let exists = "SELECT 1 FROM pg_roles WHERE rolname = $1";
    let sql = format!(
        "CREATE ROLE {role} NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    );
    for _ in 0..TRIES {
        if client.query_opt(exists, &[&role]).await?.is_some() {
            return Ok(());
        }
        match client.batch_execute(&sql).await {
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                return Err(Error::Role { name: role.to_owned(), why: "is not there, and may not be made" });
            }
            Err(error) if error.code().is_none() => return Err(error.into()),
            _ => {}
        }
    }
    Err(Error::Role { name: role.to_owned(), why: "is not there, and cannot be made" })
}

/// Makes the user of the processes a member of a role.
async fn let_in(client: &Client, role: &str, user: &str) -> Result<(), Error> {
    let unknown = || Error::Role { name: user.to_owned(), why: "is not a user of the database" };
    let there = "SELECT 1 FROM pg_roles WHERE rolname = $1";
    if client.query_opt(there, &[&user]).await?.is_none() {
        return Err(unknown());
    }
    let member = "SELECT pg_has_role($1::name, $2::name, 'MEMBER')";
    let sql = format!("GRANT {role} TO \"{}\"", user.replace('"', "\"\""));
    for _ in 0..TRIES {
        if client.query_one(member, &[&user, &role]).await?.try_get(0)? {
            return Ok(());
        }
        match client.batch_execute(&sql).await {
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => break,
            Err(error) if error.code().is_none() => return Err(error.into()),
            _ => {}
        }
    }
    Err(Error::Role { name: role.to_owned(), why: "has not got the processes' user as a member" })
}

/// A connection as processes have them, which is refused if policies would not hold for it.
async fn check(connect: &Connect) -> Result<Link, Error> {
    let refuse = |name: &str, why| Err(Error::Role { name: name.to_owned(), why });
    let link = match connect.link().await {
        Err(Error::Database(error)) if error.code().is_some_and(is_about_a_role) => {
            return refuse(
                &connect.roles().tenant,
                "is not there, or the processes' user is no member of it",
            );
        }
        link => link?,
    };
    let free = "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcanlogin, \
        EXISTS (SELECT 1 FROM pg_class WHERE relowner = r.oid) \
        FROM pg_roles r WHERE rolname = $1";
    for role in [&connect.roles().tenant, &connect.roles().fleet] {
        let Some(row) = link.client.query_opt(free, &[&role]).await? else {
            return refuse(role, "is not there");
        };
        if row.try_get(0)? || row.try_get(1)? {
            return refuse(
                role,
                "may do more than it must, or owns something: policies would not hold for it",
            );
        }
    }
    Ok(link)
}

/// The role is missing, or the user is no member of it.
fn is_about_a_role(code: &SqlState) -> bool {
    [SqlState::INVALID_PARAMETER_VALUE, SqlState::UNDEFINED_OBJECT, SqlState::INSUFFICIENT_PRIVILEGE]
        .contains(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_transaction_says_whose_it_is() {
        let roles = Roles::of("events").unwrap();
        let (one, two) = (TenantId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(2)));
        let set = "BEGIN; SET LOCAL telehealth.tenants = ";
        assert_eq!(
            roles.begin(&Whose::of([two, one, two])),
            format!("{set}'00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002'")
        );
        assert_eq!(roles.begin(&Whose::one(one)), format!("{set}'00000000-0000-0000-0000-000000000001'"));
        assert_eq!(roles.begin(&Whose::of([])), format!("{set}''"));
        assert_eq!(roles.begin(&Whose::All), "BEGIN; SET LOCAL ROLE telehealth_events_fleet");
    }

    #[test]
    fn a_schemas_name_leaves_room_for_its_roles() {
        let longest = "x".repeat(MAX_SCHEMA_NAME);
        let roles = Roles::of(&longest).unwrap();
        assert!(roles.tenant.len() <= 63 && roles.fleet.len() <= 63);
        for bad in [format!("{longest}x"), String::new(), "Events".into(), "e;".into(), "e1".into()] {
            assert!(Roles::of(&bad).is_err(), "{bad}");
        }
    }
}
