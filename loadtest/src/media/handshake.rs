//! The engine, which makes offers, connects (ICE, DTLS) and then keeps the path alive; and the keys it agrees
//! on, so that media need not pass through it.

use super::{Options, Sink, Source, outgoing::LAYERS};
use anyhow::{Context as _, Result, anyhow};
use std::{
    cell::Cell,
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Rtc,
    change::{SdpOffer, SdpPendingOffer},
    channel::{ChannelConfig, Reliability},
    config::DtlsCert,
    crypto::{
        CryptoError, CryptoProvider,
        dtls::{
            DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial,
            ProtocolVersion, SrtpProfile,
        },
        from_feature_flags,
    },
    media::{Direction, MediaKind, Simulcast, SimulcastLayer},
};

/// Longer than any run: the engine has no media to report on.
const NEVER: Duration = Duration::from_secs(86_400);

static INNER: LazyLock<CryptoProvider> = LazyLock::new(from_feature_flags);

/// One certificate for every client of a process: making one costs more than a handshake, and it is the
/// server that is measured.
static CERTIFICATE: LazyLock<Option<DtlsCert>> = LazyLock::new(|| INNER.dtls_provider.generate_certificate());

thread_local! {
    static LAST: Cell<Option<Keys>> = const { Cell::new(None) };
}

/// What a handshake agreed on.
pub(super) struct Keys {
    pub(super) material: KeyingMaterial,
    pub(super) profile: SrtpProfile,
    /// We were the DTLS client.
    pub(super) client: bool,
}

/// What the handshake that just ended on this thread agreed on.
pub(super) fn take_keys() -> Option<Keys> {
    LAST.take()
}

/// An offer that is out, and who waits for its answer.
pub(super) struct Offered {
    pub(super) rtc: Rtc,
    pub(super) pending: SdpPendingOffer,
    pub(super) sdp: String,
    pub(super) sends: Vec<Source>,
    pub(super) receives: Vec<Sink>,
}

fn engine(local: SocketAddr, now: Instant) -> Result<Rtc> {
    let certificate = CERTIFICATE.clone().context("no certificate")?;
    let mut rtc = Rtc::builder()
        .set_crypto_provider(Arc::new(CryptoProvider { dtls_provider: &Tapping, ..INNER.clone() }))
        .set_dtls_cert(certificate)
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(true)
        .set_rtcp_report_interval_audio(NEVER)
        .set_rtcp_report_interval_video(NEVER)
        .build(now);
    rtc.add_local_candidate(Candidate::host(local, "udp")?);
    Ok(rtc)
}

/// Answers an offer.
pub(super) fn accept(offer: &str, local: SocketAddr, now: Instant) -> Result<(Rtc, String)> {
    let mut rtc = engine(local, now)?;
    let offer = SdpOffer::from_sdp_string(offer).map_err(|e| anyhow!("{e}"))?;
    let answer = rtc.sdp_api().accept_offer(offer)?;
    Ok((rtc, answer.to_sdp_string()))
}

/// The fixed pool a browser of ours offers: what it may send, what it can receive, the data channel.
pub(super) fn offer(options: Options, local: SocketAddr, now: Instant) -> Result<Offered> {
    let mut rtc = engine(local, now)?;
    let (mut sends, mut receives) = (Vec::new(), Vec::new());
    let mut api = rtc.sdp_api();
    if options.sends {
        let layers = || Simulcast { send: LAYERS.map(SimulcastLayer::new).into(), recv: Vec::new() };
        let lines = [
            (Source::Microphone, MediaKind::Audio, None),
            (Source::Camera, MediaKind::Video, options.simulcast.then(layers)),
            (Source::Screen, MediaKind::Video, None),
        ];
        for (source, kind, layers) in lines.into_iter().take(if options.share { 3 } else { 2 }) {
            api.add_media(kind, Direction::SendOnly, None, None, layers);
            sends.push(source);
        }
    }
    let mut receive = |kind, sink| {
        api.add_media(kind, Direction::RecvOnly, None, None, None);
        receives.push(sink);
    };
    for slot in 0..options.slots {
        receive(MediaKind::Audio, Sink::Audio(slot));
        receive(MediaKind::Video, Sink::Video(slot));
    }
    if options.screen {
        receive(MediaKind::Video, Sink::Screen);
    }
    if options.data {
        api.add_channel_with_config(pulse_channel());
    }
    let (offer, pending) = api.apply().ok_or_else(|| anyhow!("nothing to offer"))?;
    Ok(Offered { rtc, pending, sdp: offer.to_sdp_string(), sends, receives })
}

/// The data channel that both ends know of without negotiating it.
#[must_use]
pub fn pulse_channel() -> ChannelConfig {
    ChannelConfig {
        label: "pulse".to_owned(),
        ordered: false,
        reliability: Reliability::MaxRetransmits { retransmits: 0 },
        negotiated: Some(0),
        ..ChannelConfig::default()
    }
}

/// Makes DTLS instances that remember their keying material on the thread that drives them.
#[derive(Debug)]
struct Tapping;

impl DtlsProvider for Tapping {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        INNER.dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        Ok(Box::new(Tapped(INNER.dtls_provider.new_dtls(cert, now, version, mtu)?)))
    }
}

#[derive(Debug)]
struct Tapped(Box<dyn DtlsInstance>);

impl DtlsInstance for Tapped {
    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.0.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            let material = KeyingMaterial::new(material);
            LAST.set(Some(Keys { material, profile: *profile, client: self.0.is_active() }));
        }
        output
    }
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }
    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }
    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }
    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }
    fn is_active(&self) -> bool {
        self.0.is_active()
    }
    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }
    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }
    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
