//! `telehealth`: every role of the platform in one process.
//!
//! `main` reads: parse, build without binding, bind, log addresses, serve, drain by a deadline. Who
//! stands behind which port is decided in [`wiring`] alone.

#![forbid(unsafe_code)]

mod announce;
mod audit;
mod backup;
mod callers;
mod cli;
mod config;
mod demo;
mod devices;
mod doctor;
mod failure;
mod health;
mod journal;
mod keys;
mod lan;
mod limits;
mod media_token;
mod migrate;
mod nodes;
mod plan;
mod roles;
mod serve;
mod tls;
mod token;
mod unit_of;
mod units;
mod wiring;

use clap::Parser as _;
use cli::{Cli, Command};
use failure::Failure;
use platform::{clock::SystemClock, keys::Keys};
use server::{api, http};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("telehealth: {failure}");
            failure.exit_code()
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(args) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            let runtime = runtime.map_err(|e| Failure::Broken(format!("cannot start: {e}")))?;
            runtime.block_on(serve::run(&args)).map(|()| ExitCode::SUCCESS)
        }
        Command::Doctor(common) => {
            let well = doctor::run(&mut std::io::stdout().lock(), &common).map_err(broken_output)?;
            Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Migrate(common) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|e| Failure::Broken(format!("cannot start: {e}")))?;
            let done = runtime.block_on(migrate::run(&mut std::io::stdout().lock(), &common));
            done.map(|()| ExitCode::SUCCESS)
        }
        Command::Backup(args) => backup::back_up(&mut std::io::stdout().lock(), &args),
        Command::Restore(args) => backup::restore(&mut std::io::stdout().lock(), &args),
        Command::Journal(args) => {
            journal::run(&mut std::io::stdout().lock(), &args.what).map(|()| ExitCode::SUCCESS)
        }
        Command::Keys(args) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|e| Failure::Broken(format!("cannot start: {e}")))?;
            let done = runtime.block_on(keys::run(&mut std::io::stdout().lock(), &args.what));
            done.map(|()| ExitCode::SUCCESS)
        }
        Command::Units(args) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|e| Failure::Broken(format!("cannot start: {e}")))?;
            let done = runtime.block_on(units::run(&mut std::io::stdout().lock(), &args.what));
            done.map(|()| ExitCode::SUCCESS)
        }
        Command::Audit(args) => audit::run(&mut std::io::stdout().lock(), &args.what),
        Command::Token(args) => {
            let (config, guess) = plan::guess_url(&args.common)?;
            let keys = Keys::load_or_create(&wiring::keys_dir(&config))?;
            wiring::vault::make_kek(&config)?;
            let url = args.url.as_deref().unwrap_or(&guess);
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            token::write(&mut out, &args, url, args.tenant, &keys, &SystemClock)
                .and_then(|()| std::io::Write::flush(&mut out))
                .map_err(broken_output)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn broken_output(error: std::io::Error) -> Failure {
    Failure::Broken(format!("cannot write the answer: {error}"))
}
