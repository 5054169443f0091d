//! What the SFU decides, without a socket, a clock or a lock.
//!
//! What this is: the rules of forwarding as pure values. Time, randomness and bytes are arguments.
//! What it deliberately is not: a WebRTC engine. ICE, DTLS and data channels are str0m's, driven by `sfu`, which also
//! encrypts.
//!
//! ```text
//! datagram ─▶ demux ─▶ table ─▶ (open) ─▶ rtp, reception, history ─▶ slots ─▶ rebase, vp8, clock ─▶ (seal) ─▶ datagram
//!               TCP: framing       rtcp, twcc ─▶ congestion, pacer: how fast    keyframe, pulse, wheel: when
//! ```
//!
//! Reading order: [`port`] (what signaling asks of the media plane), [`sdp`] (offers and answers),
//! [`demux`], [`framing`] and [`table`] (whose packet is it), [`rtp`], [`reception`] and [`history`] (what came in),
//! [`slots`] (who sees whom), [`rebase`], [`vp8`] and [`clock`] (what a forwarded packet carries), [`rtcp`] and [`twcc`]
//! (what each end says of what arrived), [`congestion`] and [`pacer`] (how fast), [`keyframe`], [`pulse`] and [`wheel`]
//! (when), [`limits`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod clock;
pub mod congestion;
pub mod demux;
pub mod framing;
pub mod history;
pub mod keyframe;
pub mod limits;
pub mod pacer;
pub mod port;
pub mod pulse;
pub mod rebase;
pub mod reception;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod slots;
pub mod steer;
pub mod table;
pub mod twcc;
pub mod vp8;
pub mod wheel;
