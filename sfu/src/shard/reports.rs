//! RTCP towards a client: what came in from it, what is missing, how our own streams are timed.

use super::{drive::Drive, receive, session::Session};
use crate::metrics::Feedback;
use sfu_core::{
    port::Quality,
    rtcp::{self, Reported, SenderReport},
    sdp::Source,
};

/// How often arrivals are reported: often enough for the client's estimator, seldom enough to cost little.
const FEEDBACK_EVERY_US: i64 = 100_000;

/// How often sender and receiver reports go out while media flows.
const REPORT_EVERY_US: i64 = 1_000_000;

/// Requests for repairs are looked at on a grid, so that those of many sessions share a wake-up.
const GRID_US: i64 = 5_000;

/// Requests for one datagram; those of one more stream still fit.
const LONGEST_REQUESTS: usize = 600;

/// The round trip that is assumed before one is measured.
pub(super) const ASSUMED_RTT_US: i64 = 100_000;

/// The canonical name of every stream of this node (RFC 3550 §6.5.1); browsers go by stream ids instead.
const NAME: &str = "sfu";

/// What is due when, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    feedback_us: Option<i64>,
    missing_us: Option<i64>,
    report_us: Option<i64>,
    /// Media flowed since the last report.
    flowed: bool,
}

impl Reports {
    /// A packet with a transport-wide number came in.
    pub(crate) fn arrived(&mut self, now_us: i64) {
        if self.feedback_us.is_none() {
            self.feedback_us = Some(grid(now_us + FEEDBACK_EVERY_US));
        }
    }

    /// Something may be missing, and should be asked for at this time.
    pub(crate) fn missing(&mut self, at_us: Option<i64>) {
        if let Some(at_us) = at_us.map(grid) {
            self.missing_us = Some(self.missing_us.map_or(at_us, |known| known.min(at_us)));
        }
    }

    /// Media flowed, one way or the other.
    pub(crate) fn flowed(&mut self, now_us: i64) {
        self.flowed = true;
        if self.report_us.is_none() {
            self.report_us = Some(grid(now_us + REPORT_EVERY_US));
        }
    }

    /// Whether the report is due, and if so, how long the time is that it covers. The last one covers a time in which
    /// nothing flowed any more.
    fn take_report(&mut self, now_us: i64) -> Option<i64> {
        let due_us = self.report_us.take_if(|at| *at <= now_us)?;
        if std::mem::take(&mut self.flowed) {
            self.report_us = Some(grid(now_us + REPORT_EVERY_US));
        }
        Some(now_us - due_us + REPORT_EVERY_US)
    }

    pub(crate) fn deadline_us(&self) -> Option<i64> {
        [self.feedback_us, self.missing_us, self.report_us].into_iter().flatten().min()
    }
}

/// The next point of the grid.
const fn grid(us: i64) -> i64 {
    us - us.rem_euclid(GRID_US) + GRID_US
}

/// Whether something is due; it then no longer is.
fn take_due(due: &mut Option<i64>, now_us: i64) -> bool {
    due.take_if(|at| *at <= now_us).is_some()
}

/// Sends the reports that are due; the link's figures, once a second while media flows.
pub(super) fn send_due(key: u32, session: &mut Session, with: &mut Drive<'_>) -> Option<Quality> {
    let now_us = with.now_us;
    let covers_us = session.reports.take_report(now_us);
    if covers_us.is_some() {
        send(key, session, with, |session, out, with| {
            sender_reports(session, out, with);
            receiver_reports(session, out, now_us);
            if !out.is_empty() {
                rtcp::canonical_name(out, session.own_ssrc(), NAME);
            }
        });
    }
    if take_due(&mut session.reports.missing_us, now_us) {
        send(key, session, with, requests);
        receive::ask_for_keyframes(key, session, with);
    }
    if take_due(&mut session.reports.feedback_us, now_us) {
        let own = session.own_ssrc();
        let theirs = session.incoming.first().map_or(0, |stream| stream.ssrc);
        while !session.arrivals.is_empty() {
            let mut wrote = false;
            send(key, session, with, |session, out, _| wrote = session.arrivals.write(out, own, theirs));
            if !wrote {
                break;
            }
        }
    }
    covers_us.map(|us| session.sample(us))
}

/// Sends a report that reports nothing, as a sign of life.
pub(super) fn send_sign_of_life(key: u32, session: &mut Session, with: &mut Drive<'_>) {
    send(key, session, with, |session, out, _| {
        rtcp::receiver_report(out, session.own_ssrc(), std::iter::empty());
        rtcp::canonical_name(out, session.own_ssrc(), NAME);
    });
}

/// The same, if it may as well go now, with a packet that goes anyway.
pub(super) fn send_sign_of_life_along(key: u32, session: &mut Session, with: &mut Drive<'_>) {
    if session.pulse_open && session.pulse.comes_along(with.now) {
        send_sign_of_life(key, session, with);
    }
}

/// Asks the client to send its pictures with no more than this.
pub(super) fn limit_pictures(key: u32, session: &mut Session, bps: u64, with: &mut Drive<'_>) {
    send(key, session, with, |session, out, _| {
        let pictures = session.incoming.iter().filter(|stream| stream.source != Source::Microphone);
        rtcp::most_bitrate(out, session.own_ssrc(), bps, pictures.map(|stream| stream.ssrc));
    });
}

/// Asks the client for a keyframe of a stream.
pub(super) fn ask_for_keyframe(key: u32, session: &mut Session, ssrc: u32, with: &mut Drive<'_>) {
    send(key, session, with, |session, out, _| rtcp::picture_loss(out, session.own_ssrc(), ssrc));
}

/// Sends what `write` writes, if anything.
fn send(
    key: u32,
    session: &mut Session,
    with: &mut Drive<'_>,
    write: impl FnOnce(&mut Session, &mut Vec<u8>, &Drive<'_>),
) {
    let mut compound = std::mem::take(&mut with.turn.compound);
    compound.clear();
    write(session, &mut compound, with);
    let sealed = !compound.is_empty()
        && session.srtp.as_mut().is_some_and(|srtp| srtp.seal_rtcp(&mut compound, 0).is_some());
    if sealed
        && let Some(chosen) = &mut session.path
        && with.net.leads_to(key, chosen)
    {
        let out = with.net.begin(with.metrics);
        let start = out.len();
        out.extend_from_slice(&compound);
        with.net.finish(start, *chosen, with.metrics);
        session.sent_bytes += compound.len() as u64;
    }
    with.turn.compound = compound;
}

/// At what time on the node's clock which timestamp was, of every track that sends. The time of capture is the
/// publisher's, so that lips and voice stay together.
fn sender_reports(session: &Session, out: &mut Vec<u8>, with: &Drive<'_>) {
    for track in &session.tracks {
        let Some((timestamp, captured_us)) = track.newest.filter(|_| track.route.is_some()) else { continue };
        let since = u64::try_from(with.now_us.saturating_sub(captured_us)).unwrap_or(0);
        let ticks = since.saturating_mul(u64::from(track.clock_rate)) / 1_000_000;
        let report = SenderReport {
            ssrc: track.wire.ssrc,
            ntp: rtcp::ntp(with.ntp_us()),
            rtp: timestamp.wrapping_add(ticks as u32),
            packets: track.sent.0,
            bytes: track.sent.1,
        };
        report.write(out);
    }
}

fn receiver_reports(session: &mut Session, out: &mut Vec<u8>, now_us: i64) {
    let own = session.own_ssrc();
    let mut reported = [const { None }; crate::limits::STREAMS_PER_SESSION];
    let mut count = 0;
    for (place, stream) in reported.iter_mut().zip(&mut session.incoming) {
        let Some(block) = stream.tally.report(stream.seen.newest()) else { continue };
        let (last_report, at_us) = stream.reported.unwrap_or((0, now_us));
        *place =
            Some(Reported { ssrc: stream.ssrc, block, last_report, delay: rtcp::short_time(now_us - at_us) });
        count += 1;
    }
    if count > 0 {
        rtcp::receiver_report(out, own, reported.iter().flatten().copied());
    }
}

/// Asks for what is missing.
fn requests(session: &mut Session, out: &mut Vec<u8>, with: &Drive<'_>) {
    let now_us = with.now_us;
    let own = session.own_ssrc();
    let rtt_us = session.egress.rtt_us().unwrap_or(ASSUMED_RTT_US);
    let mut numbers = [0_u16; sfu_core::limits::MAX_MISSING];
    for stream in &mut session.incoming {
        if out.len() >= LONGEST_REQUESTS {
            // The rest comes with the next, in a packet of its own.
            session.reports.missing(Some(now_us));
            return;
        }
        let count = stream.gaps.poll(now_us, rtt_us, &mut numbers);
        if count > 0 {
            rtcp::nack(out, own, stream.ssrc, &numbers[..count]);
            with.metrics.feedback[Feedback::NackOut as usize].inc();
        }
        if stream.gaps.take_lost() && stream.source != Source::Microphone {
            stream.keyframe.want(with.now);
        }
        session.reports.missing(stream.gaps.deadline_us(rtt_us));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_done_once_and_many_share_a_moment() {
        let mut reports = Reports::default();
        assert_eq!(reports.deadline_us(), None);
        reports.arrived(1_234);
        reports.arrived(90_000);
        assert_eq!(reports.deadline_us(), Some(105_000), "counted from the first");
        reports.missing(Some(7_001));
        reports.missing(None);
        reports.missing(Some(50_000));
        assert_eq!(reports.deadline_us(), Some(10_000), "the earliest");
        reports.flowed(0);
        assert!(!take_due(&mut reports.missing_us, 9_999));
        assert!(take_due(&mut reports.missing_us, 10_000));
        assert!(!take_due(&mut reports.missing_us, 10_000));
        assert_eq!(reports.deadline_us(), Some(105_000));
    }

    #[test]
    fn reports_go_once_a_second_while_media_flows_and_once_after() {
        let mut reports = Reports::default();
        let mut sent = Vec::new();
        for now_us in (0..10_000_000).step_by(10_000) {
            if (500_000..2_700_000).contains(&now_us) {
                reports.flowed(now_us);
            }
            sent.extend(reports.take_report(now_us).map(|covers_us| (now_us, covers_us)));
        }
        let at: Vec<i64> = sent.iter().map(|(now_us, _)| now_us / 1_000).collect();
        assert_eq!(at, [1_510, 2_520, 3_530, 4_540]);
        assert!(sent.iter().all(|(_, covers_us)| (1_000_000..1_020_000).contains(covers_us)), "{sent:?}");
    }
}
