//! Groups packets that were sent together, so that delay is compared between bursts and not inside them
//! (draft-ietf-rmcat-gcc-02 §5.2; burst and reset rules as libwebrtc's `InterArrivalDelta`).

/// Packets sent within this time are one group.
const GROUP_US: i64 = 5_000;

/// Packets that arrive this close, faster than they were sent, were held up together: one group.
const BURST_GAP_US: i64 = 5_000;

/// Longest burst by arrival.
const BURST_US: i64 = 100_000;

/// The receiver's clock is said to have jumped when it ran this much ahead of ours.
const JUMP_US: i64 = 3_000_000;

/// Groups that arrive before the one before them are passed over; so many in a row begin anew.
const REORDERED: u8 = 3;

/// How much later one group was sent, and arrived, than the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Delta {
    pub(super) sent_us: i64,
    pub(super) arrived_us: i64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent_us: i64,
    sent_us: i64,
    first_arrived_us: i64,
    arrived_us: i64,
    heard_us: i64,
}

/// The group that is filling and the one before it.
#[derive(Debug, Default)]
pub(super) struct Groups {
    current: Option<Group>,
    previous: Option<Group>,
    reordered: u8,
}

impl Groups {
    /// A packet was heard to have arrived; returns a delta when it begins a new group and the two before
    /// it are complete.
    pub(super) fn arrived(&mut self, sent_us: i64, arrived_us: i64, heard_us: i64) -> Option<Delta> {
        let fresh =
            Group { first_sent_us: sent_us, sent_us, first_arrived_us: arrived_us, arrived_us, heard_us };
        let Some(group) = &mut self.current else {
            self.current = Some(fresh);
            return None;
        };
        if sent_us < group.first_sent_us {
            return None;
        }
        if !group.is_over(sent_us, arrived_us) {
            group.sent_us = group.sent_us.max(sent_us);
            group.arrived_us = arrived_us;
            group.heard_us = heard_us;
            return None;
        }
        let group = *group;
        self.current = Some(fresh);
        let previous = self.previous.replace(group)?;
        let delta = Delta {
            sent_us: group.sent_us.saturating_sub(previous.sent_us),
            arrived_us: group.arrived_us.saturating_sub(previous.arrived_us),
        };
        let heard = group.heard_us.saturating_sub(previous.heard_us);
        if delta.arrived_us.saturating_sub(heard) >= JUMP_US {
            *self = Self::default();
            return None;
        }
        if delta.arrived_us < 0 {
            self.reordered += 1;
            if self.reordered >= REORDERED {
                *self = Self::default();
            }
            return None;
        }
        self.reordered = 0;
        Some(delta)
    }
}

impl Group {
    /// Whether a packet belongs to the next group.
    const fn is_over(&self, sent_us: i64, arrived_us: i64) -> bool {
        let arrived_later = arrived_us.saturating_sub(self.arrived_us);
        let sent_later = sent_us.saturating_sub(self.sent_us);
        let held_up = arrived_later < sent_later
            && arrived_later <= BURST_GAP_US
            && arrived_us.saturating_sub(self.first_arrived_us) < BURST_US;
        sent_us.saturating_sub(self.first_sent_us) > GROUP_US && !held_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets as milliseconds of sending and arrival, in; deltas in milliseconds out.
    fn check(packets: &[(i64, i64)], expect: &[(i64, i64)]) {
        let mut groups = Groups::default();
        let deltas = packets
            .iter()
            .filter_map(|(sent, arrived)| groups.arrived(sent * 1_000, arrived * 1_000, arrived * 1_000));
        let deltas: Vec<_> = deltas.map(|d| (d.sent_us / 1_000, d.arrived_us / 1_000)).collect();
        assert_eq!(deltas, expect);
    }

    #[test]
    fn groups_are_five_milliseconds_of_sending() {
        check(&[(0, 50), (5, 56), (20, 71), (25, 80), (40, 95)], &[(20, 24)]);
        check(&[(0, 50), (20, 70), (40, 91), (60, 111)], &[(20, 20), (20, 21)]);
    }

    #[test]
    fn what_was_held_up_together_is_one_group() {
        check(&[(0, 50), (20, 120), (40, 121), (60, 122), (80, 140), (100, 150)], &[(60, 72), (20, 18)]);
    }

    #[test]
    fn a_late_packet_is_passed_over() {
        check(&[(0, 50), (20, 70), (10, 75), (40, 90)], &[(20, 20)]);
    }

    #[test]
    fn a_jump_of_the_receivers_clock_begins_again() {
        let mut groups = Groups::default();
        for n in 0..5_i64 {
            let at = n * 20_000;
            let jump = if n < 2 { 0 } else { 60_000_000 };
            let delta = groups.arrived(at, at + jump, at);
            assert!(delta.is_none_or(|d| d.arrived_us == 20_000), "{delta:?}");
        }
    }
}
