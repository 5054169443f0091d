//! The seam around str0m: how an offer is answered, and how a session's state machine is made. Two engines do that: one
//! finds the answer to the whole offer and is dropped; the other lives with the session, keeps its transport alive (ICE,
//! DTLS, the data channel) and knows of no media, which passes it by.
//!
//! Runs on the control side, because parsing an offer costs milliseconds; the finished [`Rtc`] is `Send`
//! and moves to its shard. Everything from the wire goes through `catch_unwind`.

use sfu_core::{
    port::MediaError,
    rtp::Ids,
    sdp::{self, Kind, Refused},
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
    format::Codec,
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
    /// It keeps the transport alive and knows of no media: lines cost the engine some 60 KiB a person.
    pub(crate) rtc: Box<Rtc>,
    /// Where its handshake will leave the keys for media.
    pub(crate) agreed: Agreed,
    pub(crate) credentials: Credentials,
    pub(crate) lines: Vec<Agreement>,
    pub(crate) pulse: Option<ChannelId>,
    pub(crate) answer: String,
}

/// What an offer and its answer agree on for a line.
pub(crate) struct Agreement {
    pub(crate) line: sdp::Line,
    /// The numbers this client gave the codec, and its repairs.
    pub(crate) payload_type: u8,
    pub(crate) repair_type: Option<u8>,
    pub(crate) ids: Ids,
    /// What we send on it, if anything.
    pub(crate) streams: Option<Streams>,
}

/// The numbers of what we send on a line, and of its repairs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Streams {
    pub(crate) ssrc: u32,
    pub(crate) repairs: Option<u32>,
}

/// An answer by itself: whose session it is for, and which credentials that has, is not settled.
pub(crate) struct Draft {
    answer: String,
    credentials: IceCreds,
    transport: sdp::Transport,
    data: bool,
    pub(crate) lines: Vec<Agreement>,
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
        let draft = self.draft(offer, candidates, now)?;
        let made = catch_unwind(AssertUnwindSafe(|| {
            let (rtc, agreed) = self.make(draft.credentials.clone(), candidates, now)?;
            let mut rtc = Box::new(rtc);
            let pulse = draft.data.then(|| add_pulse_channel(&mut rtc));
            let (answer, credentials) = accept(&mut rtc, &draft, draft.data)?;
            quiet(&mut rtc);
            Ok(Prepared { rtc, agreed, credentials, lines: draft.lines, pulse, answer })
        }));
        made.unwrap_or(Err(ENGINE_FAILED))
    }

    /// Reads an offer, first or renewed, and finds the answer that fits it.
    pub(crate) fn draft(
        &self,
        offer: &str,
        candidates: &[Candidate],
        now: Instant,
    ) -> Result<Draft, MediaError> {
        let offer = sdp::read_offer(offer).map_err(|refused| match refused {
            Refused::TooLarge => MediaError::OfferTooLarge,
            Refused::Invalid(why) => MediaError::OfferInvalid(why),
        })?;
        let parsed = parse(&offer.sdp)?;
        let made = catch_unwind(AssertUnwindSafe(|| {
            let credentials = new_credentials()?;
            let (mut rtc, _) = self.make(credentials.clone(), candidates, now)?;
            let answer = rtc
                .sdp_api()
                .accept_offer(parsed)
                .map_err(|_| MediaError::OfferInvalid("it does not fit what this node speaks"))?;
            let usable =
                |line: &sdp::Line| rtc.media(Mid::from(line.mid.as_str())).is_some_and(|m| !m.disabled());
            if !offer.lines.is_empty() && !offer.lines.iter().any(usable) {
                return Err(MediaError::OfferInvalid("it shares no codec with this node (Opus, VP8)"));
            }
            let answer = sdp::finish(&answer.to_sdp_string(), &offer.lines);
            let lines = offer.lines.into_iter().filter_map(|line| agreement(&mut rtc, line)).collect();
            Ok(Draft { answer, credentials, transport: offer.transport, data: offer.data, lines })
        }));
        made.unwrap_or(Err(ENGINE_FAILED))
    }

    /// A new engine, and where its handshake will leave the keys.
    fn make(
        &self,
        credentials: IceCreds,
        candidates: &[Candidate],
        now: Instant,
    ) -> Result<(Rtc, Agreed), MediaError> {
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
        let mut rtc = Rtc::builder()
            .set_crypto_provider(self.crypto())
            .set_dtls_cert(self.cert.clone())
            .set_local_ice_credentials(credentials)
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .set_extension_map(extensions)
            .set_rtcp_report_interval_audio(NEVER)
            .set_rtcp_report_interval_video(NEVER)
            .build(now);
        let agreed = keys::of_the_last_built().ok_or(ENGINE_FAILED)?;
        for candidate in candidates {
            rtc.add_local_candidate(candidate.clone());
        }
        Ok((rtc, agreed))
    }
}

pub(crate) const ENGINE_FAILED: MediaError = MediaError::OfferInvalid("the media engine cannot answer it");

/// The engine's reading of an offer.
fn parse(offer: &str) -> Result<SdpOffer, MediaError> {
    let parsed = catch_unwind(AssertUnwindSafe(|| SdpOffer::from_sdp_string(offer)));
    match parsed {
        Ok(Ok(parsed)) => Ok(parsed),
        Ok(Err(_)) => Err(MediaError::OfferInvalid("it cannot be parsed")),
        Err(_) => Err(ENGINE_FAILED),
    }
}

/// What the engine agreed on for a line, unless it refused it.
fn agreement(rtc: &mut Rtc, line: sdp::Line) -> Option<Agreement> {
    let codec = match line.kind {
        Kind::Audio => Codec::Opus,
        Kind::Video => Codec::Vp8,
    };
    let mid = Mid::from(line.mid.as_str());
    let media = rtc.media(mid)?;
    let params = rtc.codec_config().params();
    let params = params.iter().find(|p| p.spec().codec == codec && media.remote_pts().contains(&p.pt()))?;
    let (payload_type, repair_type) = (*params.pt(), params.resend().map(|pt| *pt));
    let ids = ids(media.remote_extmap());
    let streams = rtc
        .direct_api()
        .stream_tx_by_mid(mid, None)
        .map(|stream| Streams { ssrc: *stream.ssrc(), repairs: stream.rtx().map(|ssrc| *ssrc) });
    Some(Agreement { line, payload_type, repair_type, ids, streams })
}

/// The numbers that a line's header extensions have.
fn ids(agreed: &ExtensionMap) -> Ids {
    let id = |extension| agreed.id_of(extension).unwrap_or(0);
    Ids {
        mid: id(Extension::RtpMid),
        rid: id(Extension::RtpStreamId),
        repaired_rid: id(Extension::RepairedRtpStreamId),
        transport_number: id(Extension::TransportSequenceNumber),
        audio_level: id(Extension::AudioLevel),
    }
}

/// Settles a draft with the session it is for, which has a data channel or not: the answer, and the local ICE
/// credentials, which may be new ones.
pub(crate) fn accept(rtc: &mut Rtc, draft: &Draft, data: bool) -> Result<(String, Credentials), MediaError> {
    let before = rtc.direct_api().local_ice_credentials();
    let accepted = rtc
        .sdp_api()
        .accept_offer(parse(&draft.transport.offer(data))?)
        .map_err(|_| MediaError::OfferInvalid("it does not fit what this node speaks"))?
        .to_sdp_string();
    let mut credentials = rtc.direct_api().local_ice_credentials();
    if credentials != before {
        // An ICE restart. The engine's own choice comes from a generator that is not cryptographic.
        credentials = new_credentials()?;
        rtc.direct_api().set_local_ice_credentials(credentials.clone());
    }
    // Credentials stand in attributes of their own and in every candidate.
    let answer = sdp::with_setup_of(&draft.answer, &accepted)
        .replace(&draft.credentials.ufrag, &credentials.ufrag)
        .replace(&draft.credentials.pass, &credentials.pass);
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
pub(crate) fn new_credentials() -> Result<IceCreds, MediaError> {
    const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = [0; 8 + 24];
    getrandom::fill(&mut bytes).map_err(|_| MediaError::Busy)?;
    let text: String = bytes.iter().map(|b| char::from(ICE_CHARS[usize::from(*b & 63)])).collect();
    let (ufrag, pass) = text.split_at(8);
    Ok(IceCreds { ufrag: ufrag.to_owned(), pass: pass.to_owned() })
}
