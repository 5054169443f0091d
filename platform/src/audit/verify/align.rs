//! Lays rows beside what was sealed, and finds where they agree again behind damage.

use super::{
    report::{Finding, Kind, Report, Unsealed},
    resolve::{Extra, Missing, Resolver},
    rows::{Note, Rows},
    windows::{Window, Windows},
};
use crate::{
    audit::{chain::RowDigest, file::Unreadable},
    limits::AUDIT_LOOK_AHEAD,
};
use model::Timestamp;

/// As many rows must agree, one after the other, for the two to count as together again.
const AGREE: usize = 4;

/// How far is looked at first: nearly all damage is one row.
const LOOK_FIRST: usize = 32;

/// How often the whole rest of a chain is searched. Beyond it nothing fits together anyway.
const SEARCHES: u32 = 8;

/// What was sealed: the next row that is expected.
struct Expected<'a> {
    windows: Windows<'a>,
    window: Option<Window>,
    /// The next number.
    next: u64,
}

/// A row that was sealed.
#[derive(Clone, Copy)]
struct Sealed {
    number: u64,
    digest: Option<RowDigest>,
    at: Timestamp,
}

impl Expected<'_> {
    /// Makes sure that there is a window with rows to come; `false` at the end.
    fn load(&mut self, mut report: Option<&mut Report>) -> Result<bool, Unreadable> {
        while self.window.as_ref().is_none_or(|window| self.next > window.to) {
            self.window = self.windows.next(report.as_deref_mut())?;
            let Some(window) = &self.window else { return Ok(false) };
            // What was forgotten is not expected any more.
            self.next = window.from.max(self.windows.forgotten() + 1);
        }
        Ok(true)
    }

    fn take(&mut self, report: Option<&mut Report>) -> Result<Option<Sealed>, Unreadable> {
        if !self.load(report)? {
            return Ok(None);
        }
        let (number, window) = (self.next, self.window.as_ref());
        self.next += 1;
        Ok(window.map(|window| Sealed { number, digest: window.digest(number), at: window.at }))
    }

    fn ahead(&self) -> Self {
        Self { windows: self.windows.ahead(), window: self.window.clone(), next: self.next }
    }
}

/// Rows that carry other numbers than they were sealed with, one after the other.
#[derive(Clone, Copy)]
struct Run {
    from: u64,
    to: u64,
    now: u64,
    at: Timestamp,
}

pub(super) struct Alignment<'a> {
    expected: Expected<'a>,
    rows: Rows<'a>,
    report: &'a mut Report,
    resolver: Resolver,
    run: Option<Run>,
    /// Of the last row that was looked at.
    last_at: Option<Timestamp>,
    last_stored: Option<u64>,
    read: u64,
    searches: u32,
    went_back: bool,
}

impl<'a> Alignment<'a> {
    pub(super) fn new(windows: Windows<'a>, rows: Rows<'a>, report: &'a mut Report) -> Self {
        let resolver = Resolver::new(windows.section().chain.partition);
        let expected = Expected { windows, window: None, next: 1 };
        let (last_at, last_stored) = (None, None);
        Self {
            expected,
            rows,
            report,
            resolver,
            run: None,
            last_at,
            last_stored,
            read: 0,
            searches: 0,
            went_back: false,
        }
    }

    /// Everything that was sealed.
    pub(super) fn run(&mut self) -> Result<(), Unreadable> {
        self.skip_forgotten()?;
        while self.expected.load(Some(self.report))? {
            if !self.fits()? && !self.compare()? {
                break;
            }
        }
        self.end_run();
        Ok(())
    }

    /// Rows that were forgotten and are still there: a prune that did not get done.
    fn skip_forgotten(&mut self) -> Result<(), Unreadable> {
        let forgotten = self.expected.windows.forgotten();
        loop {
            let place = self.rows.place();
            match self.rows.next()? {
                Some(row) if row.number() <= forgotten => self.read += 1,
                _ => {
                    self.rows.go_to(place);
                    return Ok(());
                }
            }
        }
    }

    /// Whether the chain over the window's rows comes to its head. If not, nothing was taken.
    fn fits(&mut self) -> Result<bool, Unreadable> {
        let Some(window) = &self.expected.window else { return Ok(false) };
        if self.expected.next != window.from {
            return Ok(false);
        }
        let place = self.rows.place();
        let (mut head, mut run, mut last) = (window.start, self.run, (self.last_at, self.last_stored));
        let mut ended = Vec::new();
        for number in window.from..=window.to {
            let Some(row) = self.rows.next()? else {
                self.rows.go_to(place);
                return Ok(false);
            };
            head = head.after(row, number);
            last = (Some(row.at()), Some(row.number()));
            if run.is_some() || row.number() != number {
                ended.extend(renumbered(&mut run, number, row.number(), row.at()));
            }
        }
        if head != window.end {
            self.rows.go_to(place);
            return Ok(false);
        }
        self.read += window.to - window.from + 1;
        self.expected.next = window.to + 1;
        self.run = run;
        (self.last_at, self.last_stored) = last;
        ended.into_iter().for_each(|run| self.tell(run));
        Ok(true)
    }

    /// Row by row through what is left of the window, by digests. `false`: there are no more rows.
    fn compare(&mut self) -> Result<bool, Unreadable> {
        let Some(window) = self.expected.window.clone() else { return Ok(false) };
        let whole = self.expected.next == window.from;
        while self.expected.next <= window.to {
            let (number, place) = (self.expected.next, self.rows.place());
            let Some(note) = self.rows.next()?.map(Note::of) else {
                self.truncated()?;
                return Ok(false);
            };
            self.went_back |= window.anchored && note.at > window.at;
            if window.digest(number).is_none_or(|digest| digest == note.digest) {
                self.accept(number, note);
                self.expected.next += 1;
                continue;
            }
            self.rows.go_to(place);
            self.resync()?;
            if self.expected.window.as_ref().is_none_or(|now| now.from != window.from) {
                return Ok(true);
            }
            if self.expected.next <= window.to {
                continue;
            }
            return Ok(true);
        }
        if whole && !self.resolver.has_within(window.from, window.to) {
            // Each digest fits, or there is none, and yet it is not what was signed.
            self.report.find(Finding {
                sealed: Some(window.at),
                ..Finding::new(
                    Kind::Altered,
                    self.expected.windows.section().chain.partition,
                    window.from,
                    window.to,
                )
            });
        }
        Ok(true)
    }

    fn accept(&mut self, number: u64, note: Note) {
        self.read += 1;
        (self.last_at, self.last_stored) = (Some(note.at), Some(note.stored));
        if (self.run.is_some() || note.stored != number)
            && let Some(ended) = renumbered(&mut self.run, number, note.stored, note.at)
        {
            self.tell(ended);
        }
    }

    /// Here they differ. Finds where they agree again, and notes what lies between.
    fn resync(&mut self) -> Result<(), Unreadable> {
        for look in [LOOK_FIRST, AUDIT_LOOK_AHEAD] {
            let (sealed, found) = (self.sealed_ahead(look + AGREE)?, self.found_ahead(look + AGREE)?);
            let ends = (sealed.len() < look + AGREE, found.len() < look + AGREE);
            if let Some((missing, extra)) = together(&sealed, &found, ends, look) {
                let last = missing == sealed.len() && extra == found.len() && ends == (true, true);
                return self.pass(&sealed[..missing], &found[..extra], last);
            }
            if look == AUDIT_LOOK_AHEAD {
                return self.search(&sealed, &found, ends);
            }
        }
        Ok(())
    }

    /// They agree nowhere near: a large part is gone, or was put in.
    fn search(&mut self, sealed: &[Sealed], found: &[Note], ends: (bool, bool)) -> Result<(), Unreadable> {
        self.searches += 1;
        if self.searches <= SEARCHES {
            if let Some(gone) = self.gone(found)? {
                return self.pass_gone(gone);
            }
            if let Some(extra) = self.put_in(sealed)? {
                return self.pass_extra(extra);
            }
        }
        // Neither: as many as were looked at are others than they were.
        let count = sealed.len().min(found.len()).clamp(1, AUDIT_LOOK_AHEAD);
        let all = ends.0 && ends.1 && sealed.len() <= AUDIT_LOOK_AHEAD && found.len() <= AUDIT_LOOK_AHEAD;
        if all {
            return self.pass(sealed, found, true);
        }
        self.pass(&sealed[..count.min(sealed.len())], &found[..count.min(found.len())], false)
    }

    /// How many sealed rows are gone before the rows that are here come.
    fn gone(&self, found: &[Note]) -> Result<Option<u64>, Unreadable> {
        if found.len() < AGREE {
            return Ok(None);
        }
        let (mut ahead, mut recent, mut count) = (self.expected.ahead(), [None; AGREE], 0_u64);
        while let Some(sealed) = ahead.take(None)? {
            recent.rotate_left(1);
            recent[AGREE - 1] = sealed.digest;
            count += 1;
            if count >= AGREE as u64 && recent.iter().zip(found).all(|(one, note)| *one == Some(note.digest))
            {
                return Ok(Some(count - AGREE as u64));
            }
        }
        Ok(None)
    }

    /// How many rows were put in before those that were sealed come.
    fn put_in(&self, sealed: &[Sealed]) -> Result<Option<u64>, Unreadable> {
        if sealed.len() < AGREE {
            return Ok(None);
        }
        let (mut ahead, mut recent, mut count) = (self.rows.ahead(), [None; AGREE], 0_u64);
        while let Some(row) = ahead.next()? {
            recent.rotate_left(1);
            recent[AGREE - 1] = Some(row.digest());
            count += 1;
            let agree = recent.iter().zip(sealed).all(|(one, sealed)| *one == sealed.digest);
            if count >= AGREE as u64 && agree && sealed[0].digest.is_some() {
                return Ok(Some(count - AGREE as u64));
            }
        }
        Ok(None)
    }

    fn pass_gone(&mut self, count: u64) -> Result<(), Unreadable> {
        let (from, partition) = (self.expected.next, self.expected.windows.section().chain.partition);
        let (mut first, mut to) = (None, from);
        for _ in 0..count {
            if let Some(sealed) = self.expected.take(Some(self.report))? {
                first = first.or(Some(sealed.at));
                to = sealed.number;
            }
        }
        let kind = Finding::new(Kind::Deleted, partition, from, to);
        self.report.find(Finding { at: self.last_at, sealed: first, ..kind });
        self.resolver.cover(from, to);
        Ok(())
    }

    fn pass_extra(&mut self, count: u64) -> Result<(), Unreadable> {
        let partition = self.expected.windows.section().chain.partition;
        let (mut first, mut last) = (None, 0);
        for _ in 0..count {
            let Some(note) = self.rows.next()?.map(Note::of) else { break };
            self.read += 1;
            (self.last_at, self.last_stored) = (Some(note.at), Some(note.stored));
            first = first.or(Some(note));
            last = note.stored;
        }
        if let Some(note) = first {
            let kind = Finding::new(Kind::Inserted, partition, note.stored, last.max(note.stored));
            self.report.find(Finding { at: Some(note.at), ..kind });
        }
        self.resolver.cover(self.expected.next, self.expected.next);
        Ok(())
    }

    /// Notes what is missing and what is too much, and goes behind it.
    fn pass(&mut self, missing: &[Sealed], extra: &[Note], tail: bool) -> Result<(), Unreadable> {
        self.resolver.next_hunk();
        for sealed in missing {
            let Sealed { number, digest, at } = *sealed;
            self.resolver.missing(Missing { number, digest, sealed: at, before: self.last_at, tail });
            self.expected.take(Some(self.report))?;
        }
        let place = missing.first().map_or(self.expected.next, |sealed| sealed.number);
        for (place, note) in (place..).zip(extra) {
            self.resolver.extra(Extra { note: *note, place, unsealed: false });
            self.rows.next()?;
            self.read += 1;
            (self.last_at, self.last_stored) = (Some(note.at), Some(note.stored));
            if let Some(window) = self.expected.window.as_ref() {
                self.went_back |= window.anchored && note.at > window.at;
            }
        }
        if let Some(run) = self.run.take() {
            self.tell(run);
        }
        Ok(())
    }

    /// No more rows, though more were sealed.
    fn truncated(&mut self) -> Result<(), Unreadable> {
        let sealed = self.sealed_ahead(AUDIT_LOOK_AHEAD)?;
        if sealed.len() < AUDIT_LOOK_AHEAD {
            // One of them may stand somewhere else.
            self.pass(&sealed, &[], true)?;
            // And what is wrong with the last seals.
            self.expected.load(Some(self.report))?;
            return Ok(());
        }
        let (from, partition) = (self.expected.next, self.expected.windows.section().chain.partition);
        let (mut to, mut first) = (from, None);
        while let Some(sealed) = self.expected.take(Some(self.report))? {
            (to, first) = (sealed.number, first.or(Some(sealed.at)));
        }
        let kind = Finding::new(Kind::Truncated, partition, from, to);
        self.report.find(Finding { at: self.last_at, sealed: first, ..kind });
        Ok(())
    }

    fn sealed_ahead(&self, count: usize) -> Result<Vec<Sealed>, Unreadable> {
        let (mut ahead, mut sealed) = (self.expected.ahead(), Vec::new());
        while sealed.len() < count {
            let Some(next) = ahead.take(None)? else { break };
            sealed.push(next);
        }
        Ok(sealed)
    }

    fn found_ahead(&self, count: usize) -> Result<Vec<Note>, Unreadable> {
        let (mut ahead, mut found) = (self.rows.ahead(), Vec::new());
        while found.len() < count {
            let Some(row) = ahead.next()? else { break };
            found.push(Note::of(row));
        }
        Ok(found)
    }

    fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.tell(run);
        }
    }

    fn tell(&mut self, run: Run) {
        let Run { from, to, now, at } = run;
        let partition = self.expected.windows.section().chain.partition;
        let finding = Finding::new(Kind::Renumbered, partition, from, to);
        self.report.find(Finding { now: Some(now), at: Some(at), ..finding });
    }

    /// What is behind all that was sealed, and what the notes come to. Answers where the next chain begins.
    pub(super) fn end(mut self) -> Result<u64, Unreadable> {
        let partition = self.expected.windows.section().chain.partition;
        let sealed_to = self.expected.windows.sealed_to();
        let mut last = self.last_stored.unwrap_or_else(|| sealed_to.max(self.expected.windows.forgotten()));
        let (mut unsealed, mut looked): (Option<Unsealed>, usize) = (None, 0);
        while let Some(row) = self.rows.next()? {
            let (number, at) = (row.number(), row.at());
            // One that is missing may have been put here.
            if self.resolver.misses() && looked < AUDIT_LOOK_AHEAD {
                let (note, place) = (Note::of(row), sealed_to.saturating_add(1));
                self.resolver.next_hunk();
                self.resolver.extra(Extra { note, place, unsealed: true });
                looked += 1;
            }
            self.read += 1;
            if number > last + 1 {
                let gap = Finding::new(Kind::Deleted, partition, last + 1, number - 1);
                self.report.find(Finding { at: self.last_at, ..gap });
            }
            last = number.max(last);
            self.last_at = Some(at);
            let now = unsealed.get_or_insert(Unsealed { partition, from: number, to: number, since: at });
            (now.to, now.since) = (number, now.since.min(at));
        }
        if self.expected.windows.is_copy() {
            // Nothing belongs behind the rows of a copy's seal.
            if let Some(Unsealed { from, to, since, .. }) = unsealed.take() {
                let finding = Finding::new(Kind::Inserted, partition, from, to);
                self.report.find(Finding { at: Some(since), ..finding });
            }
        }
        self.report.unsealed.extend(unsealed);
        self.resolver.resolve(self.report);
        if self.went_back {
            self.report.find(Finding {
                at: self.last_at,
                ..Finding::new(Kind::RolledBack, partition, sealed_to.min(last), sealed_to)
            });
        }
        self.report.rows += self.read;
        let (next, counts) = self.rows.end()?;
        if counts[1] != self.read {
            return Err(Unreadable::Malformed(next));
        }
        Ok(next)
    }
}

/// Goes on with a run of renumbered rows, or begins one. Answers the one that has ended.
fn renumbered(run: &mut Option<Run>, number: u64, stored: u64, at: Timestamp) -> Option<Run> {
    if let Some(run) = run
        && stored != number
        && stored.wrapping_sub(number) == run.now.wrapping_sub(run.from)
        && number == run.to + 1
    {
        run.to = number;
        return None;
    }
    let begun = (stored != number).then_some(Run { from: number, to: number, now: stored, at });
    std::mem::replace(run, begun)
}

/// How many sealed rows are missing and how many rows too much before both agree again: as few as can be.
fn together(sealed: &[Sealed], found: &[Note], ends: (bool, bool), look: usize) -> Option<(usize, usize)> {
    // Before the end there are not as many left.
    let enough = if ends.0 && sealed.len() <= 2 * AGREE { AGREE / 2 } else { AGREE };
    let agree = |missing: usize, extra: usize| {
        for k in 0..enough {
            match (sealed.get(missing + k), found.get(extra + k)) {
                (Some(sealed), Some(note)) if sealed.digest == Some(note.digest) => {}
                (Some(_), Some(_)) => return false,
                // What is left was never sealed, if its numbers say so too.
                (None, Some(note)) => {
                    return ends.0
                        && (k > 0 || sealed.last().is_none_or(|sealed| note.stored > sealed.number));
                }
                (Some(_), None) => return ends.1 && k > 0,
                (None, None) => return ends.0 && ends.1,
            }
        }
        true
    };
    let (longest, most) = (sealed.len().min(look), found.len().min(look));
    for together in 1..=longest + most {
        // Of equally small ones first what puts rows beside rows: an edit.
        let mut pairs: Vec<_> = (together.saturating_sub(most)..=together.min(longest))
            .map(|missing| (missing, together - missing))
            .collect();
        pairs.sort_by_key(|(missing, extra)| missing.abs_diff(*extra));
        if let Some(pair) = pairs.into_iter().find(|(missing, extra)| agree(*missing, *extra)) {
            return Some(pair);
        }
    }
    None
}
