//! `telehealth audit`: the audit trail for an auditor, and whether it is what was sealed.

use crate::{
    broken_output,
    cli::{AuditCommand, Common},
    config::{self, Config},
    failure::Failure,
    plan,
    units::Opening,
    wiring::{self, EVENTS, TENANT, keys_dir},
};
use model::{TenantId, Timestamp};
use platform::{
    audit::{
        PublicKeys, Signer,
        chain::Canonical,
        export::{ExportError, Exported, export},
        file::{Unreadable, for_each_row},
        prune::{Kept, Outcome},
        verify::{Anchors, Report, report::Utc, verify},
    },
    clock::{Clock, SystemClock},
    event_log::{
        EventStore as _,
        postgres::PostgresStore,
        sqlite::{self, ReadOnly},
    },
    keys::Keys,
};
use prometheus::Registry;
use serde_json::json;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

/// Does what was asked. What cannot be read ends with 2, what was tampered with with 1.
///
/// # Errors
/// One line that says why nothing was done.
pub(crate) fn run(out: &mut impl Write, what: &AuditCommand) -> Result<ExitCode, Failure> {
    match what {
        AuditCommand::Export { common, tenant, out: file } => {
            export_to(out, common, tenant.unwrap_or(TENANT), file)
        }
        AuditCommand::Verify { file, anchors, keys } => verify_file(out, file, anchors, keys.as_deref()),
        AuditCommand::Prune { common } => prune(out, common),
        AuditCommand::Show { file } => show(out, file).map(|()| ExitCode::SUCCESS),
        AuditCommand::Keys { common } => {
            let keys = public_keys(&config::load(common)?)?;
            write!(out, "{keys}").map_err(broken_output)?;
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::RotateKey { common } => {
            let dir = keys_dir(&config::load(common)?);
            let signer = Signer::rotate(&dir, SystemClock.now())?;
            writeln!(
                out,
                "from now on {} signs: restart every process within a day, and give auditors `telehealth audit keys`",
                signer.id()
            )
            .map_err(broken_output)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn public_keys(config: &Config) -> Result<PublicKeys, Failure> {
    let dir = keys_dir(config);
    PublicKeys::of_dir(&dir).map_err(|error| {
        Failure::Usage(format!("the public keys in {} cannot be read: {error}", dir.display()))
    })
}

/// Also while the server runs.
fn export_to(
    out: &mut impl Write,
    common: &Common,
    tenant: TenantId,
    path: &Path,
) -> Result<ExitCode, Failure> {
    let config = config::load(common)?;
    let keys = public_keys(&config)?;
    let taken = |error: io::Error| Failure::Usage(format!("cannot write {}: {error}", path.display()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(taken)?;
    let exported = exported(&config, tenant, &keys, BufWriter::new(&file));
    let synced = exported.and_then(|exported| file.sync_all().map(|()| exported).map_err(taken));
    if synced.is_err() {
        // A part of a trail is worse than none.
        let _ = fs::remove_file(path);
    }
    let Exported { chains, seals, rows } = synced?;
    writeln!(out, "exported {rows} rows and {seals} seals of {chains} partitions").map_err(broken_output)?;
    Ok(ExitCode::SUCCESS)
}

fn exported(
    config: &Config,
    tenant: TenantId,
    keys: &PublicKeys,
    to: BufWriter<&File>,
) -> Result<Exported, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Broken(format!("cannot start: {e}")))?;
    let now = SystemClock.now();
    let written = runtime.block_on(async {
        if let Some(postgres) = config.store.postgres() {
            let store = PostgresStore::open(&postgres, &prometheus::Registry::new()).await;
            let store = store.map_err(|error| Failure::Usage(format!("store.postgres: {error}")))?;
            return Ok(export(&store, tenant, keys, now, &store.partitions(), to).await);
        }
        let log = config.data_dir.join(EVENTS);
        let unusable = |error| Failure::Usage(format!("cannot read {}: {error}", log.display()));
        let trail = ReadOnly::open(&log).map_err(unusable)?;
        Ok::<_, Failure>(export(&trail, tenant, keys, now, &sqlite::partitions(), to).await)
    })?;
    Ok(written?.0)
}

/// What a server does once a day.
fn prune(out: &mut impl Write, common: &Common) -> Result<ExitCode, Failure> {
    let (config, url) = plan::guess_url(common)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Broken(format!("cannot start: {e}")))?;
    let outcomes = runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let opened = match wiring::open_store(&config, Arc::clone(&clock), &Registry::new()).await {
            Ok(opened) => opened,
            Err(Opening::InUse) => {
                let running = "a server has the event log open: it prunes by itself, once a day";
                return Err(Failure::Usage(running.to_owned()));
            }
            Err(Opening::Failed(failure)) => return Err(failure),
        };
        let keys = Arc::new(Keys::load_or_create(&keys_dir(&config))?);
        let identity = wiring::identity_of(&config, &opened.store, keys, Arc::clone(&clock), &url)?;
        let pruner = wiring::pruner(&config, opened.raw, identity.holds(), clock)?;
        pruner.look().await.map_err(|_| Failure::Broken("the audit trail cannot be read now".into()))
    })?;
    for outcome in &outcomes {
        tell_pruned(out, outcome).map_err(broken_output)?;
    }
    let broken = outcomes.iter().any(|outcome| matches!(outcome.kept, Kept::Broken(_)));
    let later = outcomes.iter().any(|outcome| outcome.kept == Kept::Later);
    if later && !broken {
        return Err(Failure::Broken("not all of it could be looked at: once more, later".into()));
    }
    Ok(if broken { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn tell_pruned(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    let Outcome { chain, pruned_to, rows, kept } = outcome;
    write!(out, "partition {} of {}: ", chain.partition.0, chain.tenant)?;
    match pruned_to {
        Some(to) => write!(out, "{rows} rows went, up to {to}; ")?,
        None => write!(out, "nothing went; ")?,
    }
    match kept {
        Kept::Time => writeln!(out, "the time of the next is not over"),
        Kept::Held => writeln!(out, "a legal hold keeps the next"),
        Kept::NotCopied => writeln!(out, "the next are not in the second place yet"),
        Kept::Broken(why) => writeln!(out, "STOPPED: {why}. Export and verify"),
        Kept::Later => writeln!(out, "the store did not answer, or another process was faster"),
    }
}

fn verify_file(
    out: &mut impl Write,
    file: &Path,
    anchors: &[PathBuf],
    keys: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let keys =
        keys.map(|path| PublicKeys::read(path).map_err(|error| unreadable(path, &error))).transpose()?;
    let mut known = Anchors::default();
    for path in anchors {
        known.add_file(&open(path)?, keys.as_ref()).map_err(|error| unreadable(path, &error))?;
    }
    if known.unproven() > 0 {
        return Err(Failure::Usage(format!(
            "{} seals of the anchors are not signed by a key that is known: they anchor nothing",
            known.unproven()
        )));
    }
    let report = verify(&open(file)?, keys.as_ref(), &known).map_err(|error| unreadable(file, &error))?;
    let anchors_of_it = known.of(report.tenant);
    if !anchors.is_empty() && anchors_of_it == 0 {
        return Err(Failure::Usage("the anchors are of another tenant: they anchor nothing".to_owned()));
    }
    tell(out, &report, anchors_of_it).map_err(broken_output)?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn tell(out: &mut impl Write, report: &Report, anchors: usize) -> io::Result<()> {
    let Report { tenant, at, rows, seals, .. } = report;
    writeln!(out, "tenant {tenant}, written {}: {rows} rows, {seals} seals proven", Utc(*at))?;
    for pruned in &report.pruned {
        writeln!(
            out,
            "rows 1 to {} of partition {} were pruned when their time was over, as signed seals say; the last on {}",
            pruned.to,
            pruned.partition.0,
            Utc(pruned.at)
        )?;
    }
    for rows in &report.unsealed {
        writeln!(
            out,
            "rows {} to {} of partition {}, since {}, are not sealed yet: nothing is wrong with them, and nothing proven",
            rows.from,
            rows.to,
            rows.partition.0,
            Utc(rows.since)
        )?;
    }
    if !report.keys_given {
        writeln!(out, "the keys came with the file: whoever made it could have made them too; give --keys")?;
    }
    if anchors == 0 {
        writeln!(out, "without --anchor, rows cut off at the end together with their seals do not show")?;
    }
    for finding in &report.findings {
        writeln!(out, "TAMPERED {}: {finding}", finding.kind.as_str())?;
    }
    if report.more > 0 {
        writeln!(out, "TAMPERED and {} more", report.more)?;
    }
    if report.is_clean() {
        writeln!(out, "clean: every sealed row is what was sealed")?;
    }
    Ok(())
}

/// JSON lines without PHI.
fn show(out: &mut impl Write, path: &Path) -> Result<(), Failure> {
    let mut out = BufWriter::new(out);
    let shown = for_each_row(&open(path)?, |row| writeln!(out, "{}", line(row)?));
    shown.map_err(|error| unreadable(path, &error))?;
    out.flush().map_err(broken_output)
}

fn line(row: Canonical<'_>) -> io::Result<serde_json::Value> {
    let tenant = row.chain().tenant;
    let row = row.row().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    // Bodies are JSON; whatever else somebody has put there is shown as text.
    let body = serde_json::from_str(&row.body).unwrap_or_else(|_| json!(row.body));
    Ok(json!({
        "tenant": tenant, "partition": row.partition.0, "number": row.number, "at": time(row.at),
        "action": row.action, "actor": row.actor, "subject": row.subject, "body": body, "phi": row.phi.is_some(),
    }))
}

fn time(at: Timestamp) -> String {
    Utc(at).to_string()
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> Failure {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure::Usage(format!("cannot read {}: {error}{cause}", path.display()))
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Self::Usage(format!("{error}{cause}"))
    }
}

impl From<Unreadable> for Failure {
    fn from(error: Unreadable) -> Self {
        Self::Usage(error.to_string())
    }
}
