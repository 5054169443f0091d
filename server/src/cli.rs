//! The command line. Flags outweigh the environment, which outweighs the file.

use crate::roles::Role;
use clap::{Args, Parser, Subcommand};
use std::{path::PathBuf, time::Duration};

/// A telehealth platform in one process: waiting room, signaling, media.
#[derive(Parser, Debug)]
#[command(name = "telehealth", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Runs every role in this process.
    Serve(Serve),
    /// Checks the configuration, ports, addresses, keys and data directory, and says what to mend.
    Doctor(Common),
    /// Brings the schemas in PostgreSQL to this version, and makes the roles that processes work as, before these are started.
    Migrate(Common),
    /// Copies the event log, also while the server runs, into a file that is not there yet, and checks the copy.
    Backup(Backup),
    /// Puts a backup in the place of an event log that is gone. The server must not run.
    Restore(Backup),
    /// Shows what this process acknowledged while the database was away and could not be recorded, and deals with it.
    Journal(Journal),
    /// Looks after the keys that names and words of patients are encrypted with, and those that sign tokens.
    Keys(Keys),
    /// Shows and changes which healthcare units this server serves: docs/tenancy.md.
    Units(Units),
    /// Exports the audit trail, and says whether it is what was sealed.
    Audit(Audit),
    /// Prints WHIP and WHEP links with tokens, one JSON object per participant.
    Token(Token),
}

/// What every command takes.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Common {
    /// Configuration in TOML; config/example.toml explains each key.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where keys, events and certificates live.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// What this process does, of `portal`, `signaling` and `sfu`; all of it by default.
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    pub(crate) roles: Vec<Role>,
    /// Where pages and signaling listen: `localhost:8080`, `192.0.2.1:443`, `[::]:443`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// Where metrics and health listen.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics_listen: Option<String>,
    /// UDP and TCP port of the first media shard; 0 picks a free one.
    #[arg(long, value_name = "PORT")]
    pub(crate) media_port: Option<u16>,
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Opens a demonstration clinic and prints two links: one for the clinician, one for a patient.
    #[arg(long)]
    pub(crate) demo: bool,
    /// How many waiting rooms the demonstration clinic has: for load tests, which read their links from the
    /// ready file.
    #[arg(long, value_name = "N", hide = true, default_value_t = 1, requires = "demo", value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::limits::MAX_DEMO_ROOMS)))]
    pub(crate) demo_rooms: u32,
    /// How many healthcare units the demonstration has: the second is found at `unit-2.localhost`, and so on.
    #[arg(long, value_name = "N", hide = true, default_value_t = 1, requires = "demo", value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::limits::MAX_DEMO_UNITS)))]
    pub(crate) demo_units: u32,
    /// Lets phones on this network join: makes a certificate, listens on every address, shows a QR code.
    #[arg(long)]
    pub(crate) lan: bool,
    /// Writes the addresses and links as JSON to this file once everything is ready: for tools.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Backup {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The backup. Keys are not in it: keep copies of the data directory's `keys` and `keys.sqlite` somewhere else.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Journal {
    #[command(subcommand)]
    pub(crate) what: JournalCommand,
}

/// What is done with parked entries of the local journal.
#[derive(Subcommand, Debug)]
pub(crate) enum JournalCommand {
    /// Lists parked entries: number, visit or waiting room, version, what happened, when, why. Also while the server runs.
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Shows one. Also while the server runs.
    Show {
        #[command(flatten)]
        common: Common,
        /// Its number.
        #[arg(value_name = "NUMBER")]
        seq: u64,
        /// Shows names and words of patients too.
        #[arg(long)]
        phi: bool,
    },
    /// Lets the next start try to record one, and those parked behind it in its stream, once more: for what was refused or
    /// could not be read, after an update. The server must not run.
    Retry {
        #[command(flatten)]
        common: Common,
        /// Its number.
        #[arg(value_name = "NUMBER")]
        seq: u64,
    },
    /// Deletes one that somebody has dealt with. The server must not run.
    Discard {
        #[command(flatten)]
        common: Common,
        /// Its number.
        #[arg(value_name = "NUMBER")]
        seq: u64,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) what: KeysCommand,
}

/// What is done with keys. Each also while servers run.
#[derive(Subcommand, Debug)]
pub(crate) enum KeysCommand {
    /// Shows how the keys of each healthcare unit stand: versions, key encryption keys, how many, how many were destroyed.
    Status {
        #[command(flatten)]
        common: Common,
    },
    /// Lists what was destroyed: number, healthcare unit, id, when (milliseconds since 1970), why. Keep a copy apart from the keyring: after an older
    /// keyring was put back, the same is to be destroyed again.
    Shredded {
        #[command(flatten)]
        common: Common,
    },
    /// Makes a new key for each healthcare unit, and wraps all keys of visits anew under it. Can be cut off and repeated;
    /// servers go on with what is left.
    Rotate {
        #[command(flatten)]
        common: Common,
        /// Makes a new key encryption key first, where these are files, and wraps everything under the present one.
        #[arg(long)]
        kek: bool,
    },
    /// Makes a new key for tokens. It signs after a quarter of an hour, when all processes that share the keys directory know
    /// it; what older ones have signed stays valid until it expires. Every process must be of a version that knows this command.
    RotateTokens {
        #[command(flatten)]
        common: Common,
        /// A key was stolen: the new one signs at once, and all others are deleted. Everybody signs in and joins anew.
        #[arg(long)]
        revoke: bool,
    },
    /// Destroys the key of one visit, waiting room or person's record: its names and words can never be read again.
    Shred {
        #[command(flatten)]
        common: Common,
        /// The healthcare unit.
        #[arg(long, value_name = "ID", default_value_t = crate::wiring::TENANT.0)]
        tenant: uuid::Uuid,
        /// Whose: the id of the visit, waiting room or record.
        #[arg(value_name = "ID")]
        id: uuid::Uuid,
        /// The same once more: there is no way back.
        #[arg(long, value_name = "ID")]
        confirm: uuid::Uuid,
        /// Why, without names: it is kept.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Units {
    #[command(subcommand)]
    pub(crate) what: UnitsCommand,
}

/// What is done with the registry of healthcare units. Each also while servers run, which serve a change within 5 seconds.
#[derive(Subcommand, Debug)]
pub(crate) enum UnitsCommand {
    /// Lists them: id, slug, name, address, host names, time zone, language.
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Adds one, with people, waiting rooms and keys of its own.
    Add {
        #[command(flatten)]
        common: Common,
        /// Its id. Default: a fresh one.
        #[arg(long, value_name = "UUID")]
        id: Option<model::TenantId>,
        /// What people call it.
        #[arg(long)]
        name: String,
        /// What operators call it: a-z, 0-9 and hyphens.
        #[arg(long)]
        slug: String,
        /// Where browsers find it: a host name, without port. Again for more; links begin with the first.
        #[arg(long, value_name = "NAME", required = true)]
        host: Vec<String>,
        /// Its time zone (IANA).
        #[arg(long, value_name = "ZONE", default_value = "UTC")]
        zone: String,
        /// What its pages are in: en or es.
        #[arg(long, default_value_t)]
        language: tenancy::Language,
        /// E-mail address of its first administrator: prints a link for them.
        #[arg(long, value_name = "EMAIL")]
        administrator: Option<String>,
    },
    /// Changes what one is called, its time zone or its language.
    Change {
        #[command(flatten)]
        common: Common,
        /// Its id or slug.
        #[arg(value_name = "UNIT")]
        unit: String,
        /// What people call it.
        #[arg(long)]
        name: Option<String>,
        /// What operators call it.
        #[arg(long)]
        slug: Option<String>,
        /// Its time zone (IANA).
        #[arg(long, value_name = "ZONE")]
        zone: Option<String>,
        /// What its pages are in: en or es.
        #[arg(long)]
        language: Option<tenancy::Language>,
    },
    /// Says where one is found from now on. Links with a host name that is left out work no more.
    Hosts {
        #[command(flatten)]
        common: Common,
        /// Its id or slug.
        #[arg(value_name = "UNIT")]
        unit: String,
        /// All of its host names; links begin with the first.
        #[arg(value_name = "NAME")]
        host: Vec<String>,
    },
    /// Prints a link for an administrator of one, until they have joined.
    Administrator {
        #[command(flatten)]
        common: Common,
        /// Its id or slug.
        #[arg(value_name = "UNIT")]
        unit: String,
        /// Their e-mail address.
        #[arg(value_name = "EMAIL")]
        email: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) what: AuditCommand,
}

/// What is done with the audit trail: docs/audit.md.
#[derive(Subcommand, Debug)]
pub(crate) enum AuditCommand {
    /// Writes rows, seals and public keys of a tenant into a file. Also while the server runs.
    Export {
        #[command(flatten)]
        common: Common,
        /// Whose. Default: the one that an embedded server serves.
        #[arg(long, value_name = "UUID")]
        tenant: Option<model::TenantId>,
        /// A file that is not there yet. It holds PHI as the event log does.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Says whether an export is what was sealed: exit code 0 if it is, 1 if it was tampered with, 2 if it cannot be
    /// read. Needs no server.
    Verify {
        /// The export.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A copy from the second place, or an earlier export: without it, rows that were cut off at the end together
        /// with their seals do not show. Again for more.
        #[arg(long = "anchor", value_name = "FILE")]
        anchors: Vec<PathBuf>,
        /// The public keys, as `telehealth audit keys` prints them, got in another way than the export.
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
    },
    /// Prints an export's rows as JSON, one a line, without PHI. Needs no server.
    Show {
        /// The export.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Prunes rows that are older than `audit.retention_days`, sealed, in the second place if there is one, and under no legal
    /// hold. Servers do that by themselves once a day; on SQLite none may run. Exit code 1: some rows are not what was sealed.
    Prune {
        #[command(flatten)]
        common: Common,
    },
    /// Prints the public keys that seals are verified with.
    Keys {
        #[command(flatten)]
        common: Common,
    },
    /// Makes another key for seals. Every process of a fleet is to be restarted within a day.
    RotateKey {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Token {
    #[command(flatten)]
    pub(crate) common: Common,
    /// How many rooms.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::limits::MAX_TOKEN_ROOMS)))]
    pub(crate) rooms: u32,
    /// How many participants in each.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::limits::MAX_TOKEN_PARTICIPANTS)))]
    pub(crate) participants: u32,
    /// How long the tokens are valid: `90s`, `30m`, `1h`, `7d`.
    #[arg(long, default_value = "1h", value_parser = lifetime)]
    pub(crate) ttl: Duration,
    /// Where the server is. Default: what the configuration says.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Of which healthcare unit. Default: the one that is always there.
    #[arg(long, value_name = "UUID", default_value_t = crate::wiring::TENANT)]
    pub(crate) tenant: model::TenantId,
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let bad = || "write a number and a unit: 90s, 30m, 1h or 7d".to_owned();
    let unit = text.chars().next_back().ok_or_else(bad)?;
    let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| bad())?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(bad()),
    };
    let ttl = Duration::from_secs(number.checked_mul(seconds).ok_or_else(bad)?);
    if ttl.is_zero() || ttl > crate::limits::MAX_TOKEN_TTL {
        return Err("between 1s and 30d".to_owned());
    }
    Ok(ttl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lifetimes_are_a_number_and_a_unit_within_bounds() {
        assert_eq!(lifetime("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(lifetime("1h"), Ok(Duration::from_secs(3_600)));
        assert_eq!(lifetime("30d"), Ok(crate::limits::MAX_TOKEN_TTL));
        for bad in
            ["", "h", "1", "1y", "-1h", "1é", "0s", "31d", "99999999999999999999d", "18446744073709551615d"]
        {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }
}
