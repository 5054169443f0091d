//! The SSRCs of what a session sends. A line keeps its numbers through every renewed offer, also while it is not in use:
//! a picture goes on across an ICE restart, and a key never meets a packet number twice.

use crate::{
    engine::{Agreement, Streams},
    limits::MAX_REMEMBERED_LINES,
};

/// What was given to each line, by its mid, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Vec<(String, Streams)>);

impl Numbers {
    /// Gives known lines the numbers they had, and remembers those of new ones. Which number stands in place of which.
    pub(crate) fn settle(&mut self, lines: &mut [Agreement]) -> Vec<(u32, u32)> {
        let mut changed = Vec::new();
        for agreed in lines {
            let Some(new) = &mut agreed.streams else { continue };
            let Some((_, known)) = self.0.iter_mut().find(|(mid, _)| *mid == agreed.line.mid) else {
                if self.0.len() >= MAX_REMEMBERED_LINES {
                    self.0.remove(0);
                }
                self.0.push((agreed.line.mid.clone(), *new));
                continue;
            };
            known.repairs = known.repairs.or(new.repairs);
            changed.push((new.ssrc, known.ssrc));
            changed.extend(new.repairs.zip(known.repairs));
            *new = Streams { ssrc: known.ssrc, repairs: new.repairs.and(known.repairs) };
        }
        changed
    }

    /// Whether some line has this number.
    pub(crate) fn hold(&self, ssrc: u32) -> bool {
        self.0.iter().any(|(_, streams)| streams.ssrc == ssrc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu_core::{
        rtp::Ids,
        sdp::{Kind, Line},
    };

    fn line(mid: usize, ssrc: u32, repairs: Option<u32>) -> Agreement {
        let mid = mid.to_string();
        let line = Line { mid, kind: Kind::Video, source: None, sink: None, ssrcs: vec![], repairs: vec![] };
        let streams = Some(Streams { ssrc, repairs });
        Agreement { line, payload_type: 96, repair_type: Some(97), ids: Ids::default(), streams }
    }

    #[test]
    fn a_line_keeps_its_numbers_and_has_repairs_when_they_are_agreed() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.settle(&mut [line(0, 7, None), line(1, 8, Some(9))]), []);
        let mut renewed = [line(1, 18, None), line(0, 17, Some(27))];
        assert_eq!(numbers.settle(&mut renewed), [(18, 8), (17, 7), (27, 27)]);
        let streams = renewed.map(|agreed| agreed.streams);
        assert_eq!(
            streams,
            [Some(Streams { ssrc: 8, repairs: None }), Some(Streams { ssrc: 7, repairs: Some(27) })]
        );
        let mut again = [line(1, 28, Some(29))];
        assert_eq!(numbers.settle(&mut again), [(28, 8), (29, 9)], "also those of repairs");
        assert!(numbers.hold(7) && !numbers.hold(17));
    }

    #[test]
    fn so_many_lines_are_remembered_and_then_the_oldest_is_forgotten() {
        let mut numbers = Numbers::default();
        for n in 0..MAX_REMEMBERED_LINES {
            numbers.settle(&mut [line(n, n as u32, None)]);
        }
        assert!(numbers.hold(0), "at the limit");
        numbers.settle(&mut [line(MAX_REMEMBERED_LINES, MAX_REMEMBERED_LINES as u32, None)]);
        assert!(!numbers.hold(0) && numbers.hold(1), "one past it");
    }
}
