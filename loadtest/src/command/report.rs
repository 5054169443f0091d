//! `loadtest report`: a report again, alone or beside another one.

use super::print;
use crate::report::{Report, html, terminal, write_whole};
use anyhow::Result;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What `loadtest run` or `loadtest ramp` wrote.
    file: PathBuf,
    /// An earlier one, to compare with.
    #[arg(long, value_name = "FILE.json")]
    against: Option<PathBuf>,
    /// Writes the page here.
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
}

/// Ends with 0 whatever the report says: it is read, not run.
pub(crate) fn run(args: &Args) -> Result<u8> {
    let report = Report::load(&args.file)?;
    let other = args.against.as_deref().map(Report::load).transpose()?;
    print(&terminal::summary(&report, other.as_ref()));
    if let Some(path) = &args.html {
        write_whole(path, &html::page(&report, other.as_ref()))?;
        print(&format!("  Page: {}\n", path.display()));
    }
    Ok(0)
}
