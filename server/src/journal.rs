//! `telehealth journal`: what was acknowledged while the database was away, and cannot be recorded.

use crate::{
    broken_output,
    cli::{Common, JournalCommand},
    config,
    failure::Failure,
    wiring::{JOURNAL, vault},
};
use platform::{
    clock::SystemClock,
    event_log::journal::maintenance::{self, Content, Listed, MaintenanceError},
};
use prometheus::Registry;
use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

/// Does what was asked.
///
/// # Errors
/// One line that says why nothing was done.
pub(crate) fn run(out: &mut impl Write, what: &JournalCommand) -> Result<(), Failure> {
    match what {
        JournalCommand::List { common } => list(out, &dir(common)?),
        JournalCommand::Show { common, seq, phi } => {
            let (listed, mut contents) = maintenance::show(&dir(common)?, *seq)?;
            if *phi {
                open(common, &listed, &mut contents)?;
            }
            show(out, &listed, &contents, *phi).map_err(broken_output)
        }
        JournalCommand::Retry { common, seq } => {
            let entries = maintenance::retry(&dir(common)?, *seq)?;
            let noun = if entries == 1 { "entry is" } else { "entries are" };
            writeln!(
                out,
                "{entries} {noun} in line again: start the server, and look whether any is parked anew"
            )
            .map_err(broken_output)
        }
        JournalCommand::Discard { common, seq } => {
            maintenance::discard(&dir(common)?, *seq)?;
            writeln!(out, "{seq} is gone").map_err(broken_output)
        }
    }
}

fn dir(common: &Common) -> Result<PathBuf, Failure> {
    Ok(config::load(common)?.data_dir.join(JOURNAL))
}

/// Names and words stand there encrypted; their keys are in the keyring, which may be in the database that was away.
fn open(common: &Common, listed: &Listed, contents: &mut [Content]) -> Result<(), Failure> {
    let config = config::load(common)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Broken(format!("cannot start: {e}")))?;
    runtime.block_on(async {
        let vault = vault::open_checked(&config, Arc::new(SystemClock), &Registry::new()).await?;
        let parked = &listed.parked;
        let stream = (parked.tenant, parked.category.as_str(), parked.stream);
        for (version, content) in (parked.expected.0 + 1..).zip(contents) {
            if let Some(stored) = content.phi.take() {
                content.phi = Some(vault.open_event(stream, version, stored).await?);
            }
        }
        Ok(())
    })
}

/// Page by page: the list may be as long as the journal.
fn list(out: &mut impl Write, dir: &std::path::Path) -> Result<(), Failure> {
    let mut last = 0;
    loop {
        let page = maintenance::list(dir, last)?;
        let Some(newest) = page.last() else { break };
        last = newest.parked.seq;
        for listed in &page {
            line(out, listed).map_err(broken_output)?;
        }
    }
    if last == 0 {
        writeln!(out, "nothing is parked").map_err(broken_output)?;
    }
    Ok(())
}

/// Ids and names of events: no PHI.
fn line(out: &mut impl Write, listed: &Listed) -> io::Result<()> {
    let Listed { parked, kinds, decided } = listed;
    let what = if kinds.is_empty() { "?".to_owned() } else { kinds.join(",") };
    writeln!(
        out,
        "{}  {} {}  version {}  {what}  {decided}  {}",
        parked.seq,
        parked.category,
        parked.stream,
        parked.expected.0 + 1,
        parked.why.as_str(),
    )
}

fn show(out: &mut impl Write, listed: &Listed, contents: &[Content], phi: bool) -> io::Result<()> {
    line(out, listed)?;
    let parked = &listed.parked;
    writeln!(out, "tenant {}", parked.tenant.0)?;
    writeln!(out, "command {}", parked.key.0)?;
    writeln!(
        out,
        "decided by the owner of waiting room {} in epoch {}",
        parked.fence.scope, parked.fence.epoch.0
    )?;
    for (version, content) in (parked.expected.0 + 1..).zip(contents) {
        writeln!(out, "{version}  {}  {}", content.kind, content.body)?;
        match &content.phi {
            Some(text) if phi => writeln!(out, "    {text}")?,
            Some(_) => writeln!(out, "    [phi]: --phi shows it")?,
            None => {}
        }
    }
    Ok(())
}

impl From<MaintenanceError> for Failure {
    fn from(error: MaintenanceError) -> Self {
        Self::Usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{CommandId, Epoch, TenantId, Timestamp};
    use platform::event_log::{
        Fence, Version,
        journal::{Parked, Why},
    };
    use uuid::Uuid;

    #[test]
    fn names_and_words_are_shown_only_to_who_asks_for_them() {
        let parked = Parked {
            seq: 7,
            tenant: TenantId(Uuid::nil()),
            category: "visit".to_owned(),
            stream: Uuid::nil(),
            key: CommandId(Uuid::nil()),
            fence: Fence { scope: Uuid::nil(), epoch: Epoch(3) },
            expected: Version(4),
            at: Timestamp(0),
            since: Timestamp(0),
            why: Why::Fenced,
        };
        let kinds = vec!["said".to_owned()];
        let listed = Listed { parked, kinds, decided: "1970-01-01T00:00:00Z".to_owned() };
        let phi = Some("{\"text\":\"canary\"}".to_owned());
        let content = Content { kind: "said".to_owned(), body: "{}".to_owned(), phi };
        let shown = |phi| {
            let mut out = Vec::new();
            show(&mut out, &listed, std::slice::from_ref(&content), phi).unwrap();
            String::from_utf8(out).unwrap()
        };
        let nil = Uuid::nil();
        assert!(
            shown(false)
                .starts_with(&format!("7  visit {nil}  version 5  said  1970-01-01T00:00:00Z  fenced\n"))
        );
        assert!(!shown(false).contains("canary") && shown(false).contains("--phi"));
        assert!(shown(true).contains("    {\"text\":\"canary\"}\n"));
    }
}
