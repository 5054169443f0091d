//! Networks without a name: a namespace that only file descriptors and processes hold, with one device whose
//! other side is ours. When the last of them goes, so do the namespace, the device, its addresses and routes.

use super::{router::End, sys};
use anyhow::{Context as _, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use std::{
    fs::File,
    io::{Read as _, Seek as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd as _, AsRawFd as _},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// Packets the kernel keeps for the router when the router is late.
const DEVICE_QUEUE: usize = 5_000;

/// How long to try to reach a port, and how often.
const PORT_PATIENCE: Duration = Duration::from_secs(30);
const PORT_PAUSE: Duration = Duration::from_millis(50);

/// A network with one way out: the router.
#[derive(Debug)]
pub(super) struct Namespace {
    /// Reads what its programs send; writes what they receive.
    pub(super) tun: File,
    device: String,
    /// Holds it.
    net: File,
    /// The kernel's counts of its devices.
    counts: File,
}

impl Namespace {
    /// A new one, with the addresses of that end.
    ///
    /// # Errors
    /// The machine does not allow it; the error says what to have.
    pub(super) fn new(end: End, mtu: u16) -> Result<Self> {
        apart(|| {
            sys::unshare(UnshareFlags::NEWNET).context("a network namespace of its own")?;
            no_ipv6();
            Self::furnish("eth0", &setup(end, mtu, true))
        })
    }

    /// The one we are in, as the server's end. Refused where there is a way out of it: when our device is gone,
    /// what servers still send to clients would take that way.
    ///
    /// # Errors
    /// There is a default route, or the machine does not allow it.
    pub(super) fn here(mtu: u16) -> Result<Self> {
        let routes = std::fs::read_to_string("/proc/net/route").context("the routes of this network")?;
        let default = routes.lines().skip(1).find(|line| line.split_whitespace().nth(1) == Some("00000000"));
        if let Some(device) = default.and_then(|line| line.split_whitespace().next()) {
            bail!(
                "--here: this network has a way out (a default route through {device}), and what servers here \
                 still send when the test is over would take it. Start netem in a network of its own: \
                 unshare --net, or benches/in-namespace.sh"
            );
        }
        Self::furnish("netem%d", &setup(End::Server, mtu, false))
    }

    fn furnish(name: &str, setup: &str) -> Result<Self> {
        let (tun, device) =
            sys::tun(name).context("a TUN device: needs /dev/net/tun and the right to use it")?;
        ip(&setup.replace("DEVICE", &device))?;
        let net = File::open("/proc/thread-self/ns/net").context("/proc")?;
        let counts = File::open("/proc/thread-self/net/dev").context("/proc")?;
        Ok(Self { tun, device, net, counts })
    }

    /// Where to find it, for `nsenter --net=`, as long as this process lives.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.net.as_raw_fd())
    }

    /// Starts a command in it.
    ///
    /// # Errors
    /// There is no such command.
    pub(super) fn spawn(&self, command: &mut Command) -> Result<std::process::Child> {
        self.within(|| Ok(command.spawn()?))
    }

    /// Waits until something listens on a TCP port in it.
    ///
    /// # Errors
    /// Nothing does within 30 s, or `ended` says that nothing ever will.
    pub(super) fn wait_for(&self, address: SocketAddr, mut ended: impl FnMut() -> bool + Send) -> Result<()> {
        self.within(|| {
            for _ in 0..PORT_PATIENCE.as_millis() / PORT_PAUSE.as_millis() {
                if TcpStream::connect_timeout(&address, PORT_PATIENCE).is_ok() {
                    return Ok(());
                }
                ensure!(!ended(), "the server's command ended before anything listened on {address}");
                thread::sleep(PORT_PAUSE);
            }
            bail!("nothing listens on {address} after {PORT_PATIENCE:?}")
        })
    }

    /// Packets that the kernel dropped because the router did not fetch them in time.
    pub(super) fn overruns(&mut self) -> Option<u64> {
        let mut text = String::new();
        self.counts.rewind().ok()?;
        self.counts.read_to_string(&mut text).ok()?;
        let own =
            text.lines().find_map(|line| line.trim_start().strip_prefix(&self.device)?.strip_prefix(':'))?;
        // Eight counts of what was received, then of what was sent: bytes, packets, errors, drops.
        own.split_whitespace().nth(11)?.parse().ok()
    }

    fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        apart(|| {
            move_into_link_name_space(self.net.as_fd(), Some(LinkNameSpaceType::Network))
                .context("into the namespace")?;
            work()
        })
    }
}

/// On a thread of its own: namespaces belong to threads.
fn apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Lines for `ip -batch`.
fn setup(end: End, mtu: u16, whole: bool) -> String {
    let (address, gateway) = (end.address(), end.gateway());
    let mut text = format!(
        "addr add {address}/24 dev DEVICE\n\
         link set DEVICE mtu {mtu} txqueuelen {DEVICE_QUEUE} up\n"
    );
    text += &if whole {
        // Whatever is not ours goes to the router too, which refuses and counts it.
        format!("link set lo up\nroute add default via {gateway} dev DEVICE\n")
    } else {
        "route add 10.78.0.0/16 dev DEVICE\n".to_owned()
    };
    text
}

fn ip(lines: &str) -> Result<()> {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("ip: install iproute2")?;
    child.stdin.take().context("a pipe")?.write_all(lines.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "ip: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// The router speaks IPv4 only: programs shall not try anything else first. Where the kernel has no IPv6 there
/// is nothing to turn off. ::1 stays.
fn no_ipv6() {
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}
