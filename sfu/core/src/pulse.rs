//! When to send a pulse on the data channel, so that a client notices a dead path in half a second.

use crate::limits::{PULSE_AFTER_SILENCE, PULSE_IDLE};
use std::time::Instant;

/// The one byte of a pulse.
pub const PULSE: [u8; 1] = [0x01];

/// Pulses to one session.
#[derive(Clone, Copy, Debug)]
pub struct Pulse {
    last_media: Instant,
    last_pulse: Instant,
    expects_media: bool,
    /// The channel is open and has carried nothing yet.
    owes_the_first: bool,
}

impl Pulse {
    /// Begins with a pulse due one idle interval from now.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { last_media: now, last_pulse: now, expects_media: false, owes_the_first: false }
    }

    /// The channel is open: the first pulse goes at once, even while media flows. A client that has heard one
    /// knows that silence means something.
    pub const fn open(&mut self) {
        self.owes_the_first = true;
    }

    /// Whether there is somebody whose media the session should be receiving.
    pub const fn expect(&mut self, expects_media: bool) {
        self.expects_media = expects_media;
    }

    /// A media packet was sent to the session.
    pub const fn sent_media(&mut self, now: Instant) {
        self.last_media = now;
    }

    /// When a pulse is due unless media is sent before.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        if self.owes_the_first {
            self.last_pulse
        } else if self.expects_media {
            self.last_media.max(self.last_pulse) + PULSE_AFTER_SILENCE
        } else {
            self.last_pulse + PULSE_IDLE
        }
    }

    /// Whether to send one now; counts it as sent.
    pub fn poll(&mut self, now: Instant) -> bool {
        let due = self.deadline() <= now;
        if due {
            self.owes_the_first = false;
            self.last_pulse = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn silence_brings_pulses_media_stops_them_and_idlers_get_one_a_second() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        let mut sent = Vec::new();
        for ms in 1..=4_000 {
            let now = start + Duration::from_millis(ms);
            pulse.expect((1_500..3_000).contains(&ms));
            if (1_500..2_500).contains(&ms) && ms % 20 == 0 {
                pulse.sent_media(now);
            }
            if pulse.poll(now) {
                sent.push(ms);
            }
        }
        // Idle: 1000. Media from 1500 to 2480, so the first silence pulse is 200 ms later. Idle again: 1 s on.
        assert_eq!(sent, [1_000, 2_680, 2_880, 3_880]);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn the_first_goes_when_the_channel_opens_whatever_flows() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        pulse.expect(true);
        let mut sent = Vec::new();
        for ms in 1..=500 {
            let now = start + Duration::from_millis(ms);
            pulse.sent_media(now);
            if ms == 300 {
                pulse.open();
            }
            if pulse.poll(now) {
                sent.push(ms);
            }
        }
        assert_eq!(sent, [300]);
    }
}
