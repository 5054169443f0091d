//! A connection of the `webrtc` crate, with the pool of lines that our pages offer.

use super::super::{Options, PATIENCE, Sink, Source, handshake::pulse_channel};
use anyhow::{Context as _, Result};
use async_trait::async_trait;
use rtc::{
    interceptor::{Attribute, Interceptor, Packet, Slot, StreamInfo, TaggedPacket},
    media_stream::MediaStreamTrack,
    peer_connection::configuration::{
        interceptor_registry::{
            Registry, configure_nack, configure_rtcp_reports, configure_simulcast_extension_headers,
            configure_twcc,
        },
        media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine},
    },
    rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters, RtpCodecKind,
    },
    sansio::Protocol,
    shared::error::Error,
};
use std::{collections::VecDeque, fmt, net::SocketAddr, sync::Arc, time::Instant};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use webrtc::{
    data_channel::{DataChannel, RTCDataChannelInit},
    media_stream::{track_local::static_rtp::TrackLocalStaticRTP, track_remote::TrackRemote},
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
        RTCPeerConnectionState, RTCSessionDescription,
    },
    rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit},
};

/// Threads that the connections of a process share, apart from everything that waits for them.
const REACTORS: usize = 1;

/// Changes of state and new tracks that wait for their client. A connection has a dozen. Full: what happens then is not
/// heard of.
const HAPPENINGS: usize = 64;

/// Where our interceptor stands: behind all of the crate's.
const LAST: usize = 14_000;

/// What a connection says of itself.
pub(super) enum Happened {
    State(RTCPeerConnectionState),
    Track(Arc<dyn TrackRemote>),
}

/// The connection, and what it sends by.
pub(super) struct Connection {
    pub(super) peer: Arc<dyn PeerConnection>,
    /// What each thing is sent by.
    pub(super) tracks: Vec<(Source, Arc<TrackLocalStaticRTP>)>,
    pub(super) pulse: Option<Arc<dyn DataChannel>>,
    gathered: watch::Receiver<bool>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) async fn open(
        options: Options,
        sends: &[Source],
        receives: &[Sink],
    ) -> Result<(Self, mpsc::Receiver<Happened>)> {
        let mut media = MediaEngine::default();
        media.register_default_codecs()?;
        let registry = configure_nack(Registry::new(), &mut media);
        configure_simulcast_extension_headers(&mut media)?;
        let registry = configure_rtcp_reports(configure_twcc(registry, &mut media)?)
            .with(Slot::from(LAST), ShowRtcp::default());
        let (happens, happened) = mpsc::channel(HAPPENINGS);
        let (gathering, gathered) = watch::channel(false);
        let building = PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Handler { happens, gathering }))
            .with_udp_addrs(vec![SocketAddr::new(options.ip, 0)])
            .with_dedicated_reactor_pool_size(REACTORS)
            .build();
        // It has 20 KB, and would make every future large that may wait for it.
        let peer: Arc<dyn PeerConnection> = Arc::new(Box::pin(building).await?);
        let mut tracks = Vec::new();
        for source in sends {
            let track = Arc::new(TrackLocalStaticRTP::new(track(*source)));
            let direction = RTCRtpTransceiverDirection::Sendonly;
            let init = RTCRtpTransceiverInit { direction, streams: vec![], send_encodings: vec![] };
            peer.add_transceiver_from_track(Arc::clone(&track) as _, Some(init)).await?;
            tracks.push((*source, track));
        }
        for sink in receives {
            let direction = RTCRtpTransceiverDirection::Recvonly;
            let init = RTCRtpTransceiverInit { direction, streams: vec![], send_encodings: vec![] };
            let kind = match sink {
                Sink::Audio(_) => RtpCodecKind::Audio,
                Sink::Video(_) | Sink::Screen => RtpCodecKind::Video,
            };
            peer.add_transceiver_from_kind(kind, Some(init)).await?;
        }
        let mut pulse = None;
        if options.data {
            let agreed = pulse_channel();
            let init = RTCDataChannelInit {
                ordered: agreed.ordered,
                max_retransmits: Some(0),
                negotiated: agreed.negotiated,
                ..RTCDataChannelInit::default()
            };
            pulse = Some(peer.create_data_channel(&agreed.label, Some(init)).await?);
        }
        Ok((Self { peer, tracks, pulse, gathered }, happened))
    }

    /// The offer, with every candidate in it.
    pub(super) async fn offer(&self) -> Result<String> {
        let offer = self.peer.create_offer(None).await?;
        self.peer.set_local_description(offer).await?;
        let mut gathered = self.gathered.clone();
        timeout(PATIENCE, gathered.wait_for(|done| *done)).await.context("gather candidates")??;
        Ok(self.peer.local_description().await.context("no local description")?.sdp)
    }

    pub(super) async fn answered(&self, answer: &str) -> Result<()> {
        let answer = RTCSessionDescription::answer(answer.to_owned())?;
        Ok(self.peer.set_remote_description(answer).await?)
    }
}

/// A track with SSRCs of its own.
fn track(source: Source) -> MediaStreamTrack {
    let (kind, codec) = match source {
        Source::Microphone => (
            RtpCodecKind::Audio,
            RTCRtpCodec {
                mime_type: MIME_TYPE_OPUS.to_owned(),
                clock_rate: 48_000,
                channels: 2,
                sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
                rtcp_feedback: vec![],
            },
        ),
        Source::Camera | Source::Screen => (
            RtpCodecKind::Video,
            RTCRtpCodec {
                mime_type: MIME_TYPE_VP8.to_owned(),
                clock_rate: 90_000,
                channels: 0,
                sdp_fmtp_line: String::new(),
                rtcp_feedback: vec![],
            },
        ),
    };
    let rtx = (kind == RtpCodecKind::Video).then(|| RTCRtpRtxParameters { ssrc: ssrc() });
    let coding = RTCRtpCodingParameters { ssrc: Some(ssrc()), rtx, ..RTCRtpCodingParameters::default() };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: coding,
        codec,
        ..RTCRtpEncodingParameters::default()
    };
    let name = format!("{source:?}").to_lowercase();
    MediaStreamTrack::new("interop".into(), name.clone(), name, kind, vec![encoding])
}

#[expect(clippy::disallowed_methods, reason = "a client chooses its SSRCs")]
fn ssrc() -> u32 {
    uuid::Uuid::new_v4().as_fields().0
}

struct Handler {
    happens: mpsc::Sender<Happened>,
    gathering: watch::Sender<bool>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathering.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let _ = self.happens.try_send(Happened::State(state));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.happens.try_send(Happened::Track(track));
    }
}

/// Marks RTCP that came, so that its track shows it: by itself it ends with the crate's interceptors.
#[derive(Default)]
struct ShowRtcp {
    came: VecDeque<TaggedPacket>,
    going: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for ShowRtcp {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut packet: TaggedPacket) -> Result<(), Error> {
        if matches!(packet.message.packet, Packet::Rtcp(_)) {
            packet.message.add(Attribute::DeliverToApplication);
        }
        self.came.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.came.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.going.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.going.pop_front()
    }
}

impl Interceptor for ShowRtcp {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
