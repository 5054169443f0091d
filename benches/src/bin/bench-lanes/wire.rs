//! A connection that asks the same kind of thing again and again, for as little processor time as can be: what the
//! load costs its own core, it cannot offer.

use anyhow::{Context as _, Result, bail, ensure};
use loadtest::{consult::now, net::Origin};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Longest wait for an answer; a run in which something takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest head and body taken, bytes.
const LONGEST: usize = 1024 * 1024;

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) says_when_to_retry: bool,
    /// From when the request was due, if the connection was late for it, or else from when it was sent.
    pub(crate) took: Duration,
    /// How late it was sent.
    pub(crate) late: Duration,
}

/// One HTTP/1.1 connection, opened when it is needed.
#[derive(Debug)]
pub(crate) struct Wire {
    at: Origin,
    stream: Option<TcpStream>,
    bytes: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(at: &Origin) -> Self {
        Self { at: at.clone(), stream: None, bytes: Vec::with_capacity(64 * 1024) }
    }

    /// Asks at the time it is due, or at once if that has passed.
    pub(crate) async fn ask_at(&mut self, due: Instant, request: &[u8]) -> Result<Answer> {
        let free = now();
        tokio::time::sleep_until(due.into()).await;
        let sent = now();
        // The timer may ring a millisecond late, which is not the server's doing.
        let begin = if free > due { due } else { sent };
        let (status, says_when_to_retry) =
            timeout(PATIENCE, self.exchange(request)).await.context("no answer")??;
        let (took, late) = (begin.elapsed(), sent.saturating_duration_since(due));
        Ok(Answer { status, says_when_to_retry, took, late })
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<(u16, bool)> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.at.place()).await?;
                stream.set_nodelay(true)?;
                self.stream.insert(stream)
            }
        };
        stream.write_all(request).await?;
        self.bytes.clear();
        let (head, start) = loop {
            ensure!(stream.read_buf(&mut self.bytes).await? > 0, "the server hung up");
            if let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break (Head::read(std::str::from_utf8(&self.bytes[..end])?)?, end + 4);
            }
            ensure!(self.bytes.len() <= LONGEST, "an endless head");
        };
        ensure!(head.length <= LONGEST, "an endless body");
        while self.bytes.len() < start + head.length {
            ensure!(stream.read_buf(&mut self.bytes).await? > 0, "the server hung up");
        }
        if head.closes {
            self.stream = None;
        }
        Ok((head.status, head.says_when_to_retry))
    }

    /// The same, not connected.
    pub(crate) fn anew(self) -> Self {
        Self { stream: None, ..self }
    }
}

/// What matters of an answer's head.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    length: usize,
    says_when_to_retry: bool,
    closes: bool,
}

impl Head {
    fn read(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.context("not an answer")?;
        let mut head = Self { status, length: 0, says_when_to_retry: false, closes: false };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { bail!("a header without a value") };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => head.length = value.trim().parse().context("content-length")?,
                "retry-after" => head.says_when_to_retry = value.trim().parse::<u32>().is_ok(),
                "connection" => head.closes = value.trim().eq_ignore_ascii_case("close"),
                "transfer-encoding" => bail!("an answer without a length"),
                _ => {}
            }
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_it_went_how_long_the_body_is_and_when_to_come_again() {
        let shed =
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 12\r\nretry-after: 10\r\nConnection: close";
        let head = Head::read(shed).unwrap();
        assert_eq!(head, Head { status: 503, length: 12, says_when_to_retry: true, closes: true });
        let good = Head::read("HTTP/1.1 200 OK\r\ncontent-length: 3").unwrap();
        assert_eq!(good, Head { status: 200, length: 3, says_when_to_retry: false, closes: false });
        assert!(!Head::read("HTTP/1.1 503 x\r\nretry-after: soon").unwrap().says_when_to_retry);
        for bad in ["", "HTTP/1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "HTTP/1.1 200 OK\r\nx"] {
            assert!(Head::read(bad).is_err(), "{bad}");
        }
    }
}
