//! The side table: what few tasks have besides their slots. Most tasks have no entry.
//!
//! It holds options of a single task, the failures that no worker reported, and results in files.

use crate::board::memory::{Memory, ResultBytes};
use crate::board::parent::slots::SlotKey;
use crate::error::{Detail, Error, Result, Status};
use crate::fd::Descriptor;
use crate::sync::plain::AtomicU64;
use crate::sync::{Deadline, Mutex, MutexGuard, Ordering::*};
use std::collections::HashMap;
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
    /// Results in files, by slot. One that is mapped stays until its task is removed: callers have
    /// its address.
    files: HashMap<u32, TaskFile>,
    /// The sum of the lengths of the files that are mapped.
    files_len: u64,
}

struct TaskFile {
    generation: u32,
    content: FileContent,
}

/// A result in a file.
enum FileContent {
    Mapped(Memory),
    /// There was no descriptor or no memory for the result.
    Unavailable,
    /// It has not arrived in time.
    Missed,
}

/// Whether the result of a task in a file has arrived before.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    First,
    Again,
}

impl SideTableMaps {
    fn remove_file(&mut self, slot: u32) {
        if let Some(TaskFile { content: FileContent::Mapped(memory), .. }) =
            self.files.remove(&slot)
        {
            self.files_len -= memory.len() as u64;
        }
    }

    /// The content of the file of this task.
    fn file_of(&self, key: SlotKey) -> Option<&FileContent> {
        let file = self.files.get(&key.slot).filter(|file| file.generation == key.generation);
        file.map(|file| &file.content)
    }

    fn len(&self) -> u64 {
        (self.failures.len() + self.options.len() + self.files.len()) as u64
    }
}

/// The addresses that results in files may occupy: a file may be longer than memory.
const FILES_LEN_MAX: u64 = 1 << 44;

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
            maps.remove_file(slot);
        });
    }

    // ---- results in files ----------------------------------------------------------------------

    /// Receives the result of a task and maps it, because descriptors are few. None: this process
    /// had no descriptor left for it.
    pub(crate) fn receive_result_file(
        &self,
        key: SlotKey,
        len: u64,
        file: Option<Descriptor>,
    ) -> Arrival {
        let map = |file| Memory::attach_unknown(file, usize::try_from(len).ok()?).ok();
        self.add_file(key, len, || file.and_then(map))
    }

    /// Adds a result that this process has already mapped.
    pub(crate) fn insert_result_file(&self, key: SlotKey, memory: Memory) {
        let (Arrival::First | Arrival::Again) = self.add_file(key, 0, || Some(memory));
    }

    fn add_file(&self, key: SlotKey, len: u64, map: impl FnOnce() -> Option<Memory>) -> Arrival {
        let arrival = self.update(|maps| {
            if !matches!(maps.file_of(key), None | Some(FileContent::Missed)) {
                return Arrival::Again;
            }
            maps.remove_file(key.slot);
            let has_room = len <= FILES_LEN_MAX.saturating_sub(maps.files_len);
            let content = match has_room.then(map).flatten() {
                Some(memory) => {
                    maps.files_len += memory.len() as u64;
                    FileContent::Mapped(memory)
                }
                None => FileContent::Unavailable,
            };
            maps.files.insert(key.slot, TaskFile { generation: key.generation, content });
            Arrival::First
        });
        self.file_arrived.notify_all();
        arrival
    }

    pub(crate) fn has_result_file(&self, key: SlotKey) -> bool {
        self.read(|maps| maps.file_of(key).map(drop)).is_some()
    }

    /// Takes out the result of a task, to be kept elsewhere. None: it has not arrived; no memory: it
    /// could not be received.
    pub(crate) fn take_result_file(&self, key: SlotKey) -> Option<Option<Memory>> {
        self.update(|maps| {
            maps.file_of(key)?;
            let content = maps.files.remove(&key.slot)?.content;
            Some(match content {
                FileContent::Mapped(memory) => {
                    maps.files_len -= memory.len() as u64;
                    Some(memory)
                }
                FileContent::Unavailable | FileContent::Missed => None,
            })
        })
    }

    /// Discards a result that has arrived, because its task has not finished after all.
    pub(crate) fn discard_result_file(&self, slot: u32) {
        if self.count.load(Acquire) > 0 {
            self.update(|maps| maps.remove_file(slot));
        }
    }

    /// The result of a finished task. It stays mapped until the task is removed, which the holder
    /// of its future prevents.
    pub(crate) fn result_file(&self, key: SlotKey, len: u64) -> Result<ResultBytes<'_>> {
        let len = usize::try_from(len).map_err(|_| Status::POOL_ERR_TOO_LARGE)?;
        let mut maps = self.maps.lock();
        let deadline = Deadline::At(Instant::now() + FILE_TIMEOUT);
        while maps.file_of(key).is_none() {
            match deadline.wait_on(&self.file_arrived, maps) {
                Some(guard) => maps = guard,
                None => {
                    maps = self.maps.lock();
                    break;
                }
            }
        }
        if maps.file_of(key).is_none() {
            // The next caller need not wait again.
            maps.remove_file(key.slot);
            let missed = TaskFile { generation: key.generation, content: FileContent::Missed };
            maps.files.insert(key.slot, missed);
            self.count.store(maps.len(), Release);
        }
        match maps.file_of(key) {
            Some(FileContent::Mapped(memory)) if len <= memory.len() => {
                // SAFETY: the mapping has `len` bytes, and stays until `remove`; the worker sent it
                // before the task was done, and this process does not write to it.
                Ok(unsafe { ResultBytes::new(memory.start(), len) })
            }
            _ => {
                let message =
                    "the result could not be received: no descriptor or no memory was left";
                Err(Error::new(Status::POOL_ERR_NOMEM, message))
            }
        }
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
