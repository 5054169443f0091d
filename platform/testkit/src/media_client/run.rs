//! The client's thread: one socket, one engine, a clock that says when to send.

use super::{
    Command, Content, Options, Sending, Shared, Source, WAKE, now,
    seen::{Arrival, Report, Seen, Sink, SinkKind},
    sending::{Frame, Stream},
};
use anyhow::{Result, anyhow};
use loadtest::media::{content, pulse_channel};
use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::{Arc, PoisonError, mpsc::Receiver},
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, Input, Output, Rtc,
    bwe::{Bitrate, BweKind},
    change::{SdpAnswer, SdpPendingOffer},
    channel::ChannelId,
    format::Codec,
    media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer},
    net::{Protocol, Receive, Transmit},
    rtp::{ExtensionValues, RtpWrite},
};

/// Far from zero and soon to wrap, as a real sender may be.
const FIRST_SEQ: u64 = 65_000;

pub(super) fn engine() -> Rtc {
    Rtc::builder()
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(true)
        .enable_bwe(Some(Bitrate::mbps(3)))
        .set_rtcp_report_interval_audio(Duration::from_millis(500))
        .set_rtcp_report_interval_video(Duration::from_millis(500))
        .build(now())
}

/// The lines of the offer.
#[derive(Debug, Default)]
pub(super) struct Pool {
    sends: Vec<(Source, Mid)>,
    receives: Vec<(Mid, Sink)>,
}

pub(super) fn pool(rtc: &mut Rtc, options: &Options) -> Result<(Pool, String, SdpPendingOffer)> {
    let mut pool = Pool::default();
    let mut api = rtc.sdp_api();
    let mut add = |kind, direction, simulcast| api.add_media(kind, direction, None, None, simulcast);
    if options.sends {
        let layer = |rid: &String| SimulcastLayer::new(rid.as_str());
        let layers = (!options.rids.is_empty())
            .then(|| Simulcast { send: options.rids.iter().map(layer).collect(), recv: vec![] });
        for (source, kind, simulcast) in [
            (Source::Microphone, MediaKind::Audio, None),
            (Source::Camera, MediaKind::Video, layers),
            (Source::Screen, MediaKind::Video, None),
        ] {
            pool.sends.push((source, add(kind, Direction::SendOnly, simulcast)));
        }
    }
    for slot in 0..options.slots {
        pool.receives.push((add(MediaKind::Audio, Direction::RecvOnly, None), Sink::audio(slot)));
        pool.receives.push((add(MediaKind::Video, Direction::RecvOnly, None), Sink::video(slot)));
    }
    if options.screen && options.slots > 0 {
        pool.receives.push((add(MediaKind::Video, Direction::RecvOnly, None), Sink::screen()));
    }
    if options.data {
        api.add_channel_with_config(pulse_channel());
    }
    let (offer, pending) = api.apply().ok_or_else(|| anyhow!("nothing to offer"))?;
    Ok((pool, offer.to_sdp_string(), pending))
}

pub(super) struct Runner {
    rtc: Rtc,
    channel: Option<ChannelId>,
    socket: UdpSocket,
    tcp: Vec<TcpLink>,
    pool: Pool,
    pending: Option<SdpPendingOffer>,
    commands: Receiver<Command>,
    shared: Arc<Shared>,
    options: Options,
    sending: Vec<Stream>,
    remote: Option<SocketAddr>,
    /// Where media goes: the chosen pair's other end.
    media_to: Option<SocketAddr>,
    lose_one_in: u32,
    lose_one_out_in: u32,
    media_in: u32,
    media_out: u32,
    engine_due: Instant,
}

struct TcpLink {
    stream: TcpStream,
    local: SocketAddr,
    peer: SocketAddr,
    buffer: Vec<u8>,
}

impl Runner {
    pub(super) fn new(
        rtc: Rtc,
        socket: UdpSocket,
        pool: Pool,
        pending: SdpPendingOffer,
        commands: Receiver<Command>,
        shared: Arc<Shared>,
        options: Options,
    ) -> Self {
        Self {
            rtc,
            channel: None,
            socket,
            tcp: Vec::new(),
            pool,
            pending: Some(pending),
            commands,
            shared,
            options,
            sending: Vec::new(),
            remote: None,
            media_to: None,
            lose_one_in: 0,
            lose_one_out_in: 0,
            media_in: 0,
            media_out: 0,
            engine_due: now(),
        }
    }

    pub(super) fn run(mut self) {
        let mut buffer = vec![0; 65_536];
        loop {
            while let Ok(command) = self.commands.try_recv() {
                if matches!(command, Command::Quit) {
                    return;
                }
                self.command(command);
            }
            let at = now();
            self.send_due(at);
            if self.engine_due <= at {
                let _ = self.rtc.handle_input(Input::Timeout(at));
                self.drain();
            }
            self.receive(&mut buffer);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.changed.notify_all();
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Answer(answer, reply) => {
                let _ = reply.send(self.answer(answer));
            }
            Command::Reoffer(reply) => {
                let _ = reply.send(self.reoffer());
            }
            Command::Send(source, how) => self.start(source, *how),
            Command::Stop(source) => self.sending.retain(|s| s.source != source),
            Command::Ssrc(source, ssrc) => self.use_ssrc(source, ssrc),
            Command::Inject(bytes) => {
                if let Some(remote) = self.remote {
                    let _ = self.socket.send_to(&bytes, remote);
                }
            }
            Command::Say(word) => {
                if let Some(mut channel) = self.channel.and_then(|id| self.rtc.channel(id)) {
                    let _ = channel.write(true, &word);
                }
                self.drain();
            }
            Command::Lose(n) => self.lose_one_in = n,
            Command::LoseSent(n) => self.lose_one_out_in = n,
            Command::RequestKeyframe(sink) => {
                let mid = self.pool.receives.iter().find(|(_, s)| *s == sink).map(|(mid, _)| *mid);
                if let Some(mid) = mid
                    && let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None)
                {
                    stream.request_keyframe(KeyframeRequestKind::Pli);
                }
                let _ = self.rtc.handle_input(Input::Timeout(now()));
                self.drain();
            }
            Command::Close => {
                let _ = self.rtc.close();
                self.sending.clear();
                self.drain();
            }
            Command::Quit => {}
        }
    }

    fn answer(&mut self, answer: SdpAnswer) -> Result<()> {
        let text = answer.to_sdp_string();
        let answer = SdpAnswer::from_sdp_string(&self.only_usable(&text)).map_err(|e| anyhow!("{e}"))?;
        let pending = self.pending.take().ok_or_else(|| anyhow!("no offer is open"))?;
        if self.options.tcp {
            self.connect_tcp(&text)?;
        }
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        self.rtc.bwe().set_bitrate(Bitrate::kbps(100), Bitrate::mbps(3));
        self.change(|seen| seen.answered = Some(now()));
        let _ = self.rtc.handle_input(Input::Timeout(now()));
        self.drain();
        Ok(())
    }

    /// The answer with only those candidates that this client is to use.
    fn only_usable(&self, sdp: &str) -> String {
        let usable = |line: &&str| {
            let Some(candidate) = line.strip_prefix("a=candidate:") else { return true };
            let words: Vec<&str> = candidate.split(' ').collect();
            let tcp = words.get(2).is_some_and(|w| w.eq_ignore_ascii_case("tcp"));
            let wanted = self.options.only.is_none_or(|ip| words.get(4) == Some(&ip.to_string().as_str()));
            tcp == self.options.tcp && wanted
        };
        sdp.lines().filter(usable).map(|line| format!("{line}\r\n")).collect()
    }

    /// Opens the connections of ICE-TCP, which the engine leaves to its user.
    fn connect_tcp(&mut self, sdp: &str) -> Result<()> {
        self.tcp.clear();
        for line in self.only_usable(sdp).lines().filter(|line| line.starts_with("a=candidate:")) {
            let words: Vec<&str> = line.split(' ').collect();
            let (Some(ip), Some(port)) = (words.get(4), words.get(5)) else { continue };
            let peer = SocketAddr::new(ip.parse()?, port.parse()?);
            let stream = TcpStream::connect(peer)?;
            stream.set_nodelay(true)?;
            let local = stream.local_addr()?;
            self.rtc.add_local_candidate(Candidate::host(local, "tcp")?);
            self.tcp.push(TcpLink { stream, local, peer, buffer: Vec::new() });
        }
        Ok(())
    }

    fn reoffer(&mut self) -> Result<String> {
        // A new network: the old address is gone.
        let socket = UdpSocket::bind((self.options.ip, 0))?;
        let old = Candidate::host(self.socket.local_addr()?, "udp")?;
        self.rtc.direct_api().invalidate_candidate(&old);
        self.rtc.add_local_candidate(Candidate::host(socket.local_addr()?, "udp")?);
        self.socket = socket;
        *self.shared.addr.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.socket.local_addr()?);
        let mut api = self.rtc.sdp_api();
        api.ice_restart(true);
        let (offer, pending) = api.apply().ok_or_else(|| anyhow!("nothing to offer"))?;
        self.pending = Some(pending);
        Ok(offer.to_sdp_string())
    }

    fn start(&mut self, source: Source, how: Sending) {
        let Some(mid) = self.pool.sends.iter().find(|(s, _)| *s == source).map(|(_, mid)| *mid) else {
            return;
        };
        if let Some(stream) = self.sending.iter_mut().find(|s| s.source == source) {
            stream.keyframe |= !how.deaf;
            stream.how = how;
            return;
        }
        self.sending.push(Stream {
            source,
            mid,
            keyframe: !how.deaf,
            how,
            seq: FIRST_SEQ,
            timestamp: 4_294_900_000,
            counter: 0,
            due: now(),
            held: VecDeque::new(),
            since_pad: 0,
        });
    }

    fn use_ssrc(&mut self, source: Source, ssrc: u32) {
        let Some((_, mid)) = self.pool.sends.iter().find(|(s, _)| *s == source).copied() else { return };
        let mut api = self.rtc.direct_api();
        if let Some(old) = api.stream_tx_by_mid(mid, None).map(|stream| stream.ssrc()) {
            api.remove_stream_tx(old);
        }
        api.declare_stream_tx(ssrc.into(), Some((ssrc + 1).into()), mid, None);
        // A receiver of a new stream cannot know a rollover counter.
        if let Some(stream) = self.sending.iter_mut().find(|s| s.source == source) {
            stream.seq = FIRST_SEQ;
        }
    }

    // ---- out ----

    fn send_due(&mut self, at: Instant) {
        if !self.rtc.is_connected() {
            return;
        }
        for n in 0..self.sending.len() {
            let stream = &mut self.sending[n];
            while stream.due <= at {
                let captured = stream.due;
                stream.due += stream.period();
                // A thread that was not run for a while does not catch up in a burst.
                if at.saturating_duration_since(stream.due) > Duration::from_millis(200) {
                    stream.due = at;
                }
                let frame = stream.capture(captured);
                stream.held.push_back((captured + stream.how.late, frame));
            }
            while let Some((_, frame)) = {
                let held = &mut self.sending[n].held;
                if held.front().is_some_and(|(due, _)| *due <= at) { held.pop_front() } else { None }
            } {
                self.write(n, frame);
            }
        }
    }

    fn write(&mut self, n: usize, frame: Frame) {
        let count = frame.packets.len();
        for (part, payload) in frame.packets.into_iter().enumerate() {
            self.write_packet(n, &frame.captured, frame.timestamp, payload, part + 1 == count);
            let stream = &mut self.sending[n];
            stream.since_pad += 1;
            if stream.how.pad_every.is_some_and(|every| stream.since_pad >= every) {
                stream.since_pad = 0;
                self.write_packet(n, &frame.captured, frame.timestamp, Vec::new(), false);
            }
        }
    }

    fn write_packet(&mut self, n: usize, captured: &Instant, timestamp: u32, payload: Vec<u8>, marker: bool) {
        let stream = &mut self.sending[n];
        let (mid, source) = (stream.mid, stream.source);
        let rid: Option<Rid> = stream.how.rid.as_deref().map(Rid::from);
        let seq = stream.seq;
        stream.seq += 1;
        let Some(pt) = payload_type(&self.rtc, source) else { return };
        let mut extensions = ExtensionValues::default();
        if source == Source::Microphone {
            extensions.audio_level = Some(-30);
            extensions.voice_activity = Some(true);
        }
        // An empty packet in the engine's cache would be its padding for ever.
        let nackable = source != Source::Microphone && !payload.is_empty();
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, rid) else { return };
        stream.write_rtp(
            RtpWrite::new(pt, seq.into(), timestamp, *captured, payload)
                .marker(marker && source != Source::Microphone)
                .nackable(nackable)
                .ext_vals(extensions),
        );
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).sent += 1;
        let _ = self.rtc.handle_input(Input::Timeout(now()));
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    let present = now();
                    if at > present || !self.rtc.is_alive() {
                        self.engine_due =
                            if self.rtc.is_alive() { at } else { present + Duration::from_secs(3_600) };
                        if !self.rtc.is_alive() {
                            self.change(|seen| {
                                seen.closed.get_or_insert(present);
                            });
                        }
                        return;
                    }
                    let _ = self.rtc.handle_input(Input::Timeout(present));
                }
                Ok(Output::Transmit(transmit)) => self.transmit(&transmit),
                Ok(Output::Event(event)) => self.event(event),
                Err(_) => {
                    self.engine_due = now() + Duration::from_secs(3_600);
                    self.change(|seen| seen.closed = Some(now()));
                    return;
                }
            }
        }
    }

    fn transmit(&mut self, transmit: &Transmit) {
        let over_tcp = transmit.proto != Protocol::Udp;
        if is_media(&transmit.contents) && self.lose_one_out_in > 0 {
            self.media_out += 1;
            if self.media_out.is_multiple_of(self.lose_one_out_in) {
                self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).lost += 1;
                return;
            }
        }
        if over_tcp {
            let link = self.tcp.iter_mut().find(|link| link.peer == transmit.destination);
            if let (Some(link), Ok(len)) = (link, u16::try_from(transmit.contents.len())) {
                let _ = link.stream.write_all(&[&len.to_be_bytes(), &*transmit.contents].concat());
            }
        } else {
            self.remote = Some(transmit.destination);
            if is_media(&transmit.contents) {
                self.media_to = Some(transmit.destination);
            }
            let _ = self.socket.send_to(&transmit.contents, transmit.destination);
        }
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.over_tcp = over_tcp;
    }

    // ---- in ----

    fn receive(&mut self, buffer: &mut [u8]) {
        let next_send = self
            .sending
            .iter()
            .flat_map(|s| [Some(s.due), s.held.front().map(|(due, _)| *due)])
            .flatten()
            .min();
        let due = next_send.map_or(self.engine_due, |at| at.min(self.engine_due));
        let longest = if self.tcp.is_empty() { Duration::from_millis(50) } else { Duration::from_millis(2) };
        let wait = due.saturating_duration_since(now()).clamp(Duration::from_micros(200), longest);
        let _ = self.socket.set_read_timeout(Some(wait));
        if let Ok((len, from)) = self.socket.recv_from(buffer)
            && buffer[..len] != WAKE
        {
            let to = self.socket.local_addr().unwrap_or(from);
            self.input(Protocol::Udp, from, to, &buffer[..len]);
        }
        for n in 0..self.tcp.len() {
            self.receive_tcp(n, buffer);
        }
    }

    fn receive_tcp(&mut self, n: usize, buffer: &mut [u8]) {
        let link = &mut self.tcp[n];
        let _ = link.stream.set_nonblocking(true);
        let read = link.stream.read(buffer);
        let _ = link.stream.set_nonblocking(false);
        match read {
            Ok(len) => link.buffer.extend_from_slice(&buffer[..len]),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
        let (peer, local) = (link.peer, link.local);
        let mut bytes = std::mem::take(&mut link.buffer);
        let mut rest = bytes.as_slice();
        while let Some((head, tail)) = rest.split_first_chunk::<2>() {
            let Some((frame, after)) = tail.split_at_checked(usize::from(u16::from_be_bytes(*head))) else {
                break;
            };
            let frame = frame.to_vec();
            rest = after;
            self.input(Protocol::Tcp, peer, local, &frame);
        }
        let used = bytes.len() - rest.len();
        bytes.drain(..used);
        self.tcp[n].buffer = bytes;
    }

    fn input(&mut self, proto: Protocol, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if is_media(bytes) && self.lose_one_in > 0 {
            self.media_in += 1;
            if self.media_in.is_multiple_of(self.lose_one_in) {
                self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).lost += 1;
                return;
            }
        }
        if is_media(bytes) && proto == Protocol::Udp && self.media_to.is_some_and(|remote| remote != from) {
            self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).strays += 1;
        }
        if matches!(bytes, [128..=191, 200..=206, ..]) {
            self.change(|seen| seen.control.push(now()));
        }
        let Ok(receive) = Receive::new(proto, from, to, bytes) else { return };
        let _ = self.rtc.handle_input(Input::Receive(now(), receive));
        self.drain();
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Connected => self.change(|seen| {
                seen.connected.get_or_insert_with(now);
            }),
            Event::RtpPacket(packet) => {
                let Some(sink) = self.sink(packet.header.ssrc) else { return };
                let content = read(sink, &packet.payload);
                let arrival = Arrival {
                    sink,
                    at: now(),
                    seq: *packet.seq_no,
                    timestamp: packet.header.timestamp,
                    marker: packet.header.marker,
                    content,
                    bytes: packet.payload.len(),
                    audio_level: packet.header.ext_vals.audio_level,
                };
                self.change(|seen| seen.arrived(arrival));
            }
            Event::SenderFeedback(feedback) => {
                let info = feedback.sender_info;
                let Some(sink) = self.sink(info.ssrc) else { return };
                let report = Report { sink, at: now(), ntp: info.ntp_time, rtp: info.rtp_time.numer() };
                self.change(|seen| seen.reported(report));
            }
            Event::KeyframeRequest(request) => {
                let Some(stream) = self.sending.iter_mut().find(|s| s.mid == request.mid) else { return };
                stream.keyframe |= !stream.how.deaf;
                let source = stream.source;
                self.change(|seen| seen.keyframe_requests.push((source, now())));
            }
            Event::ChannelOpen(id, _) => {
                self.channel = Some(id);
                self.change(|seen| {
                    seen.channel_open.get_or_insert_with(now);
                });
            }
            Event::ChannelData(data) if data.binary && data.data == [2] => {
                self.change(|seen| seen.told_quiet += 1);
            }
            Event::ChannelData(data) if data.binary && data.data == [1] => {
                self.change(|seen| seen.pulses.push(now()));
            }
            Event::EgressBitrateEstimate(BweKind::Remb { estimate, .. }) => {
                self.change(|seen| seen.most_bps = Some(estimate.as_u64()));
            }
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. }) => {
                self.change(|seen| seen.estimate_bps = estimate.as_u64());
            }
            Event::Closed => self.change(|seen| {
                seen.closed.get_or_insert_with(now);
            }),
            _ => {}
        }
    }

    fn sink(&mut self, ssrc: str0m::rtp::Ssrc) -> Option<Sink> {
        let mid = self.rtc.direct_api().stream_rx(&ssrc)?.mid();
        self.pool.receives.iter().find(|(m, _)| *m == mid).map(|(_, sink)| *sink)
    }
}

/// Media, not RTCP (RFC 5761 §4).
fn is_media(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|b| (128..192).contains(b))
        && bytes.get(1).is_some_and(|b| !(64..96).contains(&(b & 0x7f)))
}

fn read(sink: Sink, payload: &[u8]) -> Option<Content> {
    match sink.kind {
        SinkKind::Audio => content::read_sound(payload),
        SinkKind::Video | SinkKind::Screen => content::read_picture(payload),
    }
}

fn payload_type(rtc: &Rtc, source: Source) -> Option<Pt> {
    let codec = if source == Source::Microphone { Codec::Opus } else { Codec::Vp8 };
    rtc.codec_config().params().iter().find(|p| p.spec().codec == codec).map(|p| p.pt())
}
