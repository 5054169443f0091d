//! The processes: who starts whom, and how all of them end together.
//!
//! The one that was called ([`supervise`]) starts itself again as the router ([`perform`]), first process of a
//! PID namespace. Between them is a pipe, the lifeline: when its writing end closes, the router asks everybody
//! to stop. When the caller is killed the kernel kills the router, and with the first process of a PID namespace
//! it kills all others, those that went into the background too.

use super::{
    control::Control,
    namespace::Namespace,
    report::{ClientReport, Report},
    router::{End, Router, SERVER},
    script::Script,
    sys,
    wire::Wire,
};
use anyhow::{Context as _, Result, bail, ensure};
use rustix::{
    fd::AsFd as _,
    io::{FdFlags, fcntl_setfd, read, write},
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    pipe::{PipeFlags, pipe_with},
    process::{
        Pid, Signal, WaitOptions, getegid, geteuid, kill_process, kill_process_group,
        set_parent_process_death_signal, test_kill_process_group, wait,
    },
    thread::UnshareFlags,
};
use std::{
    env,
    ffi::OsString,
    fs::File,
    io::Write as _,
    net::SocketAddr,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Command, ExitCode, Stdio},
    thread,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

/// Tells the router which descriptor its lifeline is.
const LIFELINE: &str = "LOADTEST_NETEM_LIFELINE";

/// How long a command may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) mtu: u16,
    pub(super) server: ServerEnd,
    /// A TCP port of the server's that clients wait for.
    pub(super) wait_for: Option<u16>,
    pub(super) clients: Vec<ClientEnd>,
    /// Other scripts are given on standard input.
    pub(super) control: bool,
}

/// Where the links end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ServerEnd {
    /// In a namespace of its own, in which this runs.
    Own(Option<OsString>),
    /// In the namespace we were started in.
    Here,
}

/// A client to be.
#[derive(Debug)]
pub(super) struct ClientEnd {
    pub(super) name: String,
    pub(super) script: Script,
    /// A program and its arguments.
    pub(super) command: Vec<OsString>,
}

/// Whether this process is the router.
pub(super) fn is_router() -> bool {
    env::var_os(LIFELINE).is_some() && std::process::id() == 1
}

/// Starts the router and waits for it; gives its exit code, or 128 and the signal that ended us.
///
/// # Errors
/// The machine allows no namespaces.
pub(super) fn supervise() -> Result<ExitCode> {
    become_root()?;
    sys::unshare(UnshareFlags::NEWPID).context("a PID namespace: needs root, or user namespaces")?;
    let (lifeline, ours) = pipe_with(PipeFlags::CLOEXEC).context("a pipe")?;
    fcntl_setfd(&lifeline, FdFlags::empty()).context("a pipe")?;

    let mut arguments = env::args_os();
    let mut command = Command::new("/proc/self/exe");
    command.arg0(arguments.next().unwrap_or_default()).args(arguments);
    command.env(LIFELINE, lifeline.as_raw_fd().to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut router = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        drop(lifeline);
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut ours = Some(ours);
        let mut signalled: Option<u8> = None;
        loop {
            let number = tokio::select! {
                status = router.wait() => {
                    let code = status?.code().context("the router was killed")?;
                    return Ok(ExitCode::from(signalled.map_or(code as u8, |number| 128 + number)));
                }
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
                _ = hangup.recv() => 1,
            };
            signalled = Some(number);
            if ours.take().is_none() {
                // Asked twice.
                router.start_kill()?;
            }
        }
    })
}

/// Without root, root in a user namespace does: it may do as it likes with namespaces that belong to it.
fn become_root() -> Result<()> {
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        return Ok(());
    }
    sys::unshare(UnshareFlags::NEWUSER).context("a user namespace: not allowed here, so this needs root")?;
    std::fs::write("/proc/self/setgroups", "deny").context("a user namespace")?;
    std::fs::write("/proc/self/uid_map", format!("0 {} 1", user.as_raw())).context("a user namespace")?;
    std::fs::write("/proc/self/gid_map", format!("0 {} 1", group.as_raw())).context("a user namespace")?;
    Ok(())
}

/// The router's part. Returns when every client has ended, or when asked to stop.
///
/// # Errors
/// The machine does not allow it, or a command cannot be started.
pub(super) fn perform(plan: Plan) -> Result<(Report, ExitCode)> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("the lifeline")?;
    // From here on this process, its children and /proc agree on what a PID is.
    sys::unshare(UnshareFlags::NEWNS).context("a mount namespace")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .context("private mounts")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).context("/proc")?;
    let lifeline = env::var(LIFELINE).context("the lifeline")?;
    let lifeline = File::open(format!("/proc/self/fd/{lifeline}")).context("the lifeline")?;

    let server = match plan.server {
        ServerEnd::Own(_) => Namespace::new(End::Server, plan.mtu)?,
        ServerEnd::Here => Namespace::here(plan.mtu)?,
    };
    let namespaces = (0..plan.clients.len()).map(|index| Namespace::new(End::Client(index), plan.mtu));
    let namespaces: Vec<Namespace> = namespaces.collect::<Result<_>>()?;
    let surroundings = surroundings(&plan, &server, &namespaces);

    let mut cast = Cast::default();
    if let ServerEnd::Own(Some(command)) = &plan.server {
        let mut command = shell(command);
        command
            .stdin(Stdio::null())
            .envs(surroundings.iter().cloned())
            .env("NETEM_ADDRESS", SERVER.to_string());
        // A group of its own, so that all of it can be asked to end, and Ctrl-C ends clients first.
        command.env_remove(LIFELINE).process_group(0);
        let mut child = server.spawn(&mut command).context("the server's command")?;
        cast.server = Some(pid(&child)?);
        if let Some(port) = plan.wait_for {
            let ended =
                || child.try_wait().is_ok_and(|status| status.is_some_and(|status| !status.success()));
            server.wait_for(SocketAddr::from((SERVER, port)), ended)?;
        }
    }
    let seed = plan.seed;
    let mut scripts = Vec::new();
    for (index, client) in plan.clients.into_iter().enumerate() {
        let [program, arguments @ ..] = &client.command[..] else { bail!("{}: no command", client.name) };
        let mut command = Command::new(program);
        command.args(arguments).envs(surroundings.iter().cloned()).env("NETEM_NAME", &client.name);
        command.env("NETEM_ADDRESS", End::Client(index).address().to_string()).env_remove(LIFELINE);
        if plan.control {
            command.stdin(Stdio::null());
        }
        let child = namespaces[index].spawn(&mut command);
        let child = child.with_context(|| format!("{}: {}", client.name, program.display()))?;
        cast.clients.push(Player { name: client.name, pid: pid(&child)?, exit_code: None });
        scripts.push(client.script);
    }
    let mut wire = Wire::new(Router::new(seed, scripts), server, namespaces)?;
    let mut control = plan.control.then(Control::new);
    let exit_code = cast.play(&mut wire, lifeline, &mut control)?;

    let clients = cast.clients.into_iter().enumerate().map(|(index, player)| {
        let (up, down, readdressed) = wire.router.tallies(index);
        ClientReport { name: player.name, exit_code: player.exit_code, up, down, readdressed }
    });
    let clients = clients.collect();
    let (seconds, refused) = (wire.now_ns() as f64 / 1e9, wire.router.refused);
    Ok((Report { seed, seconds, clients, refused, router: wire.cost() }, exit_code))
}

/// What commands find in their environment: the server's address, and where each end's network is, for
/// `nsenter --net=$NETEM_NET_ALICE`.
fn surroundings(plan: &Plan, server: &Namespace, clients: &[Namespace]) -> Vec<(String, String)> {
    let mut all =
        vec![("NETEM_SERVER".into(), SERVER.to_string()), ("NETEM_NET_SERVER".into(), server.path())];
    for (client, namespace) in plan.clients.iter().zip(clients) {
        let name = client.name.to_uppercase().replace('-', "_");
        all.push((format!("NETEM_NET_{name}"), namespace.path()));
    }
    all
}

/// A line for the shell.
fn shell(line: &OsString) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    command
}

fn pid(child: &std::process::Child) -> Result<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process id")
}

/// Everybody with a command.
#[derive(Debug, Default)]
struct Cast {
    /// The first of the server's processes, and their group.
    server: Option<Pid>,
    clients: Vec<Player>,
    server_code: Option<i32>,
}

#[derive(Debug)]
struct Player {
    name: String,
    pid: Pid,
    exit_code: Option<i32>,
}

impl Cast {
    /// Carries packets until every client has ended, or the lifeline is cut and everybody had time to end.
    fn play(&mut self, wire: &mut Wire, lifeline: File, control: &mut Option<Control>) -> Result<ExitCode> {
        let exits = reaper()?;
        let mut lifeline = Some(lifeline);
        let mut leave_by_ns = None;
        let mut server_failed = false;
        loop {
            let mut others = vec![exits.as_fd()];
            others.extend(lifeline.as_ref().map(|lifeline| lifeline.as_fd()));
            let control_bit = 1 << others.len();
            let stdin = std::io::stdin();
            others.extend(control.as_ref().map(|_| stdin.as_fd()));
            let ready = wire.turn(&others, leave_by_ns)?;
            if ready & 1 != 0 {
                self.note_exit(&exits)?;
            }
            if ready & control_bit != 0 && !control.as_mut().is_some_and(|it| self.obey(it, wire)) {
                *control = None;
            }
            let clients_ended = self.clients.iter().all(|player| player.exit_code.is_some());
            if clients_ended && self.server_ended() {
                break;
            }
            let cut = lifeline.is_some() && ready & 2 != 0;
            // A server that went into the background ended well at once, and goes on.
            let fails = !clients_ended && self.server_code.is_some_and(|code| code != 0);
            if leave_by_ns.is_none() && (cut || clients_ended || fails) {
                server_failed = fails && !cut;
                lifeline = None;
                leave_by_ns = Some(wire.now_ns() + GRACE.as_nanos() as u64);
                self.ask_to_end();
            }
            if leave_by_ns.is_some_and(|at| at <= wire.now_ns()) {
                break;
            }
        }
        ensure!(!server_failed, "the server's command failed while clients were there");
        let codes = self.clients.iter().map(|player| player.exit_code.unwrap_or(1));
        Ok(ExitCode::from(codes.filter(|code| *code != 0).map(|code| code as u8).next().unwrap_or(0)))
    }

    /// All of its group has.
    fn server_ended(&self) -> bool {
        self.server.is_none_or(|group| test_kill_process_group(group).is_err())
    }

    /// Does what was asked for on standard input, and answers; whether there can be more.
    fn obey(&self, control: &mut Control, wire: &mut Wire) -> bool {
        let Some(wishes) = control.read() else { return false };
        for wish in wishes {
            let done = wish.as_ref().map_err(ToString::to_string).and_then(|wish| {
                let index = self.clients.iter().position(|player| player.name == wish.client);
                let index = index.ok_or_else(|| format!("{}: there is no such client", wish.client))?;
                wire.router.follow(wire.now_ns(), index, wish.script.clone());
                Ok(&wish.text)
            });
            let answer = done.map_or_else(|why| format!("refused: {why}"), Clone::clone);
            // Whoever does not listen to answers is served all the same.
            let _ = writeln!(std::io::stdout(), "{answer}");
        }
        true
    }

    fn note_exit(&mut self, exits: &OwnedFd) -> Result<()> {
        let mut note = [0; 8];
        read(exits, &mut note[..]).context("who has ended")?;
        let [pid, code] =
            [&note[..4], &note[4..]].map(|half| i32::from_ne_bytes([half[0], half[1], half[2], half[3]]));
        if self.server.is_some_and(|server| server.as_raw_pid() == pid) {
            self.server_code = Some(code);
        }
        if let Some(player) = self.clients.iter_mut().find(|player| player.pid.as_raw_pid() == pid) {
            player.exit_code = Some(code);
        }
        Ok(())
    }

    fn ask_to_end(&self) {
        for player in self.clients.iter().filter(|player| player.exit_code.is_none()) {
            let _ = kill_process(player.pid, Signal::TERM);
        }
        if let Some(group) = self.server {
            let _ = kill_process_group(group, Signal::TERM);
        }
    }
}

/// The first process of a PID namespace has every orphan for a child: takes leave of all of them, and tells who
/// it was, eight bytes each: PID, and exit code or 128 and the signal.
fn reaper() -> Result<OwnedFd> {
    let (exits, notes) = pipe_with(PipeFlags::CLOEXEC).context("a pipe")?;
    thread::Builder::new().name("reaper".into()).spawn(move || {
        while let Ok(ended) = wait(WaitOptions::empty()) {
            let Some((pid, status)) = ended else { continue };
            let code = status.exit_status().or_else(|| Some(128 + status.terminating_signal()?));
            let note = [pid.as_raw_pid().to_ne_bytes(), code.unwrap_or(1).to_ne_bytes()].concat();
            if write(&notes, &note).is_err() {
                return;
            }
        }
    })?;
    Ok(exits)
}
