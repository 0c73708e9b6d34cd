//! The side table: what few tasks have besides their slots. Most tasks have no entry.
//!
//! It holds options of a single task, the failures that no worker reported, and results in files.

use crate::board::memory::{Memory, ResultBytes};
use crate::board::record::FarBytes;
use crate::error::{Detail, Error, Result, Status};
use crate::fd::Descriptor;
use crate::sync::plain::AtomicU64;
use crate::sync::{Deadline, Mutex, MutexGuard, Ordering::*};
use std::collections::{HashMap, HashSet};
use std::sync::Condvar;
use std::time::{Duration, Instant};

/// Why a task or a pool has failed, if no worker reported it.
#[derive(Debug, Clone)]
pub(crate) struct TaskFailure {
    pub(crate) status: Status,
    pub(crate) detail: Detail,
}

impl TaskFailure {
    pub(crate) fn to_error(&self) -> Error {
        Error::with_detail(self.status, self.detail.clone())
    }
}

/// The options of one task that differ from those of its pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TaskOptions {
    pub(crate) soft: TimeLimit,
    pub(crate) hard: TimeLimit,
    /// How many times the task may be retried when its worker is lost; None: the default of the
    /// pool.
    pub(crate) retries: Option<u32>,
    /// A number that the caller has set.
    pub(crate) tag: u64,
}

/// How long a task may run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TimeLimit {
    #[default]
    PoolDefault,
    None,
    Ms(u64),
}

#[derive(Default)]
pub(crate) struct SideTable {
    maps: Mutex<SideTableMaps>,
    file_arrived: Condvar,
    /// The number of entries: if it is 0, no lock is needed.
    count: AtomicU64,
}

#[derive(Default)]
struct SideTableMaps {
    failures: HashMap<u32, TaskFailure>,
    options: HashMap<u32, TaskOptions>,
    /// Results that have arrived, by task id.
    files: HashMap<u64, ArrivedFile>,
    /// Results that a caller has requested, by slot.
    mapped: HashMap<u32, Memory>,
    /// The ids of tasks whose result is not wanted, and has not arrived.
    unwanted: HashSet<u64>,
}

/// A result in a file.
enum ArrivedFile {
    Mapped(Memory),
    /// There was no descriptor or no memory for the result.
    Unavailable,
}

impl SideTableMaps {
    fn len(&self) -> u64 {
        (self.failures.len() + self.options.len() + self.files.len() + self.mapped.len()) as u64
    }
}

/// How long to wait for a result. It was sent before its task was done, so the supervisor only has
/// to read it.
const FILE_TIMEOUT: Duration = Duration::from_secs(10);

impl SideTable {
    // ---- failures and options ------------------------------------------------------------------

    pub(crate) fn set_failure(&self, slot: u32, failure: TaskFailure) {
        self.update(|maps| drop(maps.failures.insert(slot, failure)));
    }

    pub(crate) fn failure(&self, slot: u32) -> Option<TaskFailure> {
        self.read(|maps| maps.failures.get(&slot).cloned())
    }

    /// Removes a failure, because the task has not failed after all.
    pub(crate) fn clear_failure(&self, slot: u32) {
        self.update(|maps| drop(maps.failures.remove(&slot)));
    }

    pub(crate) fn set_options(&self, slot: u32, options: TaskOptions) {
        self.update(|maps| {
            maps.options.insert(slot, options);
        });
    }

    pub(crate) fn options(&self, slot: u32) -> Option<TaskOptions> {
        self.read(|maps| maps.options.get(&slot).copied())
    }

    /// Takes one of the task's remaining retries; a task without options has `default` of them.
    /// False: there is none left.
    pub(crate) fn take_retry(&self, slot: u32, default: u32) -> bool {
        self.update(|maps| {
            let retries = &mut maps.options.entry(slot).or_default().retries;
            let left = retries.unwrap_or(default).checked_sub(1);
            *retries = Some(left.unwrap_or(0));
            left.is_some()
        })
    }

    /// Removes all entries of the task in this slot.
    #[inline]
    pub(crate) fn remove(&self, slot: u32) {
        if self.count.load(Acquire) > 0 {
            self.remove_entries(slot);
        }
    }

    #[cold]
    fn remove_entries(&self, slot: u32) {
        self.update(|maps| {
            maps.failures.remove(&slot);
            maps.options.remove(&slot);
            maps.mapped.remove(&slot);
        });
    }

    // ---- results in files ----------------------------------------------------------------------

    /// Receives the result of a task and maps it, because descriptors are few. None: this process
    /// had no descriptor left for it.
    pub(crate) fn receive_result_file(&self, task: u64, len: u64, file: Option<Descriptor>) {
        let map = |file| Memory::attach(file, usize::try_from(len).ok()?).ok();
        let arrived = file.and_then(map).map_or(ArrivedFile::Unavailable, ArrivedFile::Mapped);
        self.add_file(task, arrived);
    }

    /// Adds a result that this process has already mapped.
    pub(crate) fn insert_result_file(&self, task: u64, memory: Memory) {
        self.add_file(task, ArrivedFile::Mapped(memory));
    }

    fn add_file(&self, task: u64, file: ArrivedFile) {
        self.update(|maps| {
            if !maps.unwanted.remove(&task) {
                maps.files.insert(task, file);
            }
        });
        self.file_arrived.notify_all();
    }

    /// Discards a result that has arrived, because its task has not finished after all.
    pub(crate) fn discard_result_file(&self, task: u64) {
        if self.count.load(Acquire) > 0 {
            self.update(|maps| drop(maps.files.remove(&task)));
        }
    }

    /// The result of a finished task. It stays mapped until the task is removed, which the holder
    /// of its future prevents.
    pub(crate) fn result_file(&self, slot: u32, far: FarBytes) -> Result<ResultBytes<'_>> {
        let len = usize::try_from(far.len).map_err(|_| Status::POOL_ERR_TOO_LARGE)?;
        let mut maps = self.maps.lock();
        // Several callers may ask for the same result; the first one moves it.
        let deadline = Deadline::At(Instant::now() + FILE_TIMEOUT);
        while !maps.mapped.contains_key(&slot) && !maps.files.contains_key(&far.location) {
            match deadline.wait_on(&self.file_arrived, maps) {
                Some(guard) => maps = guard,
                None => {
                    maps = self.maps.lock();
                    break;
                }
            }
        }
        if let Some(ArrivedFile::Mapped(memory)) = maps.files.remove(&far.location) {
            maps.mapped.insert(slot, memory);
        }
        let found = maps.mapped.get(&slot).filter(|memory| len <= memory.len());
        // SAFETY: the mapping has `len` bytes, and stays until `remove`; the worker sent it before
        // the task was done, and this process does not write to it.
        let found = found.map(|memory| unsafe { ResultBytes::new(memory.start(), len) });
        if found.is_none() {
            // The next caller need not wait again.
            maps.files.insert(far.location, ArrivedFile::Unavailable);
        }
        self.count.store(maps.len(), Release);
        found.ok_or_else(|| {
            let message = "the result could not be received: no descriptor or no memory was left";
            Error::new(Status::POOL_ERR_NOMEM, message)
        })
    }

    /// Drops the result of this task, whether it has arrived or not.
    pub(crate) fn drop_result_file(&self, slot: u32, task: u64) {
        self.update(|maps| {
            let was_mapped = maps.mapped.remove(&slot).is_some();
            if !was_mapped && maps.files.remove(&task).is_none() {
                maps.unwanted.insert(task);
            }
        });
    }

    fn read<T>(&self, read: impl FnOnce(&SideTableMaps) -> Option<T>) -> Option<T> {
        if self.count.load(Acquire) == 0 {
            return None;
        }
        read(&self.maps.lock())
    }

    fn update<T>(&self, update: impl FnOnce(&mut SideTableMaps) -> T) -> T {
        let mut maps: MutexGuard<'_, SideTableMaps> = self.maps.lock();
        let outcome = update(&mut maps);
        self.count.store(maps.len(), Release);
        outcome
    }
}
