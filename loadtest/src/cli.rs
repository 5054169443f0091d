//! The command line.

use crate::command::{journeys, ramp, report, run};
use clap::{Args, Parser, Subcommand};
use std::{fmt, path::PathBuf};

/// Synthetic patients and clinicians, and evidence of how a deployment bears them.
///
/// Ends with 0 when every SLO was met, 3 when one was missed, 4 when the figures are void because the clients
/// themselves were too slow, 2 when the command line or a journey is wrong, 1 when it could not begin.
#[derive(Parser, Debug)]
#[command(name = "loadtest", version = env!("LOADTEST_BUILD"), max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Plays a journey, judges it by its SLOs, writes a report.
    Run(run::Args),
    /// Raises the number of consults at a time until it is not well any more.
    Ramp(ramp::Args),
    /// Shows a report, alone or beside another one.
    Report(report::Args),
    /// Lists the journeys that ship, or prints one.
    Journeys(journeys::Args),
    Netem(loadtest::netem::command::Args),
}

/// Whom to load. One of: --start, --target with --links, --tokens, --whip, with --whep or without.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Whom to load")]
pub(crate) struct TargetArgs {
    /// Starts this `telehealth` on this machine with a demonstration clinic, and ends it afterwards.
    #[arg(long, value_name = "PROGRAM", group = "whom")]
    pub(crate) start: Option<PathBuf>,
    /// The deployment's address. Default: where the links lead.
    #[arg(long, value_name = "URL", requires = "links", conflicts_with_all = ["start", "tokens", "whip"])]
    pub(crate) target: Option<String>,
    /// The credential: clinicians' links, one a line, or the ready file of `telehealth serve --demo`.
    #[arg(long, value_name = "FILE", env = "LOADTEST_LINKS", group = "whom")]
    pub(crate) links: Option<PathBuf>,
    /// An SFU through WHIP and WHEP: what `telehealth token --participants 2` printed.
    #[arg(long, value_name = "FILE", group = "whom")]
    pub(crate) tokens: Option<PathBuf>,
    /// Any SFU: where to publish, with {room} and {participant}.
    #[arg(long, value_name = "URL", group = "whom")]
    pub(crate) whip: Option<String>,
    /// Any SFU: where to subscribe to {participant} of {room}. Without it nobody does, and what the SFU's reports say of
    /// what is published is taken instead.
    #[arg(long, value_name = "URL", requires = "whip")]
    pub(crate) whep: Option<String>,
    /// The bearer token for both. Better in the environment, where other users do not see it.
    #[arg(long, value_name = "TOKEN", requires = "whip", env = "LOADTEST_BEARER", hide_env_values = true)]
    pub(crate) bearer: Option<String>,
    /// The target's Prometheus page: its processor time and memory become part of the report.
    #[arg(long, value_name = "URL")]
    pub(crate) metrics: Option<String>,
}

/// Where the report goes, and what nodes to plan for.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The report")]
pub(crate) struct OutArgs {
    /// The report, as JSON; beside it the same as HTML.
    #[arg(long, value_name = "FILE.json", default_value = "loadtest-report.json")]
    pub(crate) out: PathBuf,
    /// Says nothing while it runs.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Plans nodes for so many consults at a time.
    #[arg(long, value_name = "CONSULTS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) plan_for: Option<u64>,
    /// Cores of a node.
    #[arg(long, value_name = "N", default_value_t = 8.0)]
    pub(crate) node_cores: f64,
    /// Memory of a node.
    #[arg(long, value_name = "GIB", default_value_t = 16.0)]
    pub(crate) node_gib: f64,
    /// Share of a node that is kept free.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, value_parser = headroom)]
    pub(crate) headroom: f64,
}

fn headroom(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "a share, for example 0.3".to_owned())?;
    (0.0..0.95).contains(&share).then_some(share).ok_or_else(|| "from 0 to 0.95".to_owned())
}

/// The command line or a journey is wrong: the program ends with 2.
#[derive(Debug)]
pub(crate) struct Wrong(pub(crate) String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

/// Makes an error one of the command line.
pub(crate) fn wrong(error: anyhow::Error) -> anyhow::Error {
    Wrong(format!("{error:#}")).into()
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
    fn one_target_at_a_time() {
        let parse = |args: &str| Cli::try_parse_from(args.split(' '));
        assert!(parse("loadtest run --start telehealth").is_ok());
        assert!(parse("loadtest run --target http://x --links f").is_ok());
        assert!(
            parse("loadtest run --whip http://x/{room}/{participant} --whep http://x/{room}/{participant}")
                .is_ok()
        );
        assert!(parse("loadtest run --whip http://x/{room}/{participant}").is_ok());
        for bad in [
            "loadtest run --target http://x",
            "loadtest run --whep http://x",
            "loadtest run --start a --links b",
            "loadtest run --start a --headroom 2",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
