//! The receiver's clock: its reference times wrap after 12 days.

/// Bits of a reference time, and its unit.
const BITS: u32 = 24;
const UNIT_US: i64 = 64_000;

/// Unwraps reference times, forwards and back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReceiverClock {
    last: Option<(u32, i64)>,
}

impl ReceiverClock {
    /// What to add to the times of a report with this reference, so that those of all reports compare.
    pub(super) fn offset_us(&mut self, reference: u32) -> i64 {
        let turns = self.last.map_or(0, |(last, turns)| {
            let shift = u32::BITS - BITS;
            let ahead = (reference.wrapping_sub(last) << shift).cast_signed() >> shift;
            let unwrapped = i64::from(last) + i64::from(ahead);
            turns + ((unwrapped - i64::from(reference)) >> BITS)
        });
        self.last = Some((reference, turns));
        turns.saturating_mul(UNIT_US << BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_times_unwrap_both_ways() {
        let mut clock = ReceiverClock::default();
        let turn = UNIT_US << BITS;
        for (reference, turns) in
            [(0xff_fff0, 0), (5, 1), (0xff_ffff, 0), (0x7f_ffff, 0), (0, 0), (0xff_fffe, -1)]
        {
            assert_eq!(clock.offset_us(reference), turns * turn, "{reference:x}");
        }
    }
}
