//! What a client sends on one line: frames, when they are due, captured with their marks.

use super::{Sending, Source};
use loadtest::media::content::{self, Mark};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use str0m::media::Mid;

/// One line being sent on.
pub(super) struct Stream {
    pub(super) source: Source,
    pub(super) mid: Mid,
    pub(super) how: Sending,
    pub(super) seq: u64,
    pub(super) timestamp: u32,
    pub(super) counter: u32,
    pub(super) due: Instant,
    pub(super) keyframe: bool,
    /// Frames that were captured and wait to be late.
    pub(super) held: VecDeque<(Instant, Frame)>,
    pub(super) since_pad: u32,
}

pub(super) struct Frame {
    pub(super) captured: Instant,
    pub(super) timestamp: u32,
    pub(super) packets: Vec<Vec<u8>>,
}

impl Stream {
    pub(super) const fn period(&self) -> Duration {
        match self.source {
            Source::Microphone => Duration::from_millis(20),
            Source::Camera => Duration::from_micros(33_333),
            Source::Screen => Duration::from_millis(100),
        }
    }

    pub(super) fn capture(&mut self, at: Instant) -> Frame {
        let keyframe = std::mem::take(&mut self.keyframe);
        let (tag, counter) = (self.how.tag, self.counter);
        let mark = |part| Mark { tag, counter, part, sent_ns: 0 };
        let packets = match self.source {
            Source::Microphone => {
                let mut packet = Vec::new();
                content::sound(&mut packet, mark(0));
                vec![packet]
            }
            Source::Camera | Source::Screen => (0..self.how.packets_per_frame)
                .map(|part| {
                    let mut packet = Vec::with_capacity(self.how.bytes);
                    content::picture(&mut packet, mark(part as u8), keyframe, self.how.bytes);
                    packet
                })
                .collect(),
        };
        let frame = Frame { captured: at, timestamp: self.timestamp, packets };
        self.counter = self.counter.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(match self.source {
            Source::Microphone => 960,
            Source::Camera => 3_000,
            Source::Screen => 9_000,
        });
        frame
    }
}
