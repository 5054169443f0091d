//! The loop that carries packets between devices: one thread, one poll.

use super::{
    namespace::Namespace,
    report::Cost,
    router::{End, Router},
};
use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::BorrowedFd,
    io::{Errno, read, write},
    thread::{gettid, set_current_timer_slack},
    time::{ClockId, clock_gettime},
};
use std::{num::NonZeroU64, process::Command, time::Duration};

/// Packets fetched from one device before the others have their turn.
const BATCH: usize = 64;

/// Longest packet a device may have, bytes; one more would be cut.
pub(super) const LONGEST: u16 = 9_000;

/// Longest lateness told apart, µs: a minute.
const LATEST_US: u64 = 60_000_000;

/// The router with its devices and its clock, which starts at 0.
pub(super) struct Wire {
    pub(super) router: Router,
    server: Namespace,
    clients: Vec<Namespace>,
    zero: Duration,
    cpu_before: Duration,
    buffer: Vec<u8>,
    packets: u64,
    undelivered: u64,
    late: Histogram<u64>,
}

impl Wire {
    /// Time starts now.
    pub(super) fn new(router: Router, server: Namespace, clients: Vec<Namespace>) -> Result<Self> {
        // The kernel gathers wake-ups 50 µs apart to save power; a wire does not.
        set_current_timer_slack(NonZeroU64::new(1)).context("the timer slack")?;
        go_first();
        Ok(Self {
            router,
            server,
            clients,
            zero: clock(ClockId::Monotonic),
            cpu_before: clock(ClockId::ThreadCPUTime),
            buffer: vec![0; usize::from(LONGEST) + 1],
            packets: 0,
            undelivered: 0,
            late: Histogram::new_with_bounds(1, LATEST_US, 3)?,
        })
    }

    /// Nanoseconds since the start.
    pub(super) fn now_ns(&self) -> u64 {
        ns(clock(ClockId::Monotonic).saturating_sub(self.zero))
    }

    /// Hands over what is due, sleeps until there is something to do or `until_ns`, fetches what was sent.
    /// Which of `others` can be read: a bit each.
    pub(super) fn turn(&mut self, others: &[BorrowedFd<'_>], until_ns: Option<u64>) -> Result<u32> {
        self.deliver();
        let next = self.router.poll_timeout().into_iter().chain(until_ns).min();
        let now = self.now_ns();
        let wait = next.map(|at| Duration::from_nanos(at.saturating_sub(now)));
        let wait = wait.map(|wait| Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        });

        let devices = std::iter::once(&self.server).chain(&self.clients);
        let mut fds: Vec<_> = devices.map(|device| PollFd::new(&device.tun, PollFlags::IN)).collect();
        fds.extend(others.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)));
        match poll(&mut fds, wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("poll"),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        let (devices, others) = ready.split_at(1 + self.clients.len());
        for (index, _) in devices.iter().enumerate().filter(|(_, ready)| **ready) {
            self.fetch(index.checked_sub(1).map_or(End::Server, End::Client));
        }
        Ok(others.iter().enumerate().map(|(bit, ready)| u32::from(*ready) << bit).sum())
    }

    /// What it has cost so far, in the thread that calls.
    pub(super) fn cost(&mut self) -> Cost {
        let cpu = clock(ClockId::ThreadCPUTime).saturating_sub(self.cpu_before);
        let devices = std::iter::once(&mut self.server).chain(&mut self.clients);
        Cost {
            packets: self.packets,
            cpu_us_per_packet: cpu.as_secs_f64() * 1e6 / self.packets.max(1) as f64,
            late_us_p50: self.late.value_at_quantile(0.50),
            late_us_p99: self.late.value_at_quantile(0.99),
            late_us_max: self.late.max(),
            overruns: devices.filter_map(Namespace::overruns).sum(),
            undelivered: self.undelivered,
        }
    }

    fn deliver(&mut self) {
        self.router.handle_timeout(self.now_ns());
        while let Some(delivery) = self.router.poll(self.now_ns()) {
            self.hand_over(delivery.to, &delivery.packet);
            self.late.saturating_record(self.now_ns().saturating_sub(delivery.due_ns) / 1_000);
        }
    }

    fn fetch(&mut self, from: End) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..BATCH {
            let Ok(length) = read(&self.device(from).tun, &mut buffer[..]) else { break };
            self.packets += 1;
            let now = self.now_ns();
            if let Some(refusal) = self.router.handle_packet(now, from, &buffer[..length]) {
                self.hand_over(from, &refusal);
            }
        }
        self.buffer = buffer;
    }

    fn hand_over(&mut self, to: End, packet: &[u8]) {
        if write(&self.device(to).tun, packet).is_err() {
            self.undelivered += 1;
        }
    }

    fn device(&self, end: End) -> &Namespace {
        match end {
            End::Server => &self.server,
            End::Client(index) => &self.clients[index],
        }
    }
}

/// This thread, and none that it starts, runs before the programs at both ends: a wire does not wait for a
/// browser. A nice value would not do, which counts within a session only (sched(7), autogroup). Where it is not
/// allowed the report tells how late the router was.
fn go_first() {
    let thread = gettid().as_raw_pid().to_string();
    let _ = Command::new("chrt").args(["--rr", "--reset-on-fork", "--pid", "1", &thread]).output();
}

fn clock(which: ClockId) -> Duration {
    let time = clock_gettime(which);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
