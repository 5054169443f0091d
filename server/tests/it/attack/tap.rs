//! Somebody on the path of one client: hears every datagram, and sends what it likes from the client's own address.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Datagrams kept of each class; later ones are not.
const KEPT: usize = 2_000;

/// By their first bytes (RFC 7983, RFC 5761).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

fn class(datagram: &[u8]) -> Option<Class> {
    match datagram {
        [0..=3, ..] => Some(Class::Stun),
        [20..=63, ..] => Some(Class::Dtls),
        [128..=191, 192..=223, ..] => Some(Class::Rtcp),
        [128..=191, ..] => Some(Class::Rtp),
        _ => None,
    }
}

#[derive(Default)]
struct Heard {
    kept: Vec<(Class, Vec<u8>)>,
    /// Sent to the server once, before the client's first DTLS.
    before_dtls: Vec<Vec<u8>>,
}

pub(crate) struct Tap {
    /// Where the client sends to.
    listens: SocketAddr,
    /// Its socket towards the server: the client's address, as the server knows it.
    up: Arc<Mutex<Arc<UdpSocket>>>,
    server: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // So that a thread sees that it is to stop.
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    socket
}

fn current(up: &Mutex<Arc<UdpSocket>>) -> Arc<UdpSocket> {
    Arc::clone(&up.lock().unwrap())
}

fn locked(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tap {
    pub(crate) fn new(server: SocketAddr, before_dtls: Vec<Vec<u8>>) -> Self {
        let (down, up) = (socket(), Arc::new(Mutex::new(Arc::new(socket()))));
        let (heard, stop) = (Arc::new(Mutex::new(Heard { before_dtls, kept: Vec::new() })), Arc::default());
        let client: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let mut tap = Self {
            listens: down.local_addr().unwrap(),
            up: Arc::clone(&up),
            server,
            heard: Arc::clone(&heard),
            stop: Arc::clone(&stop),
            threads: Vec::new(),
        };
        let (from, to, seen, stopped) =
            (down.try_clone().unwrap(), Arc::clone(&up), Arc::clone(&client), Arc::clone(&stop));
        tap.threads.push(std::thread::spawn(move || {
            let mut datagram = [0; 2_048];
            while !stopped.load(Relaxed) {
                let Ok((len, peer)) = from.recv_from(&mut datagram) else { continue };
                *seen.lock().unwrap() = Some(peer);
                let to = current(&to);
                let datagram = &datagram[..len];
                if let Some(class) = class(datagram) {
                    let mut heard = locked(&heard);
                    if class == Class::Dtls {
                        for first in std::mem::take(&mut heard.before_dtls) {
                            let _ = to.send_to(&first, server);
                        }
                    }
                    if heard.kept.iter().filter(|(known, _)| *known == class).count() < KEPT {
                        heard.kept.push((class, datagram.to_vec()));
                    }
                }
                let _ = to.send_to(datagram, server);
            }
        }));
        tap.threads.push(std::thread::spawn(move || {
            let mut datagram = [0; 2_048];
            while !stop.load(Relaxed) {
                let Ok(len) = current(&up).recv(&mut datagram) else { continue };
                let client = *client.lock().unwrap();
                client.map(|client| down.send_to(&datagram[..len], client));
            }
        }));
        tap
    }

    /// The answer with this as the server's only address.
    pub(crate) fn answer(&self, sdp: &str) -> String {
        let mut out = String::new();
        let mut told = false;
        for line in sdp.lines() {
            let mut words: Vec<&str> = line.split(' ').collect();
            let (ip, port) = (self.listens.ip().to_string(), self.listens.port().to_string());
            if line.starts_with("a=candidate:") {
                let is_ours = words[2].eq_ignore_ascii_case("udp") && words[4] == "127.0.0.1";
                if !is_ours {
                    continue;
                }
                (words[4], words[5]) = (&ip, &port);
                told = true;
            }
            out += &format!("{}\r\n", words.join(" "));
        }
        assert!(told, "the server is not on 127.0.0.1");
        out
    }

    /// What the client sent so far.
    pub(crate) fn heard(&self, class: Class) -> Vec<Vec<u8>> {
        let heard = locked(&self.heard);
        heard.kept.iter().filter(|(known, _)| *known == class).map(|(_, datagram)| datagram.clone()).collect()
    }

    /// Sends something as the client.
    pub(crate) fn inject(&self, datagram: &[u8]) {
        let _ = current(&self.up).send_to(datagram, self.server);
    }

    /// Gives the client another address, as a NAT does that has forgotten it, or as a change of networks.
    pub(crate) fn rebind(&self) {
        *self.up.lock().unwrap() = Arc::new(socket());
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}
