//! The seam around str0m: how a session's state machine is made and how it answers an offer. It does ICE, DTLS, SDP
//! and the data channel; media passes it by.
//!
//! Runs on the control side, because parsing an offer costs milliseconds; the finished [`Rtc`] is `Send`
//! and moves to its shard. Everything from the wire goes through `catch_unwind`.

use sfu_core::{
    port::MediaError,
    sdp::{self, Offer, Refused},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, IceCreds, Output, Rtc,
    change::SdpOffer,
    channel::{ChannelConfig, ChannelId, Reliability},
    config::DtlsCert,
    crypto::CryptoProvider,
    media::Mid,
    rtp::{Extension, ExtensionMap},
};

use keys::Agreed;

pub(crate) mod keys;

/// Longer than any session: media is not the engine's to report on.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

/// The id and label both sides agree on for the pulse (no negotiation inside the channel).
const PULSE_CHANNEL: (u16, &str) = (0, "pulse");

/// Makes and answers for every session of the node.
#[derive(Debug)]
pub(crate) struct Engine {
    cert: DtlsCert,
    crypto: Arc<CryptoProvider>,
}

/// Local ICE credentials as they stand in an answer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

/// A session's state machine, ready to move to its shard, and the answer for the client.
pub(crate) struct Prepared {
    pub(crate) rtc: Box<Rtc>,
    /// Where its handshake will leave the keys for media.
    pub(crate) agreed: Agreed,
    pub(crate) credentials: Credentials,
    pub(crate) lines: Vec<sdp::Line>,
    pub(crate) slots: usize,
    pub(crate) pulse: Option<ChannelId>,
    pub(crate) answer: String,
}

impl Engine {
    pub(crate) fn new() -> Option<Self> {
        let crypto = keys::provider();
        // One key for the life of the process: making one costs more than the rest of a handshake.
        let cert = crypto.dtls_provider.generate_certificate()?;
        Some(Self { cert, crypto })
    }

    /// HMAC-SHA1 for STUN.
    pub(crate) fn crypto(&self) -> Arc<CryptoProvider> {
        Arc::clone(&self.crypto)
    }

    /// Reads an offer, makes a session for it and answers.
    pub(crate) fn answer(
        &self,
        offer: &str,
        candidates: &[Candidate],
        now: Instant,
    ) -> Result<Prepared, MediaError> {
        let offer = read(offer)?;
        let parsed = parse(&offer)?;
        let made = catch_unwind(AssertUnwindSafe(|| {
            let mut rtc = Box::new(self.make(now)?);
            let agreed = keys::of_the_last_built().ok_or(ENGINE_FAILED)?;
            for candidate in candidates {
                rtc.add_local_candidate(candidate.clone());
            }
            let pulse = offer.data.then(|| add_pulse_channel(&mut rtc));
            let (answer, credentials) = accept(&mut rtc, parsed, &offer.lines)?;
            quiet(&mut rtc);
            Ok(Prepared { rtc, agreed, credentials, slots: offer.slots(), lines: offer.lines, pulse, answer })
        }));
        made.unwrap_or(Err(ENGINE_FAILED))
    }

    fn make(&self, now: Instant) -> Result<Rtc, MediaError> {
        let mut extensions = ExtensionMap::empty();
        // Without urn:3gpp:video-orientation: a sender that negotiated it stops turning the picture
        // itself, and Firefox does not offer it.
        for (id, extension) in [
            (1, Extension::AudioLevel),
            (3, Extension::TransportSequenceNumber),
            (4, Extension::RtpMid),
            (10, Extension::RtpStreamId),
            (11, Extension::RepairedRtpStreamId),
        ] {
            extensions.set(id, extension);
        }
        Ok(Rtc::builder()
            .set_crypto_provider(self.crypto())
            .set_dtls_cert(self.cert.clone())
            .set_local_ice_credentials(new_credentials()?)
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .set_extension_map(extensions)
            .set_rtcp_report_interval_audio(NEVER)
            .set_rtcp_report_interval_video(NEVER)
            .build(now))
    }
}

const ENGINE_FAILED: MediaError = MediaError::OfferInvalid("the media engine cannot answer it");

/// Our own reading of an offer: limits, and what each line is for.
pub(crate) fn read(offer: &str) -> Result<Offer, MediaError> {
    sdp::read_offer(offer).map_err(|refused| match refused {
        Refused::TooLarge => MediaError::OfferTooLarge,
        Refused::Invalid(why) => MediaError::OfferInvalid(why),
    })
}

/// The engine's reading of an offer.
pub(crate) fn parse(offer: &Offer) -> Result<SdpOffer, MediaError> {
    let parsed = catch_unwind(AssertUnwindSafe(|| SdpOffer::from_sdp_string(&offer.sdp)));
    match parsed {
        Ok(Ok(parsed)) => Ok(parsed),
        Ok(Err(_)) => Err(MediaError::OfferInvalid("it cannot be parsed")),
        Err(_) => Err(ENGINE_FAILED),
    }
}

/// Answers an offer, first or renewed. After this the local ICE credentials may be new ones.
pub(crate) fn accept(
    rtc: &mut Rtc,
    offer: SdpOffer,
    lines: &[sdp::Line],
) -> Result<(String, Credentials), MediaError> {
    let before = rtc.direct_api().local_ice_credentials();
    let answer = rtc
        .sdp_api()
        .accept_offer(offer)
        .map_err(|_| MediaError::OfferInvalid("it does not fit what this node speaks"))?;
    for line in lines {
        // What is sent again comes from histories of our own; the engine's caches would hold nothing but 30 KiB.
        if let Some(stream) = rtc.direct_api().stream_tx_by_mid(Mid::from(line.mid.as_str()), None) {
            stream.set_rtx_cache(1, Duration::ZERO, None);
        }
    }
    let mut answer = sdp::finish(&answer.to_sdp_string(), lines);
    let mut credentials = rtc.direct_api().local_ice_credentials();
    if credentials != before {
        // An ICE restart. The engine's own choice comes from a generator that is not cryptographic.
        let fresh = new_credentials()?;
        // They stand in attributes of their own and in every candidate.
        answer = answer.replace(&credentials.ufrag, &fresh.ufrag).replace(&credentials.pass, &fresh.pass);
        rtc.direct_api().set_local_ice_credentials(fresh.clone());
        credentials = fresh;
    }
    let usable = |line: &sdp::Line| rtc.media(Mid::from(line.mid.as_str())).is_some_and(|m| !m.disabled());
    if !lines.is_empty() && !lines.iter().any(usable) {
        return Err(MediaError::OfferInvalid("it shares no codec with this node (Opus, VP8)"));
    }
    Ok((answer, Credentials { ufrag: credentials.ufrag, pwd: credentials.pass }))
}

fn add_pulse_channel(rtc: &mut Rtc) -> ChannelId {
    rtc.direct_api().create_data_channel(ChannelConfig {
        label: PULSE_CHANNEL.1.to_owned(),
        ordered: false,
        reliability: Reliability::MaxRetransmits { retransmits: 0 },
        negotiated: Some(PULSE_CHANNEL.0),
        ..ChannelConfig::default()
    })
}

/// Honours the engine's contract (drain after every change). Nothing of note comes out before the
/// first packet: what the lines are for is known from the offer.
fn quiet(rtc: &mut Rtc) {
    while let Ok(output) = rtc.poll_output() {
        if matches!(output, Output::Timeout(_)) {
            break;
        }
    }
}

/// 48 and 144 bits from the system's generator (RFC 8445 §5.3 asks for 24 and 128).
fn new_credentials() -> Result<IceCreds, MediaError> {
    const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = [0; 8 + 24];
    getrandom::fill(&mut bytes).map_err(|_| MediaError::Busy)?;
    let text: String = bytes.iter().map(|b| char::from(ICE_CHARS[usize::from(*b & 63)])).collect();
    let (ufrag, pass) = text.split_at(8);
    Ok(IceCreds { ufrag: ufrag.to_owned(), pass: pass.to_owned() })
}
