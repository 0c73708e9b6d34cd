//! How much memory a worker process has of its own, looked at between its tasks.
//!
//! The same number that `pool_workers` shows: resident pages less those that are shared, such as the
//! board's. One look costs as much as a few short tasks, so there is a pause between two.

use crate::clock;
use crate::error::{Error, Result};
use rustix::fs::{Mode, OFlags};
use std::cell::Cell;
use std::os::fd::OwnedFd;

/// Between two looks; fresh memory of a few megabytes takes as long to be touched.
const PAUSE_NS: u64 = 200_000;

pub(super) struct MemoryLimit {
    /// The kernel's file about this process.
    file: OwnedFd,
    /// In bytes.
    most: u64,
    /// In ticks.
    pause: u64,
    /// When to look again, a stamp.
    next: Cell<u64>,
}

impl MemoryLimit {
    /// A limit that is reached already counts from what there is: else each worker would leave after its
    /// first task, whatever that did.
    pub(super) fn new(limit: u64) -> Result<MemoryLimit> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::open(c"/proc/self/statm", flags, Mode::empty())
            .map_err(|errno| Error::os("max_memory_per_worker: /proc/self/statm", errno))?;
        let pause = clock::ticks_of_ns(PAUSE_NS);
        let mut meter = MemoryLimit { file, most: limit, pause, next: Cell::new(0) };
        let before = meter.resident();
        if before >= limit {
            meter.most = limit.saturating_add(before);
        }
        Ok(meter)
    }

    /// Whether there is more memory than may be, by a look that was made just now.
    pub(super) fn is_exceeded(&self) -> bool {
        let now = clock::now();
        if now < self.next.get() {
            return false;
        }
        self.next.set(now + self.pause);
        self.resident() > self.most
    }

    /// In bytes; 0 when it cannot be told.
    fn resident(&self) -> u64 {
        let mut text = [0; 128];
        let len = rustix::io::pread(&self.file, &mut text, 0).unwrap_or(0);
        let text = std::str::from_utf8(&text[..len]).unwrap_or("");
        own_bytes(text).unwrap_or(0)
    }
}

fn page_size() -> u64 {
    // SAFETY: asks for a number.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Resident less shared, of the numbers in a process's `statm`: pages.
pub(crate) fn own_bytes(statm: &str) -> Option<u64> {
    let mut pages = statm.split(' ').skip(1).map_while(|number| number.trim().parse::<u64>().ok());
    let (resident, shared) = (pages.next()?, pages.next()?);
    Some(resident.saturating_sub(shared) * page_size())
}

/// What the process can write to and is its own, touched or not, of the same numbers.
pub(crate) fn data_bytes(statm: &str) -> Option<u64> {
    let pages = statm.split(' ').nth(5)?.trim().parse::<u64>().ok()?;
    Some(pages * page_size())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_has_touched_is_counted() {
        let meter = MemoryLimit::new(u64::MAX).unwrap();
        let before = meter.resident();
        let memory = std::hint::black_box(vec![1_u8; 32 << 20]);
        assert!(meter.resident() >= before + (16 << 20), "{before} {}", memory.len());
        assert_eq!(own_bytes("nonsense"), None);
        let pages = |count| Some(count * page_size());
        assert_eq!(own_bytes("9 7 3 0"), pages(4));
        assert_eq!(data_bytes("9 7 3 1 0 5 0\n"), pages(5));
    }

    #[test]
    fn a_limit_that_is_reached_at_once_counts_from_there() {
        assert!(MemoryLimit::new(1).unwrap().most > 1);
    }
}
