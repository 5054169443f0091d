//! A track towards a subscriber: one unbroken stream, whoever feeds it.

use sfu_core::{
    limits::LAYER_SILENT,
    rebase::{Incoming, Position, Rebaser},
    sdp::{Kind, Sink, Source},
    vp8::{Continuity, Descriptor, Rewrite},
};
use std::{sync::Arc, time::Instant};
use str0m::{
    media::{Mid, Pt},
    rtp::{RtpWrite, Ssrc, StreamTx, Vp8Descriptor},
};

/// A media packet on its way from a publisher to their subscribers.
#[derive(Debug)]
pub(crate) struct Forward {
    pub(crate) publisher: u32,
    pub(crate) source: Source,
    pub(crate) ssrc: Ssrc,
    pub(crate) numbers: Incoming,
    pub(crate) marker: bool,
    pub(crate) audio_level: Option<i8>,
    pub(crate) voice_activity: Option<bool>,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) captured: Instant,
    pub(crate) picture: Option<(Descriptor, Vp8Descriptor)>,
}

#[derive(Debug)]
pub(crate) struct OutTrack {
    pub(crate) mid: Mid,
    pub(crate) ssrc: Ssrc,
    pub(crate) sink: Sink,
    pt: Pt,
    rebaser: Rebaser,
    continuity: Continuity,
    /// Whose source should be shown.
    pub(crate) route: Option<(u32, Source)>,
    /// The stream that is being shown.
    pub(crate) current: Option<(u32, Ssrc)>,
    last: Option<Instant>,
}

/// Why a packet was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// A picture cannot begin here.
    AwaitsKeyframe,
    /// Another layer is being shown.
    OtherLayer,
    /// Nothing but padding.
    Padding,
    /// From before the source was taken up.
    Late,
}

impl OutTrack {
    pub(crate) fn new(mid: Mid, ssrc: Ssrc, pt: Pt, sink: Sink, kind: Kind, seed: u16) -> Self {
        let clock_rate = clock_rate(kind);
        Self {
            mid,
            ssrc,
            sink,
            pt,
            rebaser: Rebaser::new(clock_rate, seed),
            continuity: Continuity::default(),
            route: None,
            current: None,
            last: None,
        }
    }

    pub(crate) fn with_payload_type(mut self, pt: Pt) -> Self {
        self.pt = pt;
        self
    }

    /// Shows another source, or none. Says whether that is a change.
    pub(crate) fn set_route(&mut self, route: Option<(u32, Source)>) -> bool {
        if self.route == route {
            return false;
        }
        self.route = route;
        self.current = None;
        true
    }

    /// Where a packet goes in this track, if it does.
    pub(crate) fn take(&mut self, packet: &Forward, now: Instant) -> Result<(Position, Rewrite), Refused> {
        let this = (packet.publisher, packet.ssrc);
        let showing = self.current == Some(this);
        if packet.payload.is_empty() {
            if showing {
                self.rebaser.skip(packet.numbers.seq);
            }
            return Err(Refused::Padding);
        }
        let Some((descriptor, _)) = &packet.picture else {
            return self.take_sound(packet, this, now).map(|position| (position, Rewrite::default()));
        };
        if showing {
            let position = self.rebaser.map(packet.numbers).ok_or(Refused::Late)?;
            self.last = Some(now);
            return Ok((position, self.continuity.map(descriptor)));
        }
        // The first layer whose keyframe arrives is shown; waiting for the best one costs a second.
        let silent = self.last.is_none_or(|last| now.saturating_duration_since(last) >= LAYER_SILENT);
        if self.current.is_some() && !silent {
            return Err(Refused::OtherLayer);
        }
        if !descriptor.keyframe {
            return Err(Refused::AwaitsKeyframe);
        }
        self.current = Some(this);
        self.last = Some(now);
        Ok((self.rebaser.switch(packet.numbers), self.continuity.switch(descriptor)))
    }

    fn take_sound(&mut self, packet: &Forward, this: (u32, Ssrc), now: Instant) -> Result<Position, Refused> {
        self.last = Some(now);
        if self.current == Some(this) {
            return self.rebaser.map(packet.numbers).ok_or(Refused::Late);
        }
        self.current = Some(this);
        Ok(self.rebaser.switch(packet.numbers))
    }

    /// Writes a packet where [`OutTrack::take`] said.
    pub(crate) fn write(&self, stream: &mut StreamTx, packet: &Forward, at: Position, ids: Rewrite) {
        let mut write =
            RtpWrite::new(self.pt, at.seq.into(), at.timestamp, packet.captured, Arc::clone(&packet.payload))
                .marker(packet.marker)
                .nackable(packet.picture.is_some());
        // Only what describes the content crosses; transport extensions are each hop's own.
        let extensions = str0m::rtp::ExtensionValues {
            audio_level: packet.audio_level,
            voice_activity: packet.voice_activity,
            ..Default::default()
        };
        write = write.ext_vals(extensions);
        if let Some((_, descriptor)) = &packet.picture {
            let mut patch = descriptor.patch();
            if let Some(id) = ids.picture_id {
                patch = patch.picture_id(id);
            }
            if let Some(tl0) = ids.tl0 {
                patch = patch.tl0_pic_idx(tl0);
            }
            if let Ok(patch) = patch.build() {
                write = write.vp8_patch(patch);
            }
        }
        stream.write_rtp(write);
    }
}

/// Ticks a second of the codecs this node forwards.
pub(crate) const fn clock_rate(kind: Kind) -> u32 {
    match kind {
        Kind::Audio => 48_000,
        Kind::Video => 90_000,
    }
}
