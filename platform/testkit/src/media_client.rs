//! A client that speaks real WebRTC to the SFU, and says what it received and when.
//!
//! It offers the fixed pool that our browsers offer, sends sound and pictures that are shaped like Opus
//! and VP8 and carry a [`Tag`], and remembers every packet that arrives, so that a test can assert on
//! *whose* media it was. It runs on a thread of its own:
//!
//! ```text
//! let (client, offer) = MediaClient::offer(Options::default())?;
//! let answer = /* through the port, the WebSocket or WHIP */;
//! client.answer(&answer)?;
//! client.send(Source::Microphone, Tag(7));
//! assert!(client.wait(|s| s.hears(0, Tag(8))));
//! ```

use anyhow::{Context as _, Result, bail};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use str0m::{Candidate, change::SdpAnswer, net::TcpType};

mod run;
mod seen;
mod sending;

pub use loadtest::media::{Content, Tag};
pub use seen::{Arrival, Report, Seen, Sink, SinkKind};

/// How long [`MediaClient::wait`] waits before it gives up. Generous: a passing test never waits it out.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// What a client is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Receive slots: audio and camera each.
    pub slots: usize,
    /// Whether to send (microphone, camera, screen lines). A WHEP client does not.
    pub sends: bool,
    /// Whether to have a screen line to receive.
    pub screen: bool,
    /// Whether to have the data channel.
    pub data: bool,
    /// Camera layers; empty for none.
    pub rids: Vec<String>,
    /// Only ICE-TCP, as if UDP were blocked.
    pub tcp: bool,
    /// Local address. On loopback every 127.x.y.z works.
    pub ip: IpAddr,
    /// Only use the SFU's candidates at this address.
    pub only: Option<IpAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            slots: 3,
            sends: true,
            screen: true,
            data: true,
            rids: Vec::new(),
            tcp: false,
            ip: Ipv4Addr::LOCALHOST.into(),
            only: Some(Ipv4Addr::LOCALHOST.into()),
        }
    }
}

impl Options {
    /// Publishes sound and a picture and receives nothing: WHIP.
    #[must_use]
    pub fn whip() -> Self {
        Self { slots: 0, screen: false, data: false, ..Self::default() }
    }

    /// Receives one sound and one picture and sends nothing: WHEP.
    #[must_use]
    pub fn whep() -> Self {
        Self { slots: 1, sends: false, screen: false, data: false, ..Self::default() }
    }
}

/// What a client sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// 50 packets a second.
    Microphone,
    /// 30 frames a second.
    Camera,
    /// 10 frames a second.
    Screen,
}

/// How a picture or a sound is sent.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Whose content.
    pub tag: Tag,
    /// Which camera layer.
    pub rid: Option<String>,
    /// How much later than captured it is sent.
    pub late: Duration,
    /// Packets in a frame.
    pub packets_per_frame: usize,
    /// Bytes of content in a packet.
    pub bytes: usize,
    /// An empty packet (padding) after every so many.
    pub pad_every: Option<u32>,
    /// Whether keyframe requests are ignored (they are still noted), the first frame's included.
    pub deaf: bool,
}

impl Sending {
    /// As a browser on a good link would, 1 Mbit/s for a camera.
    #[must_use]
    pub const fn of(tag: Tag) -> Self {
        Self {
            tag,
            rid: None,
            late: Duration::ZERO,
            packets_per_frame: 4,
            bytes: 1_000,
            pad_every: None,
            deaf: false,
        }
    }
}

/// Handle of a running client. Dropping it ends the client without a goodbye, like a pulled cable.
#[derive(Debug)]
pub struct MediaClient {
    commands: SyncSender<Command>,
    shared: Arc<Shared>,
    /// Wakes the thread: a datagram to its own socket.
    wake: UdpSocket,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
    /// The client's address; another one after an ICE restart.
    addr: Mutex<Option<SocketAddr>>,
}

enum Command {
    Answer(SdpAnswer, SyncSender<Result<()>>),
    Reoffer(SyncSender<Result<String>>),
    Send(Source, Box<Sending>),
    Stop(Source),
    Ssrc(Source, u32),
    Inject(Vec<u8>),
    Say(Vec<u8>),
    /// Ignore one in so many of the media datagrams that arrive; 0 for none.
    Lose(u32),
    /// Do not send one in so many media datagrams; 0 for none.
    LoseSent(u32),
    RequestKeyframe(Sink),
    Close,
    Quit,
}

/// What the wake-up datagram holds: no protocol of ours begins like this.
const WAKE: [u8; 2] = [0xff, 0xff];

impl MediaClient {
    /// Opens a socket and makes the offer.
    ///
    /// # Errors
    /// The socket cannot be bound, or the engine makes no offer.
    pub fn offer(options: Options) -> Result<(Self, String)> {
        let socket = UdpSocket::bind((options.ip, 0)).context("bind a client socket")?;
        let addr = socket.local_addr()?;
        let mut rtc = run::engine();
        if options.tcp {
            // Port 9 (discard): an active candidate has none of its own (RFC 6544 §4.5).
            let active =
                Candidate::builder().tcp().host(SocketAddr::new(options.ip, 9)).tcptype(TcpType::Active);
            rtc.add_local_candidate(active.build()?);
        } else {
            rtc.add_local_candidate(Candidate::host(addr, "udp")?);
        }
        let (pool, offer, pending) = run::pool(&mut rtc, &options)?;
        let (commands, receiver) = sync_channel(64);
        let shared = Arc::new(Shared { addr: Mutex::new(Some(addr)), ..Shared::default() });
        let runner = run::Runner::new(rtc, socket, pool, pending, receiver, Arc::clone(&shared), options);
        let thread = std::thread::Builder::new().name("media-client".into()).spawn(move || runner.run())?;
        let wake = UdpSocket::bind((addr.ip(), 0))?;
        Ok((Self { commands, shared, wake, thread: Some(thread) }, offer))
    }

    /// Takes the SFU's answer and begins to connect.
    ///
    /// # Errors
    /// The answer does not fit the offer.
    pub fn answer(&self, sdp: &str) -> Result<()> {
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(|e| anyhow::anyhow!("{e}"))?;
        let (reply, done) = sync_channel(1);
        self.command(Command::Answer(answer, reply));
        done.recv_timeout(PATIENCE).context("the client takes the answer")?
    }

    /// A re-offer with an ICE restart, on a new socket as after a change of network.
    ///
    /// # Errors
    /// The engine makes no offer.
    pub fn reoffer(&self) -> Result<String> {
        let (reply, done) = sync_channel(1);
        self.command(Command::Reoffer(reply));
        done.recv_timeout(PATIENCE).context("the client makes an offer")?
    }

    /// Says something on the data channel, if that is open.
    pub fn say(&self, word: &[u8]) {
        self.command(Command::Say(word.to_vec()));
    }

    /// Begins to send, or changes what is sent.
    pub fn send(&self, source: Source, tag: Tag) {
        self.send_as(source, Sending::of(tag));
    }

    /// Begins to send in a particular way.
    pub fn send_as(&self, source: Source, sending: Sending) {
        self.command(Command::Send(source, Box::new(sending)));
    }

    /// Stops sending.
    pub fn stop(&self, source: Source) {
        self.command(Command::Stop(source));
    }

    /// Sends on this stream from now on, and its repairs on the next one: as an encoder that was replaced.
    pub fn use_ssrc(&self, source: Source, ssrc: u32) {
        self.command(Command::Ssrc(source, ssrc));
    }

    /// Sends bytes from the client's own authenticated address: what a spoofer of it would send.
    pub fn inject(&self, bytes: &[u8]) {
        self.command(Command::Inject(bytes.to_vec()));
    }

    /// Loses one in so many media packets on the way in; 0 for none.
    pub fn lose_one_in(&self, n: u32) {
        self.command(Command::Lose(n));
    }

    /// Loses one in so many media packets on the way out; 0 for none.
    pub fn lose_one_out_in(&self, n: u32) {
        self.command(Command::LoseSent(n));
    }

    /// Asks for a keyframe of what is shown.
    pub fn request_keyframe(&self, sink: Sink) {
        self.command(Command::RequestKeyframe(sink));
    }

    /// Closes as a browser does: with DTLS close_notify.
    pub fn close(&self) {
        self.command(Command::Close);
    }

    /// The client's own address.
    #[must_use]
    pub fn addr(&self) -> Option<SocketAddr> {
        *self.shared.addr.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something was seen; whether it was, within [`PATIENCE`].
    pub fn wait(&self, condition: impl FnMut(&mut Seen) -> bool) -> bool {
        self.wait_for(PATIENCE, condition)
    }

    /// Waits for so long.
    pub fn wait_for(&self, patience: Duration, mut condition: impl FnMut(&mut Seen) -> bool) -> bool {
        let (_seen, timeout) = self
            .shared
            .changed
            .wait_timeout_while(self.seen(), patience, |seen| !condition(seen))
            .unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }

    /// Waits for ICE and DTLS, and says how long they took from the answer on.
    ///
    /// # Errors
    /// They do not come up in [`PATIENCE`].
    pub fn connected(&self) -> Result<Duration> {
        if !self.wait(|seen| seen.connected.is_some()) {
            bail!("not connected after {PATIENCE:?}");
        }
        let seen = self.seen();
        Ok(seen.connected.zip(seen.answered).map_or(Duration::ZERO, |(up, from)| up - from))
    }

    /// How long ICE and DTLS took, if they are up.
    #[must_use]
    pub fn connected_after(&self) -> Option<Duration> {
        let seen = self.seen();
        seen.connected.zip(seen.answered).map(|(up, from)| up - from)
    }

    fn command(&self, command: Command) {
        // A client that has ended takes no commands, as a closed browser.
        let _ = self.commands.send(command);
        if let Some(addr) = self.addr() {
            let _ = self.wake.send_to(&WAKE, addr);
        }
    }
}

impl Drop for MediaClient {
    fn drop(&mut self) {
        self.command(Command::Quit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads the clock: the one place where this client does.
#[expect(clippy::disallowed_methods, reason = "a client is a shell with a clock of its own")]
fn now() -> Instant {
    Instant::now()
}
