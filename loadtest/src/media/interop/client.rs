//! One client at work: sends what is due, judges what comes.

use super::{
    super::{
        Act, Milestones, Sink,
        incoming::Incoming,
        now,
        outgoing::{Outbox, Outgoing},
        rtp,
        srtp::Seal,
    },
    Tally,
    connection::{Connection, Happened},
};
use bytes::Bytes;
use rtc::{
    rtcp::{
        self,
        payload_feedbacks::{
            full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication,
        },
        receiver_report::ReceiverReport,
    },
    rtp::{self as theirs, codec::vp8::Vp8Packet, packetizer::Depacketizer as _},
};
use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep_until,
};
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    media_stream::{
        track_local::{TrackLocal, TrackLocalEvent},
        track_remote::{TrackRemote, TrackRemoteEvent},
    },
    peer_connection::RTCPeerConnectionState,
};

/// Packets of all lines that wait for their client. Full: the crate's own queues fill, and it drops.
const HEARD: usize = 1_024;

/// How often it is seen what did not come.
const JUDGE_EVERY: Duration = Duration::from_secs(1);

/// What came.
enum Heard {
    Rtp(theirs::Packet),
    /// A compound packet about anything: the crate gives it to the track that its first packet is about.
    Rtcp(Vec<Box<dyn rtcp::Packet>>),
    Pulse,
    /// The other end said goodbye: of that the crate tells by the data channel only.
    Goodbye,
}

/// What a keyframe of VP8 begins with, behind its frame tag (RFC 6386 §9.1).
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

/// The crate encrypts: packets are handed over as they are.
struct Plain;

impl Seal for Plain {
    fn rtp(&self, _: &mut Vec<u8>, _: usize, _: usize, _: u32, _: u64) -> Option<()> {
        Some(())
    }
}

pub(super) struct Running {
    connection: Connection,
    outgoing: Vec<Outgoing>,
    incoming: Vec<Incoming>,
    /// By which a keyframe is asked for.
    tracks: Vec<(u32, Arc<dyn TrackRemote>)>,
    milestones: watch::Sender<Milestones>,
    tally: Arc<Tally>,
    /// What the tally knows of the present counters.
    told: (u64, u64),
    judge_due: Instant,
    tells: mpsc::Sender<Heard>,
    heard: mpsc::Receiver<Heard>,
    /// Who listens to the crate.
    listeners: JoinSet<()>,
}

impl Running {
    pub(super) fn new(
        connection: Connection,
        outgoing: Vec<Outgoing>,
        incoming: Vec<Incoming>,
        milestones: watch::Sender<Milestones>,
        tally: Arc<Tally>,
    ) -> Self {
        let (tells, heard) = mpsc::channel(HEARD);
        Self {
            connection,
            outgoing,
            incoming,
            tracks: Vec::new(),
            milestones,
            tally,
            told: (0, 0),
            judge_due: now() + JUDGE_EVERY,
            tells,
            heard,
            listeners: JoinSet::new(),
        }
    }

    /// Until its handle goes.
    pub(super) async fn run(mut self, mut acts: mpsc::Receiver<Act>, mut happens: mpsc::Receiver<Happened>) {
        for (_, track) in &self.connection.tracks {
            self.listeners.spawn(listen_to_feedback(Arc::clone(track) as _, self.tells.clone()));
        }
        if let Some(pulse) = &self.connection.pulse {
            self.listeners.spawn(listen_to_pulses(Arc::clone(pulse), self.tells.clone()));
        }
        loop {
            let due = self.due();
            tokio::select! {
                act = acts.recv() => match act {
                    Some(act) => self.act(act),
                    None => return,
                },
                Some(happened) = happens.recv() => self.happened(happened).await,
                Some(heard) = self.heard.recv() => self.hear(heard).await,
                () = sleep_until(due.into()) => self.timeout().await,
            }
        }
    }

    // ---- what its user wants ----

    fn act(&mut self, act: Act) {
        match act {
            Act::Send { source, sending } => {
                for line in self.outgoing.iter_mut().filter(|line| line.source == source) {
                    line.send(sending, now());
                }
            }
            Act::Stop { source } => {
                for line in self.outgoing.iter_mut().filter(|line| line.source == source) {
                    line.stop();
                }
            }
            Act::Forget { done } => {
                self.count();
                for line in &mut self.incoming {
                    line.forget();
                }
                self.told = (0, 0);
                self.milestones.send_modify(|seen| seen.frames.clear());
                let _ = done.send(());
            }
            Act::Sent { reply } => {
                let _ = reply.send(self.outgoing.iter().map(|line| (line.source, line.sent())).collect());
            }
            Act::Counters { reply } => {
                let of = |line: &Incoming| (line.sink, line.counters());
                let _ = reply.send(self.incoming.iter().map(of).collect());
            }
        }
    }

    /// Adds what is new to what all of them saw.
    fn count(&mut self) {
        let sum =
            |sum: (u64, u64), line: &Incoming| (sum.0 + line.counters.packets, sum.1 + line.counters.lost);
        let counted = self.incoming.iter().fold((0, 0), sum);
        let told = std::mem::replace(&mut self.told, counted);
        self.tally.count(counted.0.saturating_sub(told.0), counted.1.saturating_sub(told.1));
    }

    // ---- time ----

    fn connected(&self) -> bool {
        let seen = self.milestones.borrow();
        seen.connected.is_some() && seen.closed.is_none()
    }

    fn due(&self) -> Instant {
        if !self.connected() {
            return self.judge_due;
        }
        self.outgoing.iter().filter_map(Outgoing::due).fold(self.judge_due, Instant::min)
    }

    async fn timeout(&mut self) {
        let at = now();
        if self.judge_due <= at {
            self.judge_due = at + JUDGE_EVERY;
            for line in &mut self.incoming {
                line.give_up_late(at);
            }
            self.count();
        }
        if self.connected() {
            self.send(at).await;
        }
    }

    /// Sends the frames that are due.
    async fn send(&mut self, at: Instant) {
        let mut outbox = Outbox::default();
        let mut transport = 0;
        for line in &mut self.outgoing {
            let tracks = &self.connection.tracks;
            let Some((_, track)) = tracks.iter().find(|(source, _)| *source == line.source) else { continue };
            // Zero: these packets wait in the crate's queues, which must not be held against the server.
            if let Some(by) = line.run(at, 0, &Plain, &mut transport, &mut outbox) {
                self.tally.late(by);
            }
            let mut rest = outbox.bytes.as_slice();
            for len in outbox.lengths.drain(..) {
                let (packet, others) = rest.split_at(len);
                rest = others;
                let Some(packet) = handed_over(packet) else { continue };
                // A track that is not bound any more belongs to a connection that is over.
                let _ = track.write_rtp(packet).await;
            }
            outbox.bytes.clear();
        }
    }

    // ---- what comes ----

    async fn happened(&mut self, happened: Happened) {
        match happened {
            Happened::Track(track) => {
                self.tracks.extend(track.ssrcs().await.into_iter().map(|ssrc| (ssrc, Arc::clone(&track))));
                self.listeners.spawn(listen(track, self.tells.clone()));
            }
            Happened::State(RTCPeerConnectionState::Connected) => {
                self.milestones.send_modify(|seen| {
                    seen.connected.get_or_insert_with(now);
                });
            }
            Happened::State(RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed) => {
                self.milestones.send_modify(|seen| {
                    seen.closed.get_or_insert_with(now);
                });
            }
            Happened::State(_) => {}
        }
    }

    async fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Rtp(packet) => self.rtp(&packet).await,
            Heard::Rtcp(packets) => {
                self.first(|seen| &mut seen.rtcp);
                for packet in &packets {
                    self.rtcp(packet.as_any());
                }
            }
            Heard::Pulse => self.first(|seen| &mut seen.pulse),
            Heard::Goodbye => self.first(|seen| &mut seen.closed),
        }
    }

    fn rtcp(&mut self, packet: &dyn Any) {
        let of = |line: &&mut Outgoing, ssrc: u32| line.ssrc == ssrc;
        if let Some(asks) = packet.downcast_ref::<PictureLossIndication>() {
            let lines = self.outgoing.iter_mut().filter(|line| of(line, asks.media_ssrc));
            lines.for_each(Outgoing::want_keyframe);
        } else if let Some(asks) = packet.downcast_ref::<FullIntraRequest>() {
            let lines = self.outgoing.iter_mut().filter(|line| asks.fir.iter().any(|fir| of(line, fir.ssrc)));
            lines.for_each(Outgoing::want_keyframe);
        } else if let Some(report) = packet.downcast_ref::<ReceiverReport>() {
            for block in &report.reports {
                let lines = self.outgoing.iter_mut().filter(|line| of(line, block.ssrc));
                lines.for_each(|line| line.took(block.total_lost, block.last_sequence_number));
            }
        }
    }

    /// Remembers when something first was, and says so only then.
    fn first(&self, which: impl Fn(&mut Milestones) -> &mut Option<Instant>) {
        self.milestones.send_if_modified(|seen| {
            let which = which(seen);
            let new = which.is_none();
            which.get_or_insert_with(now);
            new
        });
    }

    async fn rtp(&mut self, packet: &theirs::Packet) {
        let of = &packet.header;
        let Some(line) = self.incoming.iter_mut().find(|line| line.ssrc == of.ssrc) else { return };
        if !matches!(line.sink, Sink::Audio(_)) && !readable(&packet.payload) {
            return;
        }
        let header = rtp::Header {
            payload_type: of.payload_type,
            marker: of.marker,
            seq: of.sequence_number,
            timestamp: of.timestamp,
            ssrc: of.ssrc,
        };
        let (at, number) = (now(), line.index.guess(of.sequence_number));
        line.index.saw(number);
        line.took(number, header, &packet.payload, at);
        let asks = line.wants_keyframe(at);
        let (sink, first) = (line.sink, line.first_frame);
        if let Some(first) = first
            && !self.milestones.borrow().frames.iter().any(|(known, _)| *known == sink)
        {
            self.milestones.send_modify(|seen| seen.frames.push((sink, first)));
        }
        if asks && let Some((_, track)) = self.tracks.iter().find(|(ssrc, _)| *ssrc == of.ssrc) {
            let please = PictureLossIndication { sender_ssrc: 0, media_ssrc: of.ssrc };
            let _ = track.write_rtcp(vec![Box::new(please)]).await;
        }
    }
}

/// Whether the crate's own depacketizer finds VP8 in it, and a keyframe's beginning where it says that one begins.
fn readable(payload: &Bytes) -> bool {
    let mut vp8 = Vp8Packet::default();
    let Ok(frame) = vp8.depacketize(payload) else { return false };
    let begins = vp8.s == 1 && vp8.pid == 0;
    match frame.split_first_chunk::<3>() {
        Some(([tag, ..], rest)) if begins && tag & 1 == 0 => rest.starts_with(&START_CODE),
        _ => true,
    }
}

/// The packet as the crate has it: without extensions, which are its own to write.
fn handed_over(packet: &[u8]) -> Option<theirs::Packet> {
    let rtp::Parsed { header, len, .. } = rtp::read(packet)?;
    let payload = Bytes::copy_from_slice(packet.get(len..)?);
    let header = theirs::Header {
        version: 2,
        marker: header.marker,
        payload_type: header.payload_type,
        sequence_number: header.seq,
        timestamp: header.timestamp,
        ssrc: header.ssrc,
        ..theirs::Header::default()
    };
    Some(theirs::Packet { header, payload })
}

async fn listen(track: Arc<dyn TrackRemote>, tells: mpsc::Sender<Heard>) {
    while let Some(event) = track.poll().await {
        let heard = match event {
            TrackRemoteEvent::OnRtpPacket(packet) => Heard::Rtp(packet),
            TrackRemoteEvent::OnRtcpPacket(packets) => Heard::Rtcp(packets),
            _ => continue,
        };
        if tells.send(heard).await.is_err() {
            return;
        }
    }
}

async fn listen_to_feedback(track: Arc<dyn TrackLocal>, tells: mpsc::Sender<Heard>) {
    while let Some(TrackLocalEvent::OnRtcpPacket(packets)) = track.poll().await {
        if tells.send(Heard::Rtcp(packets)).await.is_err() {
            return;
        }
    }
}

async fn listen_to_pulses(channel: Arc<dyn DataChannel>, tells: mpsc::Sender<Heard>) {
    while let Some(event) = channel.poll().await {
        let heard = match event {
            DataChannelEvent::OnMessage(_) => Heard::Pulse,
            DataChannelEvent::OnClose => Heard::Goodbye,
            _ => continue,
        };
        if tells.send(heard).await.is_err() {
            return;
        }
    }
}
