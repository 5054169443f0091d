//! What Linux says of a process and of its sockets.

use anyhow::{Context as _, Result};
use std::{fs, time::Duration};

/// Clock ticks a second in `/proc/<pid>/stat` (proc_pid_stat(5); 100 on every Linux there is).
const TICKS: u64 = 100;

/// Processor time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Processor {
    /// In the program.
    pub user: Duration,
    /// In the kernel on its behalf.
    pub system: Duration,
}

impl Processor {
    /// What a process has used so far, all its threads together.
    ///
    /// # Errors
    /// There is no such process.
    pub fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name may hold spaces and brackets; the fields count from behind it.
        let fields: Vec<&str> = stat.rsplit(')').next().context("a name")?.split_whitespace().collect();
        let ticks = |n: usize| -> Result<Duration> {
            Ok(Duration::from_millis(fields.get(n).context("a field")?.parse::<u64>()? * 1_000 / TICKS))
        };
        Ok(Self { user: ticks(11)?, system: ticks(12)? })
    }

    /// What was used since then.
    #[must_use]
    pub fn since(self, then: Self) -> Self {
        Self { user: self.user.saturating_sub(then.user), system: self.system.saturating_sub(then.system) }
    }
}

/// Memory of a process that is in RAM, KiB.
///
/// # Errors
/// There is no such process.
pub fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Datagrams that sockets of this network namespace had no room for, both ways, so far.
///
/// # Errors
/// The kernel does not say.
pub fn socket_drops() -> Result<u64> {
    let snmp = fs::read_to_string("/proc/net/snmp")?;
    let mut udp = snmp.lines().filter_map(|line| line.strip_prefix("Udp:"));
    let (names, values) = (udp.next().context("names")?, udp.next().context("values")?);
    let four: u64 = names
        .split_whitespace()
        .zip(values.split_whitespace())
        .filter(|(name, _)| matches!(*name, "RcvbufErrors" | "SndbufErrors"))
        .filter_map(|(_, value)| value.parse::<u64>().ok())
        .sum();
    // Absent without IPv6.
    let six: u64 = fs::read_to_string("/proc/net/snmp6")
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("Udp6RcvbufErrors") || line.starts_with("Udp6SndbufErrors"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum();
    Ok(four + six)
}

/// The processor's name, and the kernel's.
#[must_use]
pub fn names() -> (String, String) {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    (model.map_or("unknown", |(_, name)| name).to_owned(), format!("Linux {}", kernel.trim()))
}

/// Memory of the machine, KiB.
///
/// # Errors
/// The kernel does not say.
pub fn memory_kib() -> Result<u64> {
    let info = fs::read_to_string("/proc/meminfo")?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:")).context("MemTotal")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Files and sockets this process may have open, after asking for as many as the system allows; at least `wanted` if it
/// lets us.
#[must_use]
pub fn raise_open_files(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let enough = now.maximum.is_none_or(|most| most >= wanted);
    let more = Some(wanted.max(now.current.unwrap_or(u64::MAX)));
    let asked = if enough { now.maximum } else { more };
    // Only a privileged process may go above the hard limit; others get up to it.
    if setrlimit(Resource::Nofile, Rlimit { current: more, maximum: asked }).is_err() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_what_we_use() -> Result<()> {
        let before = Processor::of(std::process::id())?;
        let mut sum = 0_u64;
        while Processor::of(std::process::id())?.since(before).user < Duration::from_millis(50) {
            sum = sum.wrapping_add((0..100_000_u64).map(std::hint::black_box).sum());
        }
        assert!(std::hint::black_box(sum) > 0 && resident_kib(std::process::id())? > 500);
        socket_drops()?;
        Ok(())
    }
}
