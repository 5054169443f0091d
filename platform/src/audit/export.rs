//! A tenant's audit trail, with its seals, into a file for an auditor; and what one seal is about, for a second place.

use super::{
    chain::{self, ChainId, Head},
    file::{About, Extent, Writer},
    keys::PublicKeys,
    seal::{Seal, What},
    trail::Trail,
};
use crate::{
    event_log::{AuditRow, Partition},
    limits::AUDIT_PAGE,
};
use model::{TenantId, Timestamp};
use std::io::{self, Seek, Write};

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Chains: partitions with rows or seals.
    pub chains: u64,
    /// Seals, those included that are none.
    pub seals: u64,
    /// Rows.
    pub rows: u64,
}

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The trail cannot be read from somewhere on.
    #[error("the audit trail cannot be read behind {what} {after} of partition {partition}")]
    Read {
        /// `row` or `seal`.
        what: &'static str,
        /// The last one that could be.
        after: u64,
        /// In which partition.
        partition: u16,
    },
    /// Rows whose time was over went while they were read: exported again, it is as it is then.
    #[error("rows of partition {partition} were pruned meanwhile: export once more")]
    Pruned {
        /// In which partition.
        partition: u16,
    },
    /// The file cannot be written.
    #[error("the file cannot be written")]
    Write(#[from] io::Error),
}

/// Writes all there is of a tenant. Bounded memory, whatever there is.
///
/// # Errors
/// By variant of [`ExportError`].
pub async fn export<W: Write + Seek>(
    trail: &(impl Trail + ?Sized),
    tenant: TenantId,
    keys: &PublicKeys,
    at: Timestamp,
    partitions: &[Partition],
    to: W,
) -> Result<(Exported, W), ExportError> {
    let about = About { extent: Extent::All, tenant, at, keys: keys.clone() };
    let mut writer = Writer::begin(to, &about)?;
    let mut exported = Exported::default();
    for partition in partitions {
        let chain = ChainId { tenant, partition: *partition };
        let seals = trail.audit_seals(chain, 0, 1).await.map_err(|_| failed("seal", 0, chain))?;
        let rows = trail.audit_rows(chain, 0, 1).await.map_err(|_| failed("row", 0, chain))?;
        if seals.is_empty() && rows.is_empty() {
            continue;
        }
        writer.chain(chain.partition, 1, chain.genesis())?;
        exported.chains += 1;
        // Seals first: what is sealed is there, so that no seal is about rows that came later than this.
        let (seals, newest) = write_seals(trail, chain, &mut writer).await?;
        exported.seals += seals;
        writer.rows_follow()?;
        exported.rows += write_rows(trail, chain, &mut writer).await?;
        if pruned_since(trail, chain, newest).await? {
            // That they were, no seal in the file would say.
            return Err(ExportError::Pruned { partition: partition.0 });
        }
        writer.end_chain()?;
    }
    Ok((exported, writer.finish()?))
}

/// A file that is written part by part, out of what is not a store: for benches and tools. Of each chain first its seals,
/// then its rows.
pub struct Sections<W>(Writer<W>);

impl<W: Write + Seek> Sections<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// It cannot be written; as all that follows.
    pub fn begin(to: W, tenant: TenantId, keys: &PublicKeys, at: Timestamp) -> io::Result<Self> {
        let about = About { extent: Extent::All, tenant, at, keys: keys.clone() };
        Writer::begin(to, &about).map(Self)
    }

    /// Begins a chain.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn chain(&mut self, chain: ChainId) -> io::Result<()> {
        self.0.chain(chain.partition, 1, chain.genesis())
    }

    /// One of its seals.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn seal(&mut self, seal: &Seal) -> io::Result<()> {
        self.0.seal(&seal.bytes())
    }

    /// All its seals are written.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn rows_follow(&mut self) -> io::Result<()> {
        self.0.rows_follow()
    }

    /// One of its rows.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn row(&mut self, tenant: TenantId, row: &AuditRow) -> io::Result<()> {
        let mut bytes = Vec::new();
        chain::encode(tenant, row, &mut bytes);
        self.0.row(&bytes)
    }

    /// The chain ends.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end_chain(&mut self) -> io::Result<()> {
        self.0.end_chain()
    }

    /// The file ends.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W> std::fmt::Debug for Sections<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sections").finish_non_exhaustive()
    }
}

/// Seals that are read at a time: as many bytes as a page of rows.
const SEALS_AT_ONCE: usize = 100;

async fn write_seals<W: Write + Seek>(
    trail: &(impl Trail + ?Sized),
    chain: ChainId,
    writer: &mut Writer<W>,
) -> Result<(u64, u64), ExportError> {
    let (mut after, mut count) = (0, 0);
    loop {
        let page =
            trail.audit_seals(chain, after, SEALS_AT_ONCE).await.map_err(|_| failed("seal", after, chain))?;
        let Some(last) = page.last() else { return Ok((count, after)) };
        after = last.version.0;
        for event in &page {
            match Seal::of_event(chain, event) {
                Ok(seal) => writer.seal(&seal.bytes())?,
                Err(_) => writer.unreadable_seal(event.version.0)?,
            }
            count += 1;
        }
    }
}

/// Whether a seal behind one says that rows were pruned.
async fn pruned_since(
    trail: &(impl Trail + ?Sized),
    chain: ChainId,
    mut after: u64,
) -> Result<bool, ExportError> {
    loop {
        let page =
            trail.audit_seals(chain, after, SEALS_AT_ONCE).await.map_err(|_| failed("seal", after, chain))?;
        let Some(last) = page.last() else { return Ok(false) };
        after = last.version.0;
        let pruned = |event| Seal::of_event(chain, event).is_ok_and(|seal| seal.what == What::Forgotten);
        if page.iter().any(pruned) {
            return Ok(true);
        }
    }
}

async fn write_rows<W: Write + Seek>(
    trail: &(impl Trail + ?Sized),
    chain: ChainId,
    writer: &mut Writer<W>,
) -> Result<u64, ExportError> {
    let (mut after, mut count, mut bytes) = (0, 0, Vec::new());
    loop {
        let page =
            trail.audit_rows(chain, after, AUDIT_PAGE).await.map_err(|_| failed("row", after, chain))?;
        let Some(last) = page.last() else { return Ok(count) };
        after = last.number;
        for row in &page {
            bytes.clear();
            chain::encode(chain.tenant, row, &mut bytes);
            writer.row(&bytes)?;
            count += 1;
        }
    }
}

/// A seal and the rows that it is about, as they are now, as bytes. `before` is the head of the seal before it.
///
/// # Errors
/// They cannot be read.
pub(super) async fn copy_of(
    trail: &(impl Trail + ?Sized),
    seal: &Seal,
    before: Head,
    keys: &PublicKeys,
    at: Timestamp,
) -> Result<Vec<u8>, ExportError> {
    let about = About { extent: Extent::Copy, tenant: seal.chain.tenant, at, keys: keys.clone() };
    let mut writer = Writer::begin(io::Cursor::new(Vec::new()), &about)?;
    writer.chain(seal.chain.partition, seal.number, before)?;
    writer.seal(&seal.bytes())?;
    writer.rows_follow()?;
    let (mut after, mut bytes) = (seal.from - 1, Vec::new());
    while after < seal.to && !seal.digests.is_empty() {
        let limit = AUDIT_PAGE.min(usize::try_from(seal.to - after).unwrap_or(AUDIT_PAGE));
        let page =
            trail.audit_rows(seal.chain, after, limit).await.map_err(|_| failed("row", after, seal.chain))?;
        let within: Vec<_> = page.into_iter().filter(|row| row.number <= seal.to).collect();
        let Some(last) = within.last() else { break };
        after = last.number;
        for row in &within {
            bytes.clear();
            chain::encode(seal.chain.tenant, row, &mut bytes);
            writer.row(&bytes)?;
        }
    }
    writer.end_chain()?;
    Ok(writer.finish()?.into_inner())
}

fn failed(what: &'static str, after: u64, chain: ChainId) -> ExportError {
    ExportError::Read { what, after, partition: chain.partition.0 }
}
