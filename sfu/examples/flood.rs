//! Hostile datagrams for a running server: garbage, and packets that look as if they came from
//! somebody in a call. The browser tests run it against a server of their own, in a network
//! namespace; it needs the right to open a raw socket.
//!
//! ```text
//! flood --to 10.77.0.1:50000 --as 10.77.0.1:41234 --username abcd:efgh --pps 50000 --seconds 30
//! ```

use anyhow::{Context, Result, bail};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// Largest payload sent, bytes: what fits an Ethernet frame.
const MAX_PAYLOAD: usize = 1_400;
/// Packets go out in a burst each step.
const STEP: Duration = Duration::from_millis(1);

struct Args {
    to: SocketAddrV4,
    /// Addresses of people in the call, to be impersonated.
    as_: Vec<SocketAddrV4>,
    /// `remote:local` user name fragments of a live session, so that a STUN request is looked at.
    username: String,
    pps: u64,
    seconds: u64,
}

fn main() -> Result<()> {
    let args = parse()?;
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))
        .context("opening a raw socket")?;
    let destination = SockAddr::from(args.to);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut packet = [0_u8; IP_HEADER + UDP_HEADER + MAX_PAYLOAD];
    #[expect(clippy::disallowed_methods, reason = "a tool that paces itself")]
    let (start, mut sent, mut refused) = (Instant::now(), 0_u64, 0_u64);
    let total = args.pps * args.seconds;
    while sent + refused < total {
        let due = (start.elapsed().as_micros() as u64 * args.pps / 1_000_000).min(total);
        while sent + refused < due {
            let (from, length) = hostile(&mut packet[IP_HEADER + UDP_HEADER..], &args, &mut random);
            let whole = address(&mut packet, from, args.to, length);
            match socket.send_to(&packet[..whole], &destination) {
                Ok(_) => sent += 1,
                Err(_) => refused += 1,
            }
        }
        std::thread::sleep(STEP);
    }
    let took = start.elapsed().as_secs_f64();
    println!(r#"{{"sent":{sent},"refused":{refused},"seconds":{took:.2},"pps":{:.0}}}"#, sent as f64 / took);
    Ok(())
}

/// One packet of what somebody without keys can make; returns whom it claims to be from.
fn hostile(payload: &mut [u8], args: &Args, random: &mut Random) -> (SocketAddrV4, usize) {
    let stranger =
        SocketAddrV4::new(Ipv4Addr::new(10, 77, random.byte(), random.byte()), random.word() | 1024);
    let insider = args.as_[random.below(args.as_.len())];
    match random.below(8) {
        // A STUN request with the right user name and a guessed key: from a stranger, from an insider.
        0 | 1 => (stranger, stun(payload, &args.username, random)),
        2 | 3 => (insider, stun(payload, &args.username, random)),
        // DTLS and media by their first byte (RFC 7983), from an insider's address.
        4 => (insider, shaped(payload, 20 + random.below(5) as u8, random)),
        5 => (insider, shaped(payload, 0x80, random)),
        // Anything, from anybody.
        6 => (insider, noise(payload, random)),
        _ => (stranger, noise(payload, random)),
    }
}

fn noise(payload: &mut [u8], random: &mut Random) -> usize {
    let length = random.below(MAX_PAYLOAD) + 1;
    payload[..length].iter_mut().for_each(|byte| *byte = random.byte());
    length
}

fn shaped(payload: &mut [u8], first: u8, random: &mut Random) -> usize {
    let length = noise(payload, random).max(40);
    payload[0] = first;
    length
}

/// Binding request (RFC 8489 §5) with USERNAME, USE-CANDIDATE and a MESSAGE-INTEGRITY of noise.
fn stun(payload: &mut [u8], username: &str, random: &mut Random) -> usize {
    let name = username.as_bytes();
    let padded = name.len().next_multiple_of(4);
    let attributes = 4 + padded + 4 + 24;
    payload[..2].copy_from_slice(&[0, 1]);
    payload[2..4].copy_from_slice(&(attributes as u16).to_be_bytes());
    payload[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
    payload[8..20].iter_mut().for_each(|byte| *byte = random.byte());
    let mut at = 20;
    payload[at..at + 2].copy_from_slice(&[0, 6]);
    payload[at + 2..at + 4].copy_from_slice(&(name.len() as u16).to_be_bytes());
    payload[at + 4..at + 4 + padded].fill(0);
    payload[at + 4..at + 4 + name.len()].copy_from_slice(name);
    at += 4 + padded;
    payload[at..at + 4].copy_from_slice(&[0, 0x25, 0, 0]);
    at += 4;
    payload[at..at + 4].copy_from_slice(&[0, 8, 0, 20]);
    payload[at + 4..at + 24].iter_mut().for_each(|byte| *byte = random.byte());
    20 + attributes
}

/// Writes the IPv4 and UDP headers; the kernel fills in length and checksum of the former, and none is
/// needed for the latter. Returns the whole length.
fn address(packet: &mut [u8], from: SocketAddrV4, to: SocketAddrV4, payload: usize) -> usize {
    let datagram = (UDP_HEADER + payload) as u16;
    packet[..IP_HEADER].fill(0);
    packet[0] = 0x45;
    packet[8] = 64;
    packet[9] = libc::IPPROTO_UDP as u8;
    packet[12..16].copy_from_slice(&from.ip().octets());
    packet[16..20].copy_from_slice(&to.ip().octets());
    packet[20..22].copy_from_slice(&from.port().to_be_bytes());
    packet[22..24].copy_from_slice(&to.port().to_be_bytes());
    packet[24..26].copy_from_slice(&datagram.to_be_bytes());
    packet[26..28].fill(0);
    IP_HEADER + UDP_HEADER + payload
}

/// Repeatable noise (xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 32) as u8
    }

    fn word(&mut self) -> u16 {
        (self.next() >> 32) as u16
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

fn parse() -> Result<Args> {
    let mut args = Args {
        to: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
        as_: Vec::new(),
        username: String::new(),
        pps: 50_000,
        seconds: 30,
    };
    let mut words = std::env::args().skip(1);
    while let Some(flag) = words.next() {
        let value = words.next().with_context(|| format!("{flag} wants a value"))?;
        match flag.as_str() {
            "--to" => args.to = value.parse()?,
            "--as" => args.as_.push(value.parse()?),
            "--username" => args.username = value,
            "--pps" => args.pps = value.parse()?,
            "--seconds" => args.seconds = value.parse()?,
            _ => bail!("unknown flag {flag}"),
        }
    }
    if args.as_.is_empty() || args.to.port() == 0 {
        bail!("--to and at least one --as are needed");
    }
    Ok(args)
}
