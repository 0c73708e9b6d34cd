//! The memory limit of a worker process, checked between its tasks.
//!
//! It limits the number that `pool_workers` shows: resident pages without shared ones, such as the
//! board's. Reading that number costs as much as a few short tasks, so there is a pause between two
//! reads.

use crate::clock;
use crate::error::{Error, Result};
use crate::fd::{self, Descriptor};
use rustix::fs::OFlags;
use std::cell::Cell;

/// The pause between two reads. Touching a few megabytes of fresh memory takes as long.
const PAUSE_NS: u64 = 200_000;

pub(super) struct MemoryLimit {
    /// /proc/self/statm.
    file: Descriptor,
    /// In bytes.
    max: u64,
    /// In ticks.
    pause: u64,
    /// When to read next, a stamp.
    next: Cell<u64>,
}

impl MemoryLimit {
    /// If the limit is reached already, it counts from the current usage: otherwise each worker
    /// would exit after its first task.
    pub(super) fn new(limit: u64) -> Result<MemoryLimit> {
        let file = fd::open(c"/proc/self/statm", OFlags::empty())
            .map_err(|errno| Error::os("max_memory_per_worker: /proc/self/statm", errno))?;
        let pause = clock::ticks_of_ns(PAUSE_NS);
        let mut memory_limit = MemoryLimit { file, max: limit, pause, next: Cell::new(0) };
        let before = memory_limit.resident();
        if before >= limit {
            memory_limit.max = limit.saturating_add(before);
        }
        Ok(memory_limit)
    }

    /// Whether a read that is due finds the limit exceeded. False: it is not, or no read is due.
    pub(super) fn is_exceeded(&self) -> bool {
        let now = clock::now();
        if now < self.next.get() {
            return false;
        }
        self.next.set(now + self.pause);
        self.resident() > self.max
    }

    /// The resident memory that is not shared, in bytes; 0: unknown.
    fn resident(&self) -> u64 {
        let mut text = [0; 128];
        let len = rustix::io::pread(&self.file, &mut text, 0).unwrap_or(0);
        let text = std::str::from_utf8(&text[..len]).unwrap_or("");
        own_bytes(text).unwrap_or(0)
    }
}

fn page_size() -> u64 {
    // SAFETY: the call only returns a number.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// The resident memory that is not shared, from a process's `statm`, which counts pages.
pub(crate) fn own_bytes(statm: &str) -> Option<u64> {
    let mut pages = statm.split(' ').skip(1).map_while(|number| number.trim().parse::<u64>().ok());
    let (resident, shared) = (pages.next()?, pages.next()?);
    Some(resident.saturating_sub(shared) * page_size())
}

/// The private memory that the process can write to, touched or not, from its `statm`.
pub(crate) fn data_bytes(statm: &str) -> Option<u64> {
    let pages = statm.split(' ').nth(5)?.trim().parse::<u64>().ok()?;
    Some(pages * page_size())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn touched_memory_is_counted() {
        let memory_limit = MemoryLimit::new(u64::MAX).unwrap();
        let before = memory_limit.resident();
        let memory = std::hint::black_box(vec![1_u8; 32 << 20]);
        assert!(memory_limit.resident() >= before + (16 << 20), "{before} {}", memory.len());
        assert_eq!(own_bytes("nonsense"), None);
        let pages = |count| Some(count * page_size());
        assert_eq!(own_bytes("9 7 3 0"), pages(4));
        assert_eq!(data_bytes("9 7 3 1 0 5 0\n"), pages(5));
    }

    #[test]
    fn a_limit_that_is_reached_already_counts_from_the_current_usage() {
        assert!(MemoryLimit::new(1).unwrap().max > 1);
    }
}
