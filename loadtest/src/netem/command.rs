//! `loadtest netem`: its arguments, and what they ask for.

use super::{
    profiles,
    router::MOST_CLIENTS,
    script::Script,
    stage::{self, ClientEnd, Plan, ServerEnd},
    wire, words,
};
use anyhow::{Context as _, Result, bail, ensure};
use std::{ffi::OsString, path::PathBuf, process::ExitCode};

/// Run programs over a weak network of their own: loss, delay, limits, cuts and new addresses, by a script.
///
/// Each client's command runs in a network namespace whose only way out is a link to the server, 10.78.0.1. The
/// server's command runs at the other end. Nothing can reach any other address. When netem ends, however it ends,
/// everything that it started is gone.
///
/// In their environment commands find NETEM_SERVER, NETEM_ADDRESS, NETEM_NAME and, of each end, the path of its
/// network (NETEM_NET_SERVER, NETEM_NET_ALICE) for `nsenter --net=PATH COMMAND`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the scripts that ship with the program, in words.
    Profiles,
}

#[derive(Debug, clap::Args)]
struct Run {
    /// What the links are like: a profile's name (see `profiles`), or a file ending in .toml
    #[arg(long, value_name = "PROFILE|FILE")]
    script: Option<String>,
    /// Another script for one client; can be given often
    #[arg(long, value_name = "NAME=PROFILE|FILE", value_parser = pair)]
    link: Vec<(String, String)>,
    /// Decides every chance: the same seed meets the same losses
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A client and its shell command; can be given often
    #[arg(long, value_name = "NAME=COMMAND", value_parser = pair)]
    client: Vec<(String, String)>,
    /// Run COMMAND as so many clients, client-1, client-2, …
    #[arg(long, value_name = "N", requires = "command", conflicts_with = "client")]
    clients: Option<usize>,
    /// The server's shell command, in a network of its own
    #[arg(long, value_name = "COMMAND")]
    server: Option<OsString>,
    /// The server's end is the network netem is started in; refused if that has a way out
    #[arg(long, conflicts_with_all = ["server", "wait_for"])]
    here: bool,
    /// Start clients when something listens on this TCP port of the server
    #[arg(long, value_name = "PORT", requires = "server")]
    wait_for: Option<u16>,
    /// Longest packet on every link, bytes
    #[arg(long, default_value_t = 1_500, value_parser = clap::value_parser!(u16).range(576..=i64::from(wire::LONGEST)))]
    mtu: u16,
    /// Take NAME=PROFILE|FILE from standard input, a line each: from then on that client's links follow it
    #[arg(long)]
    control: bool,
    /// Write what happened to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Do not print what happened
    #[arg(long)]
    quiet: bool,
    /// Say in words what would happen, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// The command of the only client, or of each
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Does what the arguments ask for. Starts this program again with the same arguments, so it has to be called
/// before threads are started, and by a program that comes here again.
///
/// # Errors
/// An argument or a script means nothing, or the machine does not allow it; the error says what is missing.
pub fn run(args: Args) -> Result<ExitCode> {
    if let Some(Action::Profiles) = args.action {
        for (name, _) in profiles::ALL {
            println!("{name}: {}", words::explain(&Script::load(name)?));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let Run { report, quiet, dry_run, .. } = &args.run;
    let (report, quiet, dry_run) = (report.clone(), *quiet, *dry_run);
    let plan = args.run.plan()?;
    if dry_run {
        for client in &plan.clients {
            println!("{}: {}", client.name, words::explain(&client.script));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !stage::is_router() {
        return stage::supervise();
    }
    let (happened, code) = stage::perform(plan)?;
    if let Some(path) = report {
        let json = serde_json::to_string_pretty(&happened)?;
        std::fs::write(&path, json).with_context(|| path.display().to_string())?;
    }
    if !quiet {
        eprint!("{happened}");
    }
    Ok(code)
}

impl Run {
    fn plan(self) -> Result<Plan> {
        let commands = self.commands()?;
        ensure!(commands.len() <= MOST_CLIENTS, "{} clients; {MOST_CLIENTS} at most", commands.len());
        for (name, _) in &self.link {
            ensure!(
                commands.iter().any(|(known, _)| known == name),
                "--link {name}: there is no such client"
            );
        }
        let common = self.script.as_deref().map(Script::load).transpose()?.unwrap_or_default();
        let mut clients: Vec<ClientEnd> = Vec::new();
        for (name, command) in commands {
            check_name(&name)?;
            ensure!(clients.iter().all(|known| known.name != name), "two clients are called {name}");
            let own = self.link.iter().rev().find(|(known, _)| *known == name);
            let script = own.map_or_else(|| Ok(common.clone()), |(_, script)| Script::load(script))?;
            clients.push(ClientEnd { name, script, command });
        }
        let server = if self.here { ServerEnd::Here } else { ServerEnd::Own(self.server) };
        let Self { seed, mtu, wait_for, control, .. } = self;
        Ok(Plan { seed, mtu, server, wait_for, clients, control })
    }

    /// Names and commands.
    fn commands(&self) -> Result<Vec<(String, Vec<OsString>)>> {
        let shell = |line: &String| vec!["sh".into(), "-c".into(), line.into()];
        let named = self.client.iter().map(|(name, line)| (name.clone(), shell(line)));
        let of_command: Vec<String> = match (self.command.is_empty(), self.clients) {
            (true, _) => Vec::new(),
            (false, None) => vec!["client".to_owned()],
            (false, Some(count)) => (1..=count).map(|number| format!("client-{number}")).collect(),
        };
        let unnamed = of_command.into_iter().map(|name| (name, self.command.clone()));
        let all: Vec<_> = named.chain(unnamed).collect();
        ensure!(!all.is_empty(), "no client: give a command after `--`, or --client NAME=COMMAND");
        Ok(all)
    }
}

fn pair(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').context("NAME=… is missing its `=`")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Short, and fit for an environment variable.
fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 32 || !name.chars().all(fits) || name == "server" {
        bail!("`{name}` is no client's name: a to z, digits and `-`, 32 at most, and not `server`");
    }
    Ok(())
}
