//! `loadtest journeys`: what ships.

use super::print;
use crate::{
    cli::wrong,
    journey::{self, Journey},
};
use anyhow::Result;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Prints a journey's TOML, to begin one of your own with.
    Show {
        /// Its name.
        name: String,
    },
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    match &args.command {
        Some(Command::Show { name }) => print(&journey::text(name).map_err(wrong)?.1),
        None => {
            for (name, text) in journey::named() {
                print(&format!("{name:<16} {}\n", Journey::parse(name, text)?.about));
            }
        }
    }
    Ok(0)
}
