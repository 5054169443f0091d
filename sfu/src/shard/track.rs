//! A track towards a subscriber: one unbroken stream, whoever feeds it.

use super::incoming::clock_rate;
use sfu_core::{
    limits::{HISTORY_PICTURES, LAYER_SILENT},
    rebase::{self, Position, Rebaser},
    reception::Window,
    rtp::Ids,
    sdp::{Kind, Sink, Source},
    vp8::{Continuity, Descriptor, Rewrite},
};
use std::time::Instant;

/// A media packet on its way from a publisher to their subscribers. Its payload is in the stream's history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forward {
    pub(crate) publisher: u32,
    pub(crate) source: Source,
    pub(crate) ssrc: u32,
    pub(crate) numbers: rebase::Incoming,
    /// Nothing but padding.
    pub(crate) empty: bool,
    pub(crate) picture: Option<Descriptor>,
}

/// What a packet that was sent came from, for repairs and for packets that wait their turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logged {
    pub(crate) at: Position,
    pub(crate) ids: Rewrite,
    pub(crate) publisher: u32,
    pub(crate) ssrc: u32,
    pub(crate) seq: u64,
    /// It has not been sent yet: it waits for its turn.
    pub(crate) waits: bool,
    /// When it was last repaired, in microseconds.
    pub(crate) repaired_us: i64,
}

/// The stream that carries repairs of a track.
#[derive(Debug)]
pub(crate) struct Repairs {
    pub(crate) ssrc: u32,
    pub(crate) payload_type: u8,
}

/// Where a track goes, as the client's offer says.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) ssrc: u32,
    pub(crate) payload_type: u8,
    pub(crate) ids: Ids,
}

#[derive(Debug)]
pub(crate) struct OutTrack {
    pub(crate) wire: Wire,
    pub(crate) repairs: Option<Repairs>,
    /// Extended number of the next repair.
    next_repair: u64,
    /// Numbers that were sealed: none may be sealed twice (RFC 7714 §8.1), whoever feeds the track.
    sealed: Window,
    pub(crate) sink: Sink,
    pub(crate) clock_rate: u32,
    rebaser: Rebaser,
    continuity: Continuity,
    /// Whose source should be shown.
    pub(crate) route: Option<(u32, Source)>,
    /// The stream that is being shown.
    pub(crate) current: Option<(u32, u32)>,
    last: Option<Instant>,
    log: Vec<Option<Logged>>,
    /// Packets and payload bytes sent, for sender reports.
    pub(crate) sent: (u32, u32),
    /// Timestamp and time of capture, in microseconds, of the newest packet.
    pub(crate) newest: Option<(u32, i64)>,
    newest_seq: u64,
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
    pub(crate) fn new(wire: Wire, repairs: Option<Repairs>, sink: Sink, kind: Kind, seed: u16) -> Self {
        let clock_rate = clock_rate(kind);
        Self {
            wire,
            repairs,
            // Below the first rollover, as for media.
            next_repair: u64::from(seed.rotate_left(8) & 0x7fff),
            sealed: Window::default(),
            sink,
            clock_rate,
            rebaser: Rebaser::new(clock_rate, seed),
            continuity: Continuity::default(),
            route: None,
            current: None,
            last: None,
            log: Vec::new(),
            sent: (0, 0),
            newest: None,
            newest_seq: 0,
        }
    }

    /// The same track after a re-offer: its numbers go on.
    pub(crate) fn renewed(mut self, wire: Wire, repairs: Option<Repairs>, sink: Sink) -> Self {
        self.wire = wire;
        self.repairs = repairs;
        if self.sink != sink {
            self.sink = sink;
            self.set_route(None);
        }
        self
    }

    /// Its line is not in use for now.
    pub(crate) fn rest(mut self) -> Self {
        self.set_route(None);
        self.last = None;
        self.log.clear();
        self
    }

    /// Whether a packet with this number may be sealed; then it was.
    pub(crate) fn seal(&mut self, seq: u64) -> bool {
        let new = self.sealed.is_new(seq);
        if new {
            self.sealed.saw(seq);
        }
        new
    }

    /// Source, payload type and extended number of the next repair, if the client takes any.
    pub(crate) fn next_repair(&mut self) -> Option<(u32, u8, u64)> {
        let Repairs { ssrc, payload_type } = *self.repairs.as_ref()?;
        let number = self.next_repair;
        self.next_repair += 1;
        Some((ssrc, payload_type, number))
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
        if packet.empty {
            if showing {
                self.rebaser.skip(packet.numbers.seq);
            }
            return Err(Refused::Padding);
        }
        let Some(descriptor) = &packet.picture else {
            let position = self.take_sound(packet, this, now)?;
            self.note(position, packet);
            return Ok((position, Rewrite::default()));
        };
        let (at, ids) = if showing {
            let position = self.rebaser.map(packet.numbers).ok_or(Refused::Late)?;
            self.last = Some(now);
            (position, self.continuity.map(descriptor))
        } else {
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
            (self.rebaser.switch(packet.numbers), self.continuity.switch(descriptor))
        };
        self.note(at, packet);
        self.write_down(packet, at, ids);
        Ok((at, ids))
    }

    /// What a sender report is made of: the newest packet, not one that came late.
    fn note(&mut self, at: Position, packet: &Forward) {
        if at.seq >= self.newest_seq {
            self.newest_seq = at.seq;
            self.newest = Some((at.timestamp, packet.numbers.at_us));
        }
    }

    fn take_sound(&mut self, packet: &Forward, this: (u32, u32), now: Instant) -> Result<Position, Refused> {
        self.last = Some(now);
        if self.current == Some(this) && !self.rebaser.paused(packet.numbers) {
            return self.rebaser.map(packet.numbers).ok_or(Refused::Late);
        }
        self.current = Some(this);
        Ok(self.rebaser.switch(packet.numbers))
    }

    fn write_down(&mut self, packet: &Forward, at: Position, ids: Rewrite) {
        if self.log.is_empty() {
            self.log.resize(HISTORY_PICTURES, None);
        }
        let Forward { publisher, ssrc, numbers, .. } = *packet;
        let entry =
            Logged { at, ids, publisher, ssrc, seq: numbers.seq, waits: false, repaired_us: i64::MIN };
        self.log[place(at.seq as u16)] = Some(entry);
    }

    /// What was sent, or is to be sent, under this number.
    pub(crate) fn logged(&mut self, number: u16) -> Option<&mut Logged> {
        self.log.get_mut(place(number))?.as_mut().filter(|entry| entry.at.seq as u16 == number)
    }

    /// A packet that will never be sent: nobody need ask for it.
    pub(crate) fn forget(&mut self, number: u16) {
        if self.logged(number).is_some() {
            self.log[place(number)] = None;
        }
    }

    /// Waits for the next keyframe; what is shown until then is not worth sending.
    pub(crate) const fn begin_again(&mut self) {
        self.current = None;
        self.last = None;
    }
}

const fn place(number: u16) -> usize {
    number as usize % HISTORY_PICTURES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track() -> OutTrack {
        let wire = Wire { ssrc: 7, payload_type: 96, ids: Ids::default() };
        let repairs = Some(Repairs { ssrc: 8, payload_type: 97 });
        OutTrack::new(wire, repairs, Sink::Video(0), Kind::Video, 100)
    }

    fn picture(publisher: u32, ssrc: u32, seq: u64) -> Forward {
        Forward {
            publisher,
            source: Source::Camera,
            ssrc,
            numbers: rebase::Incoming { seq, timestamp: seq as u32 * 3_000, at_us: seq as i64 * 33_000 },
            empty: false,
            picture: Some(Descriptor { keyframe: true, picture_id: None, tl0: None }),
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn no_number_is_sealed_twice_whatever_a_source_does() {
        let (mut track, now) = (track(), Instant::now());
        let mut sealed = 0;
        // The same stream begins anew with numbers that it has used.
        for seq in [10, 11, 12, 10, 11, 12, 13] {
            if let Ok((at, _)) = track.take(&picture(1, 5, seq), now) {
                sealed += u32::from(track.seal(at.seq));
            }
        }
        assert_eq!(sealed, 4);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn numbers_go_on_over_a_rest_and_a_re_offer() {
        let (mut first, now) = (track(), Instant::now());
        first.set_route(Some((1, Source::Camera)));
        let before = first.take(&picture(1, 5, 10), now).unwrap().0.seq;
        let repair = first.next_repair().unwrap().2;
        let wire = Wire { ssrc: 7, payload_type: 98, ids: Ids::default() };
        let mut again = first.rest().renewed(wire, None, Sink::Video(1));
        assert_eq!((again.route, again.next_repair()), (None, None));
        assert!(again.logged(before as u16).is_none(), "nothing of then is repaired now");
        let wire = Wire { ssrc: 7, payload_type: 98, ids: Ids::default() };
        again = again.renewed(wire, Some(Repairs { ssrc: 8, payload_type: 99 }), Sink::Video(1));
        assert_eq!(again.next_repair(), Some((8, 99, repair + 1)));
        assert_eq!(again.take(&picture(2, 6, 99_000), now).unwrap().0.seq, before + 1);
    }
}
