//! `telehealth doctor`: looks at what the configuration needs and says what to mend. Changes nothing.

use crate::{
    cli::Common,
    config::{self, Config, Kek},
    http, plan, tls,
    wiring::{self, vault::Unopened},
};
use platform::{
    clock::SystemClock,
    vault::provider::file::{FileKeys, FileKeysError},
};
use std::{
    fs,
    io::{self, Write},
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    path::Path,
    process::Command,
    sync::Arc,
    time::Instant,
};

/// One finding.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    Good(String),
    Warning(String),
    Bad(String),
}

use Finding::{Bad, Good, Warning};

/// Writes one line per finding; true when nothing is bad.
pub(crate) fn run(out: &mut impl Write, common: &Common) -> io::Result<bool> {
    let findings = match config::load(common) {
        Ok(config) => examine(&config),
        Err(error) => vec![Bad(format!("configuration: {error}"))],
    };
    for finding in &findings {
        match finding {
            Good(text) => writeln!(out, "ok    {text}")?,
            Warning(text) => writeln!(out, "warn  {text}")?,
            Bad(text) => writeln!(out, "FAIL  {text}")?,
        }
    }
    Ok(!findings.iter().any(|finding| matches!(finding, Bad(_))))
}

fn examine(config: &Config) -> Vec<Finding> {
    let running = is_running(&config.data_dir);
    let mut findings = vec![Good("configuration: every key is known and every value is possible".into())];
    findings.extend(data_directory(&config.data_dir, running));
    findings.extend(keys(config));
    findings.extend(listeners(config, running));
    findings.extend(media_ports(&config.sfu, running));
    findings.push(addresses(&config.sfu));
    findings.extend(kernel());
    if portal_api::Assets::new(config.portal.web_dir.clone()).are_missing() {
        findings.push(Warning("pages: not built; run `make web`".into()));
    }
    findings
}

/// Whether a server holds the data directory's lock.
fn is_running(dir: &Path) -> bool {
    let lock = fs::File::open(dir.join("events.lock"));
    lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

fn data_directory(dir: &Path, running: bool) -> Vec<Finding> {
    let name = dir.display();
    if running {
        return vec![Good(format!("data directory {name}: in use by a running server"))];
    }
    let beside = existing(dir);
    match sync_time(beside) {
        Err(error) => vec![Bad(format!("data directory {name}: cannot be written: {error}"))],
        Ok(millis) => {
            let mut findings = vec![if millis < 50.0 {
                Good(format!("data directory {name}: writable, {millis:.1} ms for a durable write"))
            } else {
                Warning(format!(
                    "data directory {name}: a durable write takes {millis:.0} ms; every command waits for one"
                ))
            }];
            findings.extend(free_space(beside));
            findings
        }
    }
}

/// The directory itself, or the nearest one above it that exists: where it would be made.
fn existing(dir: &Path) -> &Path {
    let exists = |dir: &&Path| dir.is_dir();
    dir.ancestors().find(exists).unwrap_or_else(|| Path::new("."))
}

/// Median of a few small writes with fsync, in milliseconds.
#[expect(clippy::disallowed_methods, reason = "measures how long the disk takes")]
fn sync_time(dir: &Path) -> io::Result<f64> {
    let path = dir.join(".doctor");
    let mut file = fs::File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        file.write_all(&[0; 4_096])?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1_000.0);
    }
    fs::remove_file(&path)?;
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn free_space(dir: &Path) -> Option<Finding> {
    let output = Command::new("df").arg("--output=avail").arg("-k").arg(dir).output().ok()?;
    let kib: u64 = String::from_utf8(output.stdout).ok()?.lines().nth(1)?.trim().parse().ok()?;
    let mib = kib / 1_024;
    Some(if mib < 512 {
        Warning(format!("disk: {mib} MiB free; nothing can be recorded once it is full"))
    } else {
        Good(format!("disk: {mib} MiB free"))
    })
}

fn keys(config: &Config) -> Vec<Finding> {
    let dir = wiring::keys_dir(config);
    if !dir.exists() {
        let keyring = config.data_dir.join(wiring::vault::KEYRING);
        // What was sealed cannot be read with other keys than those it was sealed under.
        if config.keyring().is_none() && keyring.exists() && config.vault.kek == Kek::File {
            return vec![Bad(format!(
                "keys: {} is gone, and the keyring was made with it: put your copy back",
                dir.display()
            ))];
        }
        return vec![Good("keys: will be made at the first start".into())];
    }
    let present = match platform::keys::Keys::load_or_create(&dir) {
        Ok(_) => Good("keys: present, readable by their owner only".into()),
        Err(error) => Bad(format!("keys: {error}")),
    };
    vec![present, encryption(config)]
}

/// Whether what was sealed can be opened: the key encryption key is there, and is the one.
fn encryption(config: &Config) -> Finding {
    if config.keyring().is_none() && !config.data_dir.join(wiring::vault::KEYRING).exists() {
        return Good("encryption: its keys will be made at the first start".into());
    }
    if config.keyring().is_some() && config.vault.kek == Kek::File {
        // The database is not touched: a start brings its schema to this version.
        return match FileKeys::open(&wiring::keys_dir(config), false) {
            Ok(_) => Good(
                "encryption: a key encryption key is there; a start says whether it is the keyring's".into(),
            ),
            Err(FileKeysError::Missing { dir }) => Warning(format!(
                "encryption: no key encryption key in {}: one is made at the first start, if the keyring is empty",
                dir.display()
            )),
            Err(error) => Bad(format!("encryption: {error}")),
        };
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Bad("encryption: cannot be looked at".into());
    };
    let (clock, registry) = (Arc::new(SystemClock), prometheus::Registry::new());
    match runtime.block_on(wiring::vault::open_checked(config, clock, &registry)) {
        Ok(_) => Good("encryption: every healthcare unit's keys can be unwrapped".into()),
        Err(Unopened::Yet(said)) => Warning(format!("encryption: {said}")),
        Err(Unopened::AtAll(failure)) => Bad(format!("encryption: {failure}")),
    }
}

fn listeners(config: &Config, running: bool) -> Vec<Finding> {
    let tls = match tls::from_config(&config.http) {
        Ok(tls) => tls.is_some(),
        Err(error) => return vec![Bad(error.to_string())],
    };
    let http = plan::listen(config, tls).map_err(|error| error.to_string());
    let metrics = http::parse("metrics.listen", &config.metrics.listen).map_err(|error| error.to_string());
    let mut findings = Vec::new();
    for (key, addresses) in [("http.listen", http), ("metrics.listen", metrics)] {
        match addresses {
            Err(said) => findings.push(Bad(said)),
            Ok(addresses) => {
                findings.extend(addresses.iter().map(|address| tcp_port(key, *address, running)))
            }
        }
    }
    findings
}

fn tcp_port(key: &str, address: SocketAddr, running: bool) -> Finding {
    judge(key, "TCP", address, TcpListener::bind(address).err(), running)
}

fn media_ports(sfu: &sfu::Config, running: bool) -> Vec<Finding> {
    if sfu.udp_port == 0 {
        return vec![Warning("sfu.udp_port: 0 takes free ports, which no firewall rule can name".into())];
    }
    let ports = (sfu.udp_port..).take(sfu.shards);
    ports
        .flat_map(|port| {
            let address = SocketAddr::new(sfu.bind, port);
            let udp = judge("sfu.udp_port", "UDP", address, UdpSocket::bind(address).err(), running);
            let tcp = sfu.tcp.then(|| tcp_port("sfu.udp_port", address, running));
            std::iter::once(udp).chain(tcp)
        })
        .collect()
}

fn judge(
    key: &str,
    transport: &str,
    address: SocketAddr,
    error: Option<io::Error>,
    running: bool,
) -> Finding {
    match error {
        None => Good(format!("{key}: {transport} {address} is free")),
        Some(error) if error.kind() == io::ErrorKind::AddrInUse && running => {
            Good(format!("{key}: {transport} {address} is in use, a server is running"))
        }
        Some(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Bad(format!("{key}: {transport} {address} is in use by another program"))
        }
        Some(error) if error.kind() == io::ErrorKind::AddrNotAvailable && address.is_ipv6() => {
            Warning(format!("{key}: {transport} {address}: this machine has no IPv6"))
        }
        Some(error) => Bad(format!("{key}: cannot listen on {transport} {address}: {error}")),
    }
}

fn addresses(sfu: &sfu::Config) -> Finding {
    let ips: Vec<IpAddr> = match &sfu.advertise {
        sfu::Advertise::These(these) => these.clone(),
        sfu::Advertise::EveryAddress => match crate::lan::addresses() {
            Ok((reachable, _)) => reachable,
            Err(error) => return Bad(format!("addresses: cannot be read: {error}")),
        },
    };
    let list = ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if ips.iter().any(|ip| is_public(*ip)) {
        Good(format!("addresses: clients are told {list}"))
    } else if ips.is_empty() {
        Warning("addresses: this machine has none but loopback; only browsers on it can call".into())
    } else {
        Warning(format!(
            "addresses: clients are told {list}, which only this network reaches; for others set sfu.advertise to \
             the public address"
        ))
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation()
                || v4.is_unspecified()
                || shared)
        }
        IpAddr::V6(v6) => {
            let documentation = v6.segments()[..2] == [0x2001, 0xdb8];
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || documentation)
        }
    }
}

/// Limits of the system that are lower than the media plane can use.
fn kernel() -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in ["rmem_max", "wmem_max"] {
        let value = fs::read_to_string(format!("/proc/sys/net/core/{name}")).ok();
        if let Some(bytes) = value.and_then(|text| text.trim().parse::<usize>().ok())
            && bytes < sfu::limits::SOCKET_BUFFER
        {
            findings.push(Warning(format!(
                "net.core.{name}: {bytes} bytes; {wanted} keeps media through a burst (sysctl -w net.core.{name}={wanted})",
                wanted = sfu::limits::SOCKET_BUFFER
            )));
        }
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
    if let Some(files) = files.filter(|files: &u64| *files < 8_192) {
        findings.push(Warning(format!("open files: at most {files}; each connection is one (ulimit -n)")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_told_from_the_others() {
        for (ip, public) in [
            ("8.8.8.8", true),
            ("2606:4700::1111", true),
            ("10.0.0.1", false),
            ("100.64.0.1", false),
            ("192.0.2.1", false),
            ("::ffff:192.168.0.1", false),
            ("fd00::1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), public, "{ip}");
        }
    }

    #[test]
    fn a_port_in_use_is_bad_unless_our_own_server_uses_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert!(
            matches!(tcp_port("http.listen", address, false), Bad(text) if text.contains("in use by another program"))
        );
        assert!(matches!(tcp_port("http.listen", address, true), Good(_)));
        drop(taken);
        assert!(matches!(tcp_port("http.listen", address, false), Good(_)));
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_bad_and_nothing_is_left_behind_in_one_that_can() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(data_directory(&dir.path().join("a/b"), false)[0], Good(_) | Warning(_)));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(matches!(data_directory(Path::new("/proc/1"), false)[0], Bad(_)));
    }
}
