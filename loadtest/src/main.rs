//! `loadtest`: see `--help`.

#![forbid(unsafe_code)]

use clap::Parser;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "loadtest", version, about = "Synthetic clients and weak networks")]
enum Command {
    Netem(loadtest::netem::command::Args),
}

fn main() -> anyhow::Result<ExitCode> {
    match Command::parse() {
        Command::Netem(args) => loadtest::netem::command::run(args),
    }
}
