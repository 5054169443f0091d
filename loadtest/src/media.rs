//! Media clients that cost little: an engine for the handshake, then packets of our own making.
//!
//! ```text
//! let fleet = Fleet::start(None)?;
//! let (offer, sdp) = fleet.offer(Options::default()).await?;
//! let answer = /* through signaling or WHIP */;
//! let client = offer.answered(&answer).await?;
//! client.send(Source::Camera, Sending::talking(Tag(7)));
//! client.until(|seen| seen.first_frame(Sink::Video(0)).is_some()).await?;
//! ```
//!
//! The engine (str0m) makes the offer and keeps ICE, DTLS and the data channel going; SRTP, RTCP and the
//! schedule of frames are [`session`]'s, so that a packet costs microseconds. Every client has a socket of its
//! own, as every browser does; all of them share one thread, which says in [`Load`] how late it was.
//!
//! With the feature `interop` a client can be spoken for by the `webrtc` crate instead ([`Engine`]): dear, and a stranger
//! to all of this. What is sent and how it is judged stays the same.

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use heard::Heard;
use mio::Waker;
use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};
use worker::{Command, Running, Worker};

pub mod content;
mod handshake;
mod heard;
mod incoming;
#[cfg(feature = "interop")]
mod interop;
mod lines;
mod load;
mod observed;
mod outgoing;
mod rtcp;
mod rtp;
mod session;
mod srtp;
mod weak;
mod worker;

pub use crate::netem::path::Network;
pub use content::{Content, Tag};
pub use handshake::pulse_channel;
pub use load::{Latency, Load, Observation};
pub use worker::stay_on;

/// Commands waiting for the thread. Full: whoever commands waits.
const COMMANDS: usize = 4_096;

/// Longest wait for anything a client waits for.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Whose WebRTC a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Engine {
    /// Ours, made for thousands.
    #[default]
    Own,
    /// The `webrtc` crate's, which knows nothing of us: if it can talk to the server, so may others. One camera size
    /// only; its packets do not say when they were sent.
    #[cfg(feature = "interop")]
    WebRtc,
}

/// What a client offers.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Receive slots: a voice and a camera each.
    pub slots: usize,
    /// Whether to have lines to send microphone and camera on.
    pub sends: bool,
    /// Whether to have a line to send a screen on, too.
    pub share: bool,
    /// Whether the camera is offered in three sizes: rids `q`, `h` and `f`.
    pub simulcast: bool,
    /// Whether to have a line to receive a screen on.
    pub screen: bool,
    /// Whether to have the data channel.
    pub data: bool,
    /// Local address.
    pub ip: IpAddr,
    /// Who offers it.
    pub engine: Engine,
    /// The network it is on: what it sends and receives is lost, delayed and limited as there. Clients of the `webrtc`
    /// crate pass it by.
    pub network: Option<Network>,
}

impl Default for Options {
    /// What our pages offer.
    fn default() -> Self {
        Self {
            slots: 3,
            sends: true,
            share: true,
            simulcast: false,
            screen: true,
            data: true,
            ip: Ipv4Addr::LOCALHOST.into(),
            engine: Engine::Own,
            network: None,
        }
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

/// Where something arrives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sink {
    /// The voice in a slot.
    Audio(usize),
    /// The camera in a slot.
    Video(usize),
    /// The shared screen.
    Screen,
}

/// How something is sent.
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    /// Whose content.
    pub tag: Tag,
    /// Packets in a frame.
    pub packets_per_frame: u8,
    /// Packets in a keyframe.
    pub packets_per_keyframe: u8,
    /// Bytes of payload in a packet of a picture.
    pub bytes: usize,
}

impl Sending {
    /// As a browser on a good link would: 1 Mbit/s for a camera.
    #[must_use]
    pub const fn talking(tag: Tag) -> Self {
        Self { tag, packets_per_frame: 4, packets_per_keyframe: 12, bytes: 1_000 }
    }

    /// As a telephone does that saves battery: 0.5 Mbit/s.
    #[must_use]
    pub const fn modestly(tag: Tag) -> Self {
        Self { tag, packets_per_frame: 2, packets_per_keyframe: 8, bytes: 1_000 }
    }

    /// A small picture, 150 kbit/s.
    #[must_use]
    pub const fn quietly(tag: Tag) -> Self {
        Self { tag, packets_per_frame: 1, packets_per_keyframe: 4, bytes: 600 }
    }
}

/// What happened to a client, and when.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Milestones {
    /// ICE and DTLS were up.
    pub connected: Option<Instant>,
    /// The other end closed, or the client gave up.
    pub closed: Option<Instant>,
    /// The first pulse came on the data channel.
    pub pulse: Option<Instant>,
    /// The first RTCP came that could be read.
    pub rtcp: Option<Instant>,
    /// The SRTP profile that the other end chose and these clients do not speak.
    pub strange_profile: bool,
    frames: Vec<(Sink, Instant)>,
}

impl Milestones {
    /// When the first keyframe was there whole: the first decodable picture. Of a voice: when its first packet came.
    #[must_use]
    pub fn first_frame(&self, sink: Sink) -> Option<Instant> {
        self.frames.iter().find(|(known, _)| *known == sink).map(|(_, at)| *at)
    }
}

/// What a line brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Packets, each counted once.
    pub packets: u64,
    /// Of those, how many came after a later one, repaired or reordered.
    pub late: u64,
    /// Packets given up.
    pub lost: u64,
    /// Packets that have not come and may still.
    pub missing: u64,
    /// When the last one came.
    pub last: Option<Instant>,
    /// Whose content the last one was.
    pub tag: Option<Tag>,
}

/// What was sent on a line, and what the other end's reports say of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Packets sent.
    pub sent: u64,
    /// Packets that had come to the other end when it last reported.
    pub taken: u64,
    /// Packets that the other end had given up by then.
    pub lost: u64,
}

/// A thread of clients. Dropping it ends them all.
#[derive(Debug)]
pub struct Fleet {
    line: Line,
    next: AtomicUsize,
    thread: Option<JoinHandle<()>>,
    #[cfg(feature = "interop")]
    interop: Arc<interop::Tally>,
}

/// The way to the thread.
#[derive(Clone, Debug)]
struct Line {
    commands: SyncSender<Command>,
    waker: Arc<Waker>,
}

impl Line {
    fn tell(&self, command: Command) {
        // A thread that has ended takes no commands: its clients are gone.
        let _ = self.commands.send(command);
        let _ = self.waker.wake();
    }

    /// Hands a client to the thread.
    fn run(
        &self,
        id: usize,
        session: session::Session,
        socket: UdpSocket,
        network: Option<Network>,
    ) -> Result<Client> {
        let (milestones, seen) = watch::channel(Milestones::default());
        let heard = Heard::new(now());
        let client = Box::new(Running::new(session, socket, milestones, network, heard.clone())?);
        self.tell(Command::Start { id, client });
        Ok(Client { reach: Reach::Own(Remote { line: self.clone(), id, heard }), seen })
    }
}

/// Commands, and waits for the answer.
async fn ask<T>(command: impl FnOnce(oneshot::Sender<T>)) -> Result<T> {
    let (reply, answer) = oneshot::channel();
    command(reply);
    timeout(PATIENCE, answer).await.context("the client does not answer")?.context("it ended")
}

impl Fleet {
    /// Starts the thread, on one core if one is named.
    ///
    /// # Errors
    /// The system gives no thread or no epoll, or there is no such core.
    pub fn start(core: Option<usize>) -> Result<Self> {
        let (commands, receiver) = sync_channel(COMMANDS);
        let (worker, waker) = Worker::new(receiver)?;
        let (pinned, pinning) = sync_channel(1);
        let thread = std::thread::Builder::new().name("clients".into()).spawn(move || {
            let _ = pinned.send(core.map_or(Ok(()), stay_on));
            worker.run();
        })?;
        pinning.recv().context("the clients' thread ended")?.context("keep the clients on their core")?;
        Ok(Self {
            line: Line { commands, waker },
            next: AtomicUsize::new(1),
            thread: Some(thread),
            #[cfg(feature = "interop")]
            interop: interop::Tally::new()?,
        })
    }

    /// Opens a socket and makes an offer.
    ///
    /// # Errors
    /// The socket cannot be bound, or the engine makes no offer.
    pub async fn offer(&self, options: Options) -> Result<(Offer, String)> {
        match options.engine {
            Engine::Own => {
                let socket = UdpSocket::bind((options.ip, 0)).context("bind a client socket")?;
                let (pending, sdp) = session::Session::offer(options, socket.local_addr()?, now())?;
                let id = self.next.fetch_add(1, Ordering::Relaxed);
                Ok((
                    Offer(Pending::Own {
                        pending: Box::new(pending),
                        socket,
                        network: options.network,
                        line: self.line.clone(),
                        id,
                    }),
                    sdp,
                ))
            }
            #[cfg(feature = "interop")]
            Engine::WebRtc => {
                let (pending, sdp) = interop::Pending::offer(options, &self.interop).await?;
                Ok((Offer(Pending::WebRtc(pending)), sdp))
            }
        }
    }

    /// Answers the offer of somebody who only sends; the client, and the answer.
    ///
    /// # Errors
    /// The socket cannot be bound, or the offer cannot be answered or names no address that can be reached.
    pub fn accept(&self, offer: &str, ip: IpAddr) -> Result<(Client, String)> {
        let socket = UdpSocket::bind((ip, 0)).context("bind a client socket")?;
        let (session, answer) = session::Session::accept(offer, socket.local_addr()?, now())?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        Ok((self.line.run(id, session, socket, None)?, answer))
    }

    /// How hard the thread had to work since this was last asked.
    ///
    /// # Errors
    /// The thread does not answer.
    pub async fn load(&self) -> Result<Load> {
        Ok(self.observe().await?.load())
    }

    /// What was seen since this or [`Fleet::load`] was last asked, so that it can be added up.
    ///
    /// # Errors
    /// The thread does not answer.
    pub async fn observe(&self) -> Result<Observation> {
        let seen = ask(|reply| self.line.tell(Command::Observe { reply })).await?;
        #[cfg(feature = "interop")]
        let seen = self.interop.add_to(seen);
        Ok(seen)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.line.tell(Command::Quit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An offer that waits for its answer.
pub struct Offer(Pending);

enum Pending {
    Own {
        pending: Box<session::Pending>,
        socket: UdpSocket,
        network: Option<Network>,
        line: Line,
        id: usize,
    },
    #[cfg(feature = "interop")]
    WebRtc(interop::Pending),
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offer").finish_non_exhaustive()
    }
}

impl Offer {
    /// Takes the answer and begins to connect.
    ///
    /// # Errors
    /// The answer does not fit the offer, or names no address that can be reached.
    pub async fn answered(self, answer: &str) -> Result<Client> {
        match self.0 {
            Pending::Own { pending, socket, network, line, id } => {
                line.run(id, pending.answered(answer, now())?, socket, network)
            }
            #[cfg(feature = "interop")]
            Pending::WebRtc(pending) => {
                let (remote, seen) = pending.answered(answer).await?;
                Ok(Client { reach: Reach::WebRtc(remote), seen })
            }
        }
    }
}

/// What a client is told, whichever engine it has.
enum Act {
    Send { source: Source, sending: Sending },
    Stop { source: Source },
    Forget { done: oneshot::Sender<()> },
    Counters { reply: oneshot::Sender<Vec<(Sink, Counters)>> },
    Sent { reply: oneshot::Sender<Vec<(Source, Told)>> },
}

/// Handle of a client. Dropping it ends the client without a goodbye, like a pulled cable.
#[derive(Debug)]
pub struct Client {
    reach: Reach,
    seen: watch::Receiver<Milestones>,
}

#[derive(Debug)]
enum Reach {
    Own(Remote),
    #[cfg(feature = "interop")]
    WebRtc(interop::Remote),
}

impl Reach {
    fn tell(&self, act: Act) {
        match self {
            Self::Own(remote) => remote.line.tell(Command::Act { id: remote.id, act }),
            #[cfg(feature = "interop")]
            Self::WebRtc(remote) => remote.tell(act),
        }
    }
}

/// A client on the thread, which goes with this.
#[derive(Debug)]
struct Remote {
    line: Line,
    id: usize,
    heard: Heard,
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.line.tell(Command::Remove { id: self.id });
    }
}

impl Client {
    /// Begins to send, or changes what is sent; with a keyframe first.
    pub fn send(&self, source: Source, sending: Sending) {
        self.reach.tell(Act::Send { source, sending });
    }

    /// Sends nothing more of it.
    pub fn stop(&self, source: Source) {
        self.reach.tell(Act::Stop { source });
    }

    /// Looks only at pictures and packets that come from now on.
    ///
    /// # Errors
    /// The client does not answer.
    pub async fn forget(&self) -> Result<()> {
        ask(|done| self.reach.tell(Act::Forget { done })).await
    }

    /// What every line brought.
    ///
    /// # Errors
    /// The client does not answer.
    pub async fn counters(&self) -> Result<Vec<(Sink, Counters)>> {
        ask(|reply| self.reach.tell(Act::Counters { reply })).await
    }

    /// What was sent on every line, and what the other end says of it.
    ///
    /// # Errors
    /// The client does not answer.
    pub async fn sent(&self) -> Result<Vec<(Source, Told)>> {
        ask(|reply| self.reach.tell(Act::Sent { reply })).await
    }

    /// When anything last came in: a packet, a pulse, an answer to a check. When it began to connect, if nothing did.
    /// None: its engine does not say.
    #[must_use]
    pub fn heard(&self) -> Option<Instant> {
        match &self.reach {
            Reach::Own(remote) => Some(remote.heard.last()),
            #[cfg(feature = "interop")]
            Reach::WebRtc(_) => None,
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn seen(&self) -> Milestones {
        self.seen.borrow().clone()
    }

    /// Waits until something happened; what has by then.
    ///
    /// # Errors
    /// It does not within [`PATIENCE`].
    pub async fn until(&self, mut condition: impl FnMut(&Milestones) -> bool) -> Result<Milestones> {
        let mut seen = self.seen.clone();
        match timeout(PATIENCE, seen.wait_for(|seen| condition(seen))).await {
            Ok(seen) => Ok(seen.map_err(|_| anyhow!("the client ended"))?.clone()),
            Err(_) => bail!("not in {PATIENCE:?}: {:?}", self.seen()),
        }
    }

    /// Waits for ICE and DTLS; when they were up.
    ///
    /// # Errors
    /// They are not within [`PATIENCE`].
    pub async fn connected(&self) -> Result<Instant> {
        let done = |seen: &Milestones| seen.connected.is_some() || seen.strange_profile;
        let seen = self.until(done).await.context("no connection")?;
        ensure!(
            !seen.strange_profile,
            "the server chose an SRTP profile other than AEAD_AES_256_GCM, which these clients do not speak"
        );
        seen.connected.context("connected")
    }

    /// Waits for the first whole picture; when it was there.
    ///
    /// # Errors
    /// There is none within [`PATIENCE`].
    pub async fn first_frame(&self, sink: Sink) -> Result<Instant> {
        let seen = self.until(|seen| seen.first_frame(sink).is_some()).await.context("no picture")?;
        seen.first_frame(sink).context("a picture")
    }
}

/// Reads the clock: the one place where clients do.
#[expect(clippy::disallowed_methods, reason = "a client is a shell with a clock of its own")]
fn now() -> Instant {
    Instant::now()
}
