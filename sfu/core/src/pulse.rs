//! When to give a session a sign of life, so that a client notices a dead path in half a second.
//!
//! ```text
//! media flows ──▶ 200 ms without: 0x01, again every 200 ms ──▶ 2 s without: 0x02, three times ──▶ reports
//!      ▲                                                                                            │
//!      └────────────────────────────────── the next packet of media ────────────────────────────────┘
//! ```
//!
//! Only clients that said 0x02 or 0x03 themselves get beyond the first byte: it means that they watch the path's count of
//! bytes, in which a report shows. A report costs a tenth of a pulse, which the far end acknowledges, and less where it goes along
//! with the answer to a check. Clients that said 0x03 wait for three seconds between two of them.

use crate::limits::{
    PULSE_AFTER_SILENCE, PULSE_AGAIN, PULSE_IDLE, PULSE_PATIENT, PULSE_QUIET_AFTER, PULSE_QUIET_SAID,
};
use std::time::{Duration, Instant};

/// The one byte of a pulse.
pub const PULSE: [u8; 1] = [0x01];

/// The server: reports are all that comes until media does. The client: I know what that means.
pub const QUIET: [u8; 1] = [0x02];

/// The client: the same, and they may be [`PULSE_PATIENT`] apart.
pub const PATIENT: [u8; 1] = [0x03];

/// Pulses that go out when the channel opens.
const FIRST_PULSES: u8 = 2;

/// A sign of life that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sign {
    /// [`PULSE`] on the data channel.
    Pulse,
    /// [`QUIET`] on the data channel.
    Quiet,
    /// A report (RTCP), whether or not there is anything to report.
    Report,
}

/// Signs of life to one session.
#[derive(Clone, Copy, Debug)]
pub struct Pulse {
    last_media: Instant,
    last_sign: Instant,
    expects_media: bool,
    /// First pulses to give whatever flows: the channel is open.
    owes: u8,
    /// The client sees reports, and waits so long for one.
    reports_every: Option<Duration>,
    /// How often it was told so since media last flowed: a message may be lost.
    said_quiet: u8,
}

impl Pulse {
    /// Begins with a pulse due one idle interval from now.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            last_media: now,
            last_sign: now,
            expects_media: false,
            owes: 0,
            reports_every: None,
            said_quiet: 0,
        }
    }

    /// The channel is open: the first pulse goes at once, even while media flows, and once more a moment later. A client
    /// that has heard one knows that silence means something; one may be lost, or come before the client is ready.
    pub const fn open(&mut self) {
        self.owes = FIRST_PULSES;
    }

    /// The client said something on the channel.
    pub fn heard(&mut self, word: &[u8]) {
        if word == PATIENT {
            self.reports_every = Some(PULSE_PATIENT);
        } else if word == QUIET {
            self.reports_every.get_or_insert(PULSE_IDLE);
        } else {
            return;
        }
        // Said again by a client that missed what it was told.
        self.said_quiet = 0;
    }

    /// Whether there is somebody whose media the session should be receiving.
    pub const fn expect(&mut self, expects_media: bool) {
        self.expects_media = expects_media;
    }

    /// A media packet was sent to the session.
    pub const fn sent_media(&mut self, now: Instant) {
        self.last_media = now;
        self.said_quiet = 0;
    }

    /// When a sign is due unless media is sent before.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        if self.owes == FIRST_PULSES {
            self.last_sign
        } else if self.owes > 0 {
            self.last_sign + PULSE_AFTER_SILENCE
        } else if self.said_quiet >= PULSE_QUIET_SAID {
            self.last_sign + self.reports_every.unwrap_or(PULSE_IDLE)
        } else if self.said_quiet > 0 {
            self.last_sign + PULSE_AFTER_SILENCE
        } else if self.expects_media {
            self.last_media.max(self.last_sign) + PULSE_AFTER_SILENCE
        } else {
            self.last_sign + PULSE_IDLE
        }
    }

    /// Whether a [`Sign::Report`] goes with a packet that goes anyway, in place of one that would soon be due; counts it as
    /// given.
    pub fn comes_along(&mut self, now: Instant) -> bool {
        let comes = self.said_quiet >= PULSE_QUIET_SAID && now >= self.last_sign + PULSE_AGAIN;
        if comes {
            self.last_sign = now;
        }
        comes
    }

    /// The sign to give now, if one is due; counts it as given.
    pub fn poll(&mut self, now: Instant) -> Option<Sign> {
        if self.deadline() > now {
            return None;
        }
        let quiet = !self.expects_media || now >= self.last_media + PULSE_QUIET_AFTER;
        let sign = if self.owes > 0 || self.reports_every.is_none() || !quiet {
            Sign::Pulse
        } else if self.said_quiet < PULSE_QUIET_SAID {
            self.said_quiet += 1;
            Sign::Quiet
        } else {
            Sign::Report
        };
        self.owes = self.owes.saturating_sub(1);
        self.last_sign = now;
        Some(sign)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do")]
mod tests {
    use super::*;

    /// What is sent when, in milliseconds, of a time in which `each` does as it likes.
    fn signs(ms: u64, mut each: impl FnMut(u64, Instant, &mut Pulse)) -> Vec<(u64, Sign)> {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        (1..=ms)
            .filter_map(|ms| {
                let now = start + Duration::from_millis(ms);
                each(ms, now, &mut pulse);
                pulse.poll(now).map(|sign| (ms, sign))
            })
            .collect()
    }

    fn times(signs: &[(u64, Sign)], of: Sign) -> Vec<u64> {
        signs.iter().filter(|(_, sign)| *sign == of).map(|(ms, _)| *ms).collect()
    }

    #[test]
    fn silence_brings_pulses_media_stops_them_and_idlers_get_one_a_second() {
        let sent = signs(4_000, |ms, now, pulse| {
            pulse.expect((1_500..3_000).contains(&ms));
            if (1_500..2_500).contains(&ms) && ms % 20 == 0 {
                pulse.sent_media(now);
            }
        });
        // Idle: 1000. Media from 1500 to 2480, so the first silence pulse is 200 ms later. Idle again: 1 s on.
        assert_eq!(times(&sent, Sign::Pulse), [1_000, 2_680, 2_880, 3_880]);
        assert_eq!(sent.len(), 4, "nobody said that anything else will do");
    }

    #[test]
    fn the_first_goes_when_the_channel_opens_whatever_flows() {
        let sent = signs(1_000, |ms, now, pulse| {
            pulse.expect(true);
            pulse.sent_media(now);
            pulse.heard(&QUIET);
            if ms == 300 {
                pulse.open();
            }
        });
        assert_eq!(sent, [(300, Sign::Pulse), (500, Sign::Pulse)]);
    }

    #[test]
    fn two_silent_seconds_later_a_report_a_second_is_enough_until_media_flows() {
        let sent = signs(9_000, |ms, now, pulse| {
            pulse.expect(true);
            match ms {
                1 => pulse.heard(&QUIET),
                // Some sound, and nothing more.
                6_000 => pulse.sent_media(now),
                _ => {}
            }
        });
        let quick: Vec<u64> = (200..2_000).step_by(200).chain((6_200..8_000).step_by(200)).collect();
        assert_eq!(times(&sent, Sign::Pulse), quick);
        assert_eq!(times(&sent, Sign::Quiet), [2_000, 2_200, 2_400, 8_000, 8_200, 8_400]);
        assert_eq!(times(&sent, Sign::Report), [3_400, 4_400, 5_400]);
    }

    #[test]
    fn who_is_alone_needs_no_two_seconds_and_who_missed_it_is_told_again() {
        let sent = signs(8_000, |ms, _, pulse| match ms {
            1 => pulse.heard(&QUIET),
            5_000 => pulse.heard(&QUIET),
            _ => {}
        });
        assert_eq!(times(&sent, Sign::Quiet), [1_000, 1_200, 1_400, 5_400, 5_600, 5_800]);
        assert_eq!(times(&sent, Sign::Report), [2_400, 3_400, 4_400, 6_800, 7_800]);
        assert_eq!(sent.len(), 11);
    }

    #[test]
    fn who_waits_longer_gets_fewer_in_whatever_order_it_said_so() {
        for words in [[QUIET, PATIENT], [PATIENT, QUIET], [PATIENT, PATIENT]] {
            let sent = signs(9_000, |ms, _, pulse| {
                if let Some(word) = words.get(ms as usize - 1) {
                    pulse.heard(word);
                }
            });
            assert_eq!(times(&sent, Sign::Report), [4_400, 7_400], "{words:?}");
        }
    }

    #[test]
    fn reports_go_along_with_answers_and_then_not_on_their_own() {
        let mut along = Vec::new();
        let sent = signs(11_000, |ms, now, pulse| {
            if ms == 1 {
                pulse.heard(&PATIENT);
            }
            // A check every 2.5 s, and each of them repeated.
            if matches!(ms % 2_500, 0 | 100) && pulse.comes_along(now) {
                along.push(ms);
            }
        });
        assert_eq!(along, [2_500, 5_000, 7_500, 10_000]);
        assert_eq!(times(&sent, Sign::Report), [0_u64; 0]);
        let mut along = false;
        signs(4_000, |_, now, pulse| along |= pulse.comes_along(now));
        assert!(!along, "who does not see reports is given pulses");
    }

    #[test]
    fn words_that_nobody_knows_change_nothing() {
        for word in [&[][..], &[0x01], &[0x04], &[0x02, 0x02], b"2"] {
            let sent = signs(4_000, |ms, _, pulse| {
                pulse.expect(true);
                if ms == 1 {
                    pulse.heard(word);
                }
            });
            assert_eq!(times(&sent, Sign::Pulse).len(), 20, "{word:?}");
        }
    }
}
