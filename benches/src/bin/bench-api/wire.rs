//! A connection of somebody who is signed in: HTTP/1.1 by hand, so that the load costs little.

use crate::people::Person;
use anyhow::{Context as _, Result, ensure};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

/// Longest wait for an answer; a run in which something takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest head and body taken, bytes.
const LONGEST: usize = 1024 * 1024;

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) what: &'static str,
    pub(crate) status: u16,
    /// From when it was due until all of the answer was there.
    pub(crate) ms: f64,
    /// Seconds from when the first request of the connection was due until the answer.
    pub(crate) at_s: f64,
}

pub(crate) struct Wire {
    stream: TcpStream,
    head: String,
    me: String,
    bytes: Vec<u8>,
    began: Option<Instant>,
}

impl Wire {
    pub(crate) fn open(person: &Person) -> Result<Self> {
        let stream = TcpStream::connect(&person.at)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head =
            format!("HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n", person.at, person.token);
        Ok(Self { stream, head, me: person.id.clone(), bytes: Vec::with_capacity(64 * 1024), began: None })
    }

    /// Asks when it is due, or at once if that has passed.
    pub(crate) fn ask_at(&mut self, due: Instant, what: &'static str) -> Result<Sample> {
        let path = match what {
            "one" => format!("/api/v1/people/{}", self.me),
            "page" => "/api/v1/people?limit=10".to_owned(),
            _ => "/api/v1/me".to_owned(),
        };
        let request = format!("GET {path} {}", self.head);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        self.stream.write_all(request.as_bytes())?;
        let status = self.answer().context(what)?;
        let at_s = self.began.get_or_insert(due).elapsed().as_secs_f64();
        Ok(Sample { what, status, ms: due.elapsed().as_secs_f64() * 1e3, at_s })
    }

    fn answer(&mut self) -> Result<u16> {
        self.bytes.clear();
        let mut piece = [0; 16 * 1024];
        let mut whole = None;
        loop {
            let read = self.stream.read(&mut piece)?;
            ensure!(read > 0, "the server hung up");
            self.bytes.extend_from_slice(&piece[..read]);
            ensure!(self.bytes.len() <= LONGEST, "an endless answer");
            if whole.is_none()
                && let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")
            {
                whole = Some((end, end + 4 + length(std::str::from_utf8(&self.bytes[..end])?)?));
            }
            if let Some((_, all)) = whole.filter(|(_, all)| self.bytes.len() >= *all) {
                ensure!(self.bytes.len() == all, "more than one answer");
                let status = std::str::from_utf8(&self.bytes[..all.min(12)])?.split(' ').nth(1);
                return status.and_then(|status| status.parse().ok()).context("not an answer");
            }
        }
    }
}

fn length(head: &str) -> Result<usize> {
    let of = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    };
    head.lines().find_map(of).context("an answer without a length")
}
