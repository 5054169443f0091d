//! `loadtest`: synthetic people against a deployment, and evidence of how it went.
//!
//! It ends with 0 when every SLO was met, 3 when one was missed, 4 when the figures are void because the clients
//! themselves were too slow, 2 when the command line or a journey is wrong, 1 when it could not begin.

#![forbid(unsafe_code)]

mod cli;
mod command;
mod journey;
mod plan;
mod play;
mod record;
mod report;
mod scrape;
mod show;

use clap::Parser as _;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => command::run::run(&args),
        Command::Ramp(args) => command::ramp::run(&args),
        Command::Report(args) => command::report::run(&args),
        Command::Journeys(args) => command::journeys::run(&args),
        Command::Netem(args) => return netem(args),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::from(if error.is::<cli::Wrong>() { 2 } else { 1 })
        }
    }
}

/// Ends as the command that it ran did.
fn netem(args: loadtest::netem::command::Args) -> ExitCode {
    loadtest::netem::command::run(args).unwrap_or_else(|error| {
        eprintln!("loadtest: {error:#}");
        ExitCode::FAILURE
    })
}
