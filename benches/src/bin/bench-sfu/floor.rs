//! What the kernel and the cipher cost without any SFU: receive, open, seal, send, on one core that has nearly
//! always something to do; asking in vain does not count.

use crate::measure::{CLIENTS, SERVER};
use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use loadtest::{consult::now, media::stay_on};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use std::{
    io::IoSliceMut,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// A media packet: header, payload, tag.
const HEADER: usize = 20;
const PAYLOAD: usize = 1_000;
const TAG: usize = 16;
const PACKET: usize = HEADER + PAYLOAD + TAG;

const READ_BYTES: usize = 65_536;

/// How packets come and go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// Reads in one call.
    reads: usize,
    /// Packets in one segmented datagram, in turn.
    runs: &'static [usize],
}

pub(crate) const WAYS: [Way; 4] = [
    Way { name: "one by one", reads: 1, runs: &[1] },
    Way { name: "read in batches of 32", reads: BATCH_SIZE, runs: &[1] },
    // What the clients send: a word is one packet, a frame some four, and words are twice as many.
    Way { name: "the same, in runs as the load has them", reads: BATCH_SIZE, runs: &[4, 1, 1] },
    Way { name: "the same, runs of 4", reads: BATCH_SIZE, runs: &[4] },
];

impl Way {
    fn longest(self) -> usize {
        self.runs.iter().copied().max().unwrap_or(1)
    }
}

/// µs per packet.
pub(crate) fn measure(way: Way, ip: IpAddr, during: Duration) -> Result<f64> {
    let forwarder = Port::open(ip)?;
    let source = Port::open(ip)?;
    let (to, back) = (forwarder.addr()?, source.addr()?);
    let stop = Arc::new(AtomicBool::new(false));
    let flood = source.flood(to, way, Arc::clone(&stop))?;
    let forwarding = std::thread::spawn(move || forwarder.forward(back, way, during));
    let cost = forwarding.join().map_err(|_| anyhow::anyhow!("the forwarder panicked"))?;
    stop.store(true, Ordering::Relaxed);
    flood.join().map_err(|_| anyhow::anyhow!("the source panicked"))??;
    cost
}

struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
    key: LessSafeKey,
    buffer: Vec<u8>,
}

impl Port {
    fn open(ip: IpAddr) -> Result<Self> {
        let socket = UdpSocket::bind((ip, 0))?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).ok().context("a key")?;
        Ok(Self { socket, state, key: LessSafeKey::new(key), buffer: vec![0; READ_BYTES * BATCH_SIZE] })
    }

    fn addr(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// Reads, opens, seals and sends for so long; µs per packet.
    fn forward(mut self, to: SocketAddr, way: Way, during: Duration) -> Result<f64> {
        stay_on(SERVER)?;
        let mut out = Vec::with_capacity(READ_BYTES);
        let (mut packets, mut idle) = (0_u64, Duration::ZERO);
        let began = now();
        while began.elapsed() < during {
            let asked = now();
            let filled = read(&self.socket, &self.state, &mut self.buffer, way.reads)?;
            if filled.is_empty() {
                idle += asked.elapsed();
            }
            for (meta, bytes) in filled.iter().zip(self.buffer.chunks_mut(READ_BYTES)) {
                for packet in bytes[..meta.len].chunks_mut(meta.stride.max(1)) {
                    let (header, sealed) = packet.split_at_mut_checked(HEADER).context("a packet")?;
                    let plain = self
                        .key
                        .open_in_place(nonce(), Aad::from(&*header), sealed)
                        .ok()
                        .context("authentic")?;
                    out.extend_from_slice(header);
                    seal(&self.key, &mut out, plain)?;
                    packets += 1;
                    if out.len() >= PACKET * way.longest() {
                        send(&self.socket, &self.state, to, &out);
                        out.clear();
                    }
                }
                // What came together goes together.
                send(&self.socket, &self.state, to, &out);
                out.clear();
            }
        }
        let spent = began.elapsed();
        ensure!(
            packets > 1_000 && idle < spent / 2,
            "the source did not keep up: idle {idle:?} of {spent:?}"
        );
        Ok((spent - idle).as_secs_f64() * 1e6 / packets as f64)
    }

    /// Sends as fast as it can, and takes what comes back.
    fn flood(mut self, to: SocketAddr, way: Way, stop: Arc<AtomicBool>) -> Result<JoinHandle<Result<()>>> {
        let mut burst = Vec::new();
        // Longer runs than are read apart: the source must be cheaper than what it feeds.
        for _ in 0..way.longest() {
            burst.extend_from_slice(&[9; HEADER]);
            seal(&self.key, &mut burst, &[5; PAYLOAD])?;
        }
        Ok(std::thread::spawn(move || {
            stay_on(CLIENTS)?;
            while !stop.load(Ordering::Relaxed) {
                for run in way.runs.iter().cycle().take(18) {
                    send(&self.socket, &self.state, to, &burst[..run * PACKET]);
                }
                read(&self.socket, &self.state, &mut self.buffer, BATCH_SIZE)?;
            }
            Ok(())
        }))
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([3; 12])
}

/// Appends the payload, encrypted, behind the header that ends `out`.
fn seal(key: &LessSafeKey, out: &mut Vec<u8>, payload: &[u8]) -> Result<()> {
    let start = out.len();
    out.extend_from_slice(payload);
    let (before, plain) = out.split_at_mut(start);
    let header = before.get(before.len() - HEADER..).context("a header")?;
    let tag = key.seal_in_place_separate_tag(nonce(), Aad::from(header), plain).ok().context("sealed")?;
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

/// What a full socket does not take is lost, as on a network.
fn send(socket: &UdpSocket, state: &UdpSocketState, to: SocketAddr, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let transmit = Transmit {
        destination: to,
        ecn: None,
        contents: bytes,
        segment_size: (bytes.len() > PACKET).then_some(PACKET),
        src_ip: None,
    };
    let _ = state.try_send(UdpSockRef::from(socket), &transmit);
}

fn read(
    socket: &UdpSocket,
    state: &UdpSocketState,
    buffer: &mut [u8],
    reads: usize,
) -> Result<Vec<RecvMeta>> {
    let mut meta = [RecvMeta::default(); BATCH_SIZE];
    let mut slices: Vec<IoSliceMut<'_>> =
        buffer.chunks_mut(READ_BYTES).take(reads).map(IoSliceMut::new).collect();
    match state.recv(UdpSockRef::from(socket), &mut slices, &mut meta) {
        Ok(count) => Ok(meta[..count].to_vec()),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
