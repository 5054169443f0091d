//! What a killed writer left in SQLite's log (<https://sqlite.org/fileformat2.html#the_write_ahead_log>).

use std::{fs, path::Path};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Where a checkpoint has got to, in the shared-memory file: what it has done, and what it had begun.
const BACKFILLED: usize = 96;
const BACKFILL_BEGUN: usize = 128;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    /// Frames up to the last commit.
    pub(crate) committed: usize,
    /// Bytes of frames after it: a transaction that was being written.
    pub(crate) torn: usize,
    /// A checkpoint was under way.
    pub(crate) in_checkpoint: bool,
}

impl Log {
    /// Looks at the files as they are.
    pub(crate) fn of(database: &Path) -> Self {
        let beside = |suffix: &str| {
            let mut path = database.as_os_str().to_owned();
            path.push(suffix);
            fs::read(path).unwrap_or_default()
        };
        let mut log = Self::read(&beside("-wal"));
        let index = beside("-shm");
        let number = |at: usize| index.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        let number = |at| number(at).map_or(0, u32::from_ne_bytes);
        log.in_checkpoint = number(BACKFILL_BEGUN) > number(BACKFILLED);
        log
    }

    /// Frames of this log have its salt; those left from an earlier one have another.
    fn read(wal: &[u8]) -> Self {
        let number = |at: usize| Some(u32::from_be_bytes(wal.get(at..at + 4)?.try_into().ok()?));
        let Some(page) = number(8) else { return Self::default() };
        let salt = wal.get(16..24);
        let size = FRAME_HEADER + page as usize;
        let (mut log, mut frames) = (Self::default(), 0);
        let mut at = HEADER;
        while let Some(pages_after_commit) = number(at + 4)
            && wal.get(at + 8..at + 16) == salt
        {
            frames += 1;
            let left = wal.len() - at;
            if left < size {
                log.torn += left;
                break;
            }
            log.torn += size;
            if pages_after_commit > 0 {
                (log.committed, log.torn) = (frames, 0);
            }
            at += size;
        }
        log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(salt: u8, pages_after_commit: u8) -> Vec<u8> {
        let mut frame = vec![0; FRAME_HEADER + 512];
        frame[7] = pages_after_commit;
        frame[8..16].fill(salt);
        frame
    }

    fn log(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut header = vec![0; HEADER];
        header[10] = 2;
        header[16..24].fill(7);
        [header, frames.concat()].concat()
    }

    #[test]
    fn what_follows_the_last_commit_is_torn() {
        let whole = log(&[frame(7, 0), frame(7, 2), frame(6, 2)]);
        assert_eq!(Log::read(&whole), Log { committed: 2, ..Log::default() });
        let torn = log(&[frame(7, 1), frame(7, 0), frame(6, 2)]);
        assert_eq!(Log::read(&torn), Log { committed: 1, torn: 536, in_checkpoint: false });
        let cut = log(&[frame(7, 1), frame(7, 0)[..100].to_vec()]);
        assert_eq!(Log::read(&cut), Log { committed: 1, torn: 100, in_checkpoint: false });
        assert_eq!(Log::read(&[]), Log::default());
    }
}
