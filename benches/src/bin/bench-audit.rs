//! How fast an exported audit trail is verified: rows a second, all in, from the file to the report.
//!
//! The trail is made here, signed by a key of its own, as a server's sealer would: seals of a thousand rows each.

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use anyhow::{Result, ensure};
use model::{TenantId, Timestamp};
use platform::{
    audit::{
        ChainId, Seal, Signer,
        chain::{Canonical, encode},
        export::Sections,
        seal::What,
        verify::{Anchors, verify},
    },
    event_log::{AuditRow, Partition},
    limits::SEALED_ROWS,
};
use serde_json::json;
use std::{
    fs::File,
    time::{Duration, Instant},
};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TENANT: TenantId = TenantId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));

/// Rows a second that an auditor should not have to wait for.
const GATE: u64 = 500_000;

const BEGIN: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn main() -> Result<()> {
    let rows: u64 = benches::env("ROWS", 2_000_000)?;
    let repeats: usize = benches::env("REPEATS", 3)?;
    let dir = tempfile::tempdir_in(std::env::var_os("DIR").unwrap_or_else(|| "/var/tmp".into()))?;
    let path = dir.path().join("trail.audit");
    let signer = Signer::ephemeral(BEGIN);
    write(File::create(&path)?, &signer, rows)?;
    let file = File::open(&path)?;
    let bytes = file.metadata()?.len();
    println!(
        "{rows} rows, {:.0} MiB, {} seals",
        bytes as f64 / 1_048_576.0,
        rows.div_ceil(SEALED_ROWS as u64)
    );
    let mut rates = Vec::new();
    for _ in 0..repeats.max(1) {
        let begun = Instant::now();
        let report = verify(&file, Some(signer.public_keys()), &Anchors::default())?;
        let took = begun.elapsed();
        ensure!(report.is_clean() && report.rows == rows, "the trail does not verify: {:?}", report.findings);
        rates.push(rows as f64 / took.as_secs_f64());
        println!("{:.0} rows/s, {took:.2?}", rates.last().copied().unwrap_or_default());
    }
    rates.sort_by(f64::total_cmp);
    let figures = json!({
        "name": "audit",
        "verify_rows_per_s": rates[rates.len() / 2].round(),
        "verify_mib_per_s": (rates[rates.len() / 2] * bytes as f64 / rows as f64 / 1_048_576.0).round(),
        "conditions": {
            "rows": rows, "file_bytes": bytes, "row_bytes": bytes / rows.max(1), "rows_per_seal": SEALED_ROWS,
            "repeats": repeats, "chains": 1, "threads": 1, "cache": "warm",
            "profile": "perf", "build": benches::build(),
        },
        "gate": { "verify_rows_per_s": GATE },
    });
    println!("{figures}");
    Ok(())
}

/// A trail as it is exported: what a command leaves behind, over and over.
fn write(file: File, signer: &Signer, rows: u64) -> Result<()> {
    let chain = ChainId { tenant: TENANT, partition: Partition(0) };
    let mut sections = Sections::begin(std::io::BufWriter::new(file), TENANT, signer.public_keys(), BEGIN)?;
    sections.chain(chain)?;
    let (mut head, mut previous, mut bytes) = (chain.genesis(), [0; 32], Vec::new());
    let mut from = 1;
    while from <= rows {
        let to = rows.min(from + SEALED_ROWS as u64 - 1);
        let mut digests = Vec::with_capacity(SEALED_ROWS);
        for number in from..=to {
            bytes.clear();
            encode(TENANT, &row(number), &mut bytes);
            let canonical = Canonical::parse(&bytes)?;
            head = head.after(canonical, number);
            digests.push(canonical.digest());
        }
        let seal = Seal {
            what: What::Rows,
            chain,
            number: from.div_ceil(SEALED_ROWS as u64),
            from,
            to,
            head,
            previous,
            at: BEGIN + Duration::from_millis(to),
            key: signer.id(),
            digests,
            signature: [0; 64],
        };
        let seal = seal.sign(signer);
        previous = seal.hash();
        sections.seal(&seal)?;
        from = to + 1;
    }
    sections.rows_follow()?;
    for number in 1..=rows {
        sections.row(TENANT, &row(number))?;
    }
    sections.end_chain()?;
    sections.finish()?;
    Ok(())
}

fn row(number: u64) -> AuditRow {
    let id =
        |salt: u128| Uuid::from_u128((u128::from(number) * 0x9e37_79b9_7f4a_7c15).wrapping_add(salt << 64));
    AuditRow {
        partition: Partition(0),
        number,
        at: BEGIN + Duration::from_millis(number),
        action: ["visit.admit", "visit.note", "queue.view", "link.exchange"][number as usize % 4].to_owned(),
        actor: Some(id(1)),
        subject: Some(id(2)),
        body: format!("{{\"waitingRoom\":\"{}\",\"version\":{number}}}", id(3)),
        phi: None,
    }
}
