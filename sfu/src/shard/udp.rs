//! One UDP port: batches in (GRO), runs of equal datagrams to one destination out (GSO).

use crate::{
    addresses, limits,
    metrics::{Drop, ShardMetrics},
};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use sfu_core::limits::MAX_DATAGRAM_BYTES;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
};

/// Room for one coalesced read.
const READ_BYTES: usize = 65_536;

/// Outgoing bytes gathered before they are flushed early.
const WRITE_BYTES: usize = 512 * 1024;

/// Longest datagram that is written: one of the longest taken, with what each hop adds anew.
const LONGEST: usize = MAX_DATAGRAM_BYTES + 100;

/// Most bytes in one segmented send.
const RUN_BYTES: usize = 60_000;

pub(crate) struct Udp {
    socket: UdpSocket,
    state: UdpSocketState,
    dual_stack: bool,
    arena: Vec<u8>,
    queue: Vec<Queued>,
}

#[derive(Clone, Copy)]
struct Queued {
    to: SocketAddr,
    from: Option<IpAddr>,
    start: usize,
    len: usize,
}

/// Reused memory for reads.
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    meta: [RecvMeta; BATCH_SIZE],
}

impl Default for ReadBuffer {
    fn default() -> Self {
        Self { bytes: vec![0; READ_BYTES * BATCH_SIZE], meta: [RecvMeta::default(); BATCH_SIZE] }
    }
}

/// One datagram as it was read.
#[derive(Clone, Copy)]
pub(crate) struct Datagram<'a> {
    pub(crate) from: SocketAddr,
    /// The local address it was sent to.
    pub(crate) to: Option<IpAddr>,
    pub(crate) bytes: &'a [u8],
}

impl ReadBuffer {
    /// The datagrams of the last read that filled `count` buffers.
    pub(crate) fn datagrams(&self, count: usize) -> impl Iterator<Item = Datagram<'_>> {
        self.meta[..count].iter().zip(self.bytes.chunks(READ_BYTES)).flat_map(|(meta, bytes)| {
            let (from, to) = (addresses::plain(meta.addr), meta.dst_ip.map(|ip| ip.to_canonical()));
            bytes[..meta.len].chunks(meta.stride.max(1)).map(move |bytes| Datagram { from, to, bytes })
        })
    }
}

impl ReadBuffer {
    /// How many datagrams each of the last read's buffers held.
    pub(crate) fn runs(&self, count: usize) -> impl Iterator<Item = usize> {
        self.meta[..count].iter().map(|meta| meta.len.div_ceil(meta.stride.max(1)))
    }
}

/// Binds a port of both protocols' number on the wildcard or a given address.
pub(crate) fn bind(ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let open = |ip: IpAddr| -> io::Result<UdpSocket> {
        let addr = SocketAddr::new(ip, port);
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        if ip.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.set_recv_buffer_size(limits::SOCKET_BUFFER)?;
        socket.set_send_buffer_size(limits::SOCKET_BUFFER)?;
        socket.bind(&addr.into())?;
        Ok(UdpSocket::from(socket))
    };
    match open(ip) {
        // A kernel without IPv6.
        Err(e) if ip.is_ipv6() && ip.is_unspecified() && e.kind() != io::ErrorKind::AddrInUse => {
            open(Ipv4Addr::UNSPECIFIED.into()).map_err(|_| e)
        }
        done => done,
    }
}

impl Udp {
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let dual_stack = socket.local_addr()?.is_ipv6();
        Ok(Self { socket, state, dual_stack, arena: Vec::with_capacity(WRITE_BYTES), queue: Vec::new() })
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Reads a batch without waiting; how many buffers were filled.
    pub(crate) fn read(&self, buffer: &mut ReadBuffer) -> io::Result<usize> {
        let mut chunks = buffer.bytes.chunks_mut(READ_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut buffer.meta)
    }

    /// Queues a datagram for the next flush.
    pub(crate) fn push(
        &mut self,
        to: SocketAddr,
        from: Option<IpAddr>,
        bytes: &[u8],
        metrics: &ShardMetrics,
    ) {
        let arena = self.begin(metrics);
        let start = arena.len();
        arena.extend_from_slice(bytes);
        self.finish(start, to, from);
    }

    /// Where to write the next datagram, of at most [`LONGEST`] bytes: at the end of what is there.
    pub(crate) fn begin(&mut self, metrics: &ShardMetrics) -> &mut Vec<u8> {
        if self.arena.len() + LONGEST > WRITE_BYTES {
            self.flush(metrics);
        }
        &mut self.arena
    }

    /// Queues what was written from `start` on for the next flush.
    pub(crate) fn finish(&mut self, start: usize, to: SocketAddr, from: Option<IpAddr>) {
        let len = self.arena.len() - start;
        self.queue.push(Queued { to, from, start, len });
    }

    /// What was written from `start` on.
    pub(crate) fn written(&self, start: usize) -> &[u8] {
        self.arena.get(start..).unwrap_or_default()
    }

    /// Forgets what was written from `start` on.
    pub(crate) fn abandon(&mut self, start: usize) {
        self.arena.truncate(start);
    }

    /// Sends what is queued. Media that the kernel does not take is lost, as on a network.
    pub(crate) fn flush(&mut self, metrics: &ShardMetrics) {
        let mut rest = self.queue.as_slice();
        while let Some(first) = rest.first() {
            let most = self.state.max_gso_segments().max(1);
            let run = run_length(rest, most);
            let end = rest[run - 1].start + rest[run - 1].len;
            let transmit = Transmit {
                destination: addresses::for_socket(first.to, self.dual_stack),
                ecn: None,
                contents: &self.arena[first.start..end],
                segment_size: (run > 1).then_some(first.len),
                src_ip: first.from,
            };
            metrics.sends.inc();
            metrics.runs_out.observe(run as u64);
            match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
                Ok(()) => metrics.datagrams_out.add(run as u64),
                // Segmentation was refused: the state has noted it, the next attempt goes one by one.
                Err(e)
                    if run > 1
                        && e.kind() != io::ErrorKind::WouldBlock
                        && self.state.max_gso_segments() < most =>
                {
                    continue;
                }
                Err(_) => metrics.drops[Drop::SocketFull as usize].add(run as u64),
            }
            rest = &rest[run..];
        }
        self.queue.clear();
        self.arena.clear();
    }
}

/// How many datagrams from the first on can go out as one segmented send: same destination and source,
/// same size, the last one possibly shorter.
fn run_length(queue: &[Queued], most: usize) -> usize {
    let Some(first) = queue.first() else { return 0 };
    let mut bytes = first.len;
    let mut run = 1;
    for (previous, next) in queue.iter().zip(&queue[1..]) {
        let same = next.to == first.to && next.from == first.from;
        let fits = previous.len == first.len && next.len <= first.len && next.len > 0;
        if run == most || !same || !fits || bytes + next.len > RUN_BYTES {
            break;
        }
        bytes += next.len;
        run += 1;
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(items: &[(u16, usize)]) -> Vec<Queued> {
        let item = |(port, len): &(u16, usize)| Queued {
            to: SocketAddr::from(([192, 0, 2, 1], *port)),
            from: None,
            start: 0,
            len: *len,
        };
        items.iter().map(item).collect()
    }

    #[test]
    fn runs_are_of_one_destination_and_one_size_with_a_shorter_tail() {
        for (items, run) in [
            (vec![(1, 100)], 1),
            (vec![(1, 100), (1, 100), (1, 100)], 3),
            (vec![(1, 100), (1, 100), (1, 40), (1, 40)], 3),
            (vec![(1, 100), (1, 101)], 1),
            (vec![(1, 100), (2, 100)], 1),
            (vec![(1, 100), (1, 0)], 1),
            (vec![(1, 20_000), (1, 20_000), (1, 20_000), (1, 20_000)], 3),
        ] {
            assert_eq!(run_length(&queue(&items), 64), run, "{items:?}");
        }
        assert_eq!(run_length(&queue(&[(1, 9); 5]), 4), 4, "the kernel's limit");
    }

    #[test]
    fn what_is_pushed_arrives_from_the_address_it_was_pushed_with() {
        let metrics = ShardMetrics::default();
        let mut sfu = Udp::new(bind("::".parse().unwrap(), 0).unwrap()).unwrap();
        let port = sfu.socket().local_addr().unwrap().port();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", ("127.0.0.2", port)).unwrap();
        let mut buffer = ReadBuffer::default();
        let count = loop {
            match sfu.read(&mut buffer) {
                Ok(count) => break count,
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
            }
        };
        let datagram = buffer.datagrams(count).next().unwrap();
        assert_eq!(datagram.bytes, b"hello");
        assert_eq!(datagram.from, client.local_addr().unwrap());
        assert_eq!(datagram.to, Some("127.0.0.2".parse().unwrap()));
        for packet in [[1; 50].as_slice(), &[2; 50], &[3; 20], &[4; 50]] {
            sfu.push(datagram.from, datagram.to, packet, &metrics);
        }
        sfu.flush(&metrics);
        let mut bytes = [0; 100];
        for (first, len) in [(1, 50), (2, 50), (3, 20), (4, 50)] {
            let (n, from) = client.recv_from(&mut bytes).unwrap();
            assert_eq!((bytes[0], n, from.ip()), (first, len, "127.0.0.2".parse::<IpAddr>().unwrap()));
        }
        assert_eq!(metrics.datagrams_out.get(), 4);
        assert!(metrics.sends.get() <= 4);
    }
}
