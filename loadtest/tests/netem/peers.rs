//! The programs at both ends: this test binary itself, told by `PEER` which one to be. What a client finds out
//! it writes to the file that `PEER_OUT` names.

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

const PORT: u16 = 9_000;

/// A shell command that is that peer.
pub(crate) fn line(role: &str) -> String {
    format!("PEER=\"{role}\" {} --exact peer --nocapture --quiet >&2", env::current_exe().unwrap().display())
}

pub(crate) fn play(role: &str) {
    let words: Vec<&str> = role.split(' ').collect();
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    let found = match words[0] {
        "echo" => return echo(),
        "count" => return count(),
        "stream" => return stream(number(1)),
        "pings" => pings(number(1), number(2), words.get(3).copied()),
        "blast" => blast(number(1), number(2), number(3)),
        "collect" => collect(number(1)),
        "outside" => outside(words[1]),
        other => panic!("no peer {other}"),
    };
    // Whole at once, for whoever waits for the file.
    let path = env::var("PEER_OUT").unwrap();
    fs::write(format!("{path}.part"), found.to_string()).unwrap();
    fs::rename(format!("{path}.part"), path).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "peers measure time")]
fn now() -> Instant {
    Instant::now()
}

fn server() -> SocketAddr {
    let address = env::var("NETEM_SERVER").unwrap();
    format!("{address}:{PORT}").parse().unwrap()
}

/// A UDP socket, and a TCP one by which `--wait-for` sees that it is there.
fn listen() -> (UdpSocket, TcpListener) {
    let socket = UdpSocket::bind(("0.0.0.0", PORT)).unwrap();
    (socket, TcpListener::bind(("0.0.0.0", PORT)).unwrap())
}

/// Answers each datagram with itself and who sent it.
fn echo() {
    let (socket, _ready) = listen();
    let mut buffer = [0; 2_000];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        let answer = [&buffer[..length], from.to_string().as_bytes()].concat();
        let _ = socket.send_to(&answer, from);
    }
}

/// Numbered datagrams, a gap apart; what came of each.
fn pings(count: u64, gap_ms: u64, to: Option<&str>) -> Value {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let to = to.map_or_else(server, |ip| format!("{ip}:{PORT}").parse().unwrap());
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    let sender = socket.try_clone().unwrap();
    let start = now();
    let gap = Duration::from_millis(gap_ms);
    let sending = thread::spawn(move || {
        let mut sent = Vec::new();
        for i in 0..count {
            thread::sleep((start + gap * i as u32).saturating_duration_since(now()));
            sent.push(now());
            let _ = sender.send(&i.to_be_bytes());
        }
        sent
    });
    let mut answers = Vec::new();
    let mut buffer = [0; 2_000];
    while start.elapsed() < gap * count as u32 + Duration::from_millis(700) {
        if let Ok(length) = socket.recv(&mut buffer) {
            let (number, seen) = buffer[..length].split_at(8);
            let number = u64::from_be_bytes(number.try_into().unwrap());
            answers.push((number, now(), String::from_utf8(seen.to_vec()).unwrap()));
        }
    }
    let sent = sending.join().unwrap();
    let each = (0..count).map(|i| match answers.iter().find(|(number, ..)| *number == i) {
        Some((_, at, seen)) => {
            json!({ "rtt_ms": at.duration_since(sent[i as usize]).as_secs_f64() * 1e3, "seen": seen })
        }
        None => json!({ "rtt_ms": null }),
    });
    each.collect()
}

/// Counts datagrams that begin with `d` and when they were sent; says how many, to one that begins with `?`.
fn count() {
    let (socket, _ready) = listen();
    let (mut packets, mut bits, mut first_sent_ns, mut last_ns) = (0_u64, 0, None, 0);
    let mut buffer = [0; 2_000];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        if buffer[0] == b'd' {
            packets += 1;
            // Headers included.
            bits += (length as u64 + 28) * 8;
            // From a sending to an arrival: however late this process is, the rate does not look higher.
            let sent_ns = u64::from_be_bytes(buffer[1..9].try_into().unwrap());
            first_sent_ns.get_or_insert(sent_ns);
            last_ns = monotonic_ns();
        } else {
            let us = (last_ns - first_sent_ns.unwrap_or(last_ns)) / 1_000;
            let answer = json!({ "packets": packets, "bits": bits, "us": us }).to_string();
            let _ = socket.send_to(answer.as_bytes(), from);
        }
    }
}

/// The same in every process.
fn monotonic_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Datagrams of one size, a gap apart; what the server says that it got.
fn blast(count: u64, bytes: u64, gap_us: u64) -> Value {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect(server()).unwrap();
    let mut datagram = vec![b'd'; bytes as usize];
    let start = now();
    for i in 0..count {
        thread::sleep((start + Duration::from_micros(gap_us * i)).saturating_duration_since(now()));
        datagram[1..9].copy_from_slice(&monotonic_ns().to_be_bytes());
        socket.send(&datagram).unwrap();
    }
    thread::sleep(Duration::from_millis(500));
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut buffer = [0; 2_000];
    for _ in 0..20 {
        let _ = socket.send(b"?");
        if let Ok(length) = socket.recv(&mut buffer) {
            return serde_json::from_slice(&buffer[..length]).unwrap();
        }
    }
    panic!("the server does not say what it got");
}

fn byte(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9) >> 16) as u8
}

/// Sends so many bytes to everybody who connects.
fn stream(bytes: u64) {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).unwrap();
    let content: Vec<u8> = (0..bytes).map(byte).collect();
    for mut stream in listener.incoming().flatten() {
        // Whoever only looks whether somebody listens hangs up.
        let _ = stream.write_all(&content);
    }
}

/// Reads them, and checks.
fn collect(bytes: u64) -> Value {
    let start = now();
    let mut stream = TcpStream::connect(server()).unwrap();
    let mut content = Vec::new();
    stream.read_to_end(&mut content).unwrap();
    let whole = content.len() as u64 == bytes && (0..bytes).zip(&content).all(|(at, it)| byte(at) == *it);
    json!({ "whole": whole, "seconds": start.elapsed().as_secs_f64() })
}

/// Tries an address that is none of ours.
fn outside(address: &str) -> Value {
    let start = now();
    let connected = TcpStream::connect_timeout(&address.parse().unwrap(), Duration::from_secs(3));
    json!({ "refused": connected.is_err(), "ms": start.elapsed().as_secs_f64() * 1e3 })
}
