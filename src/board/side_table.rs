//! What is known of a few tasks beside their slots: what is wished for them, why a worker was lost, and
//! results in files of their own. Most tasks never come here.

use super::memory::Memory;
use super::record::FarBytes;
use crate::error::{Detail, Error, Result, Status};
use crate::sync::{Ordering::*, plain::AtomicU64};
use crate::table::Table;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why a task was ended by somebody else than its worker.
#[derive(Debug, Clone)]
pub(crate) struct TaskFailure {
    pub(crate) status: Status,
    pub(crate) detail: Detail,
}

/// What is wished for one task, where it is not what its pool has for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TaskOptions {
    pub(crate) soft: TimeLimit,
    pub(crate) hard: TimeLimit,
    /// How often the task may be run again when its worker is lost; None: as the pool's tasks.
    pub(crate) retries: Option<u32>,
    /// The caller's own number for it.
    pub(crate) tag: u64,
}

/// How long a task may run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TimeLimit {
    /// As long as the pool's tasks may.
    #[default]
    PoolDefault,
    None,
    Ms(u64),
}

#[derive(Default)]
pub(crate) struct SideTable {
    maps: Mutex<SideTableMaps>,
    receive_result_file: Condvar,
    /// How many entries there are, so that tasks without one need not take the lock.
    count: AtomicU64,
}

#[derive(Default)]
struct SideTableMaps {
    failures: Table<TaskFailure>,
    options: Table<TaskOptions>,
    /// Results that have come, by their task's number; None: its file could not be had.
    files: Table<Option<Memory>>,
    /// Results that are mapped, by their task's slot.
    mapped: Table<Memory>,
    /// Numbers of tasks whose result nobody wants, and has not come yet.
    unwanted: Table<()>,
}

impl SideTableMaps {
    fn len(&self) -> u64 {
        (self.failures.len() + self.options.len() + self.files.len() + self.mapped.len()) as u64
    }
}

/// How long a result may be on its way: it was sent before its task was done, so it only has to be
/// read by the watch.
const FILE_TIMEOUT: Duration = Duration::from_secs(10);

impl SideTable {
    pub(crate) fn set_failure(&self, slot: u32, note: TaskFailure) {
        self.with(|maps| maps.failures.put(slot.into(), note));
    }

    pub(crate) fn failure(&self, slot: u32) -> Option<TaskFailure> {
        if self.count.load(Acquire) == 0 {
            return None;
        }
        self.lock().failures.get(slot.into()).cloned()
    }

    /// What was written was not true after all.
    pub(crate) fn clear_failure(&self, slot: u32) {
        self.with(|maps| maps.failures.remove(slot.into()));
    }

    pub(crate) fn set_options(&self, slot: u32, wish: TaskOptions) {
        self.with(|maps| maps.options.put(slot.into(), wish));
    }

    pub(crate) fn options(&self, slot: u32) -> Option<TaskOptions> {
        if self.count.load(Acquire) == 0 {
            return None;
        }
        self.lock().options.get(slot.into()).copied()
    }

    /// Takes one of the retries that the task has left; `usual` is what tasks have without a wish.
    pub(crate) fn take_retry(&self, slot: u32, usual: u32) -> bool {
        self.with(|maps| {
            let retries = &mut maps.options.get_or_make(slot.into(), TaskOptions::default).retries;
            let left = retries.unwrap_or(usual).checked_sub(1);
            *retries = Some(left.unwrap_or(0));
            left.is_some()
        })
    }

    /// Forgets all about the task of this slot.
    #[inline]
    pub(crate) fn remove(&self, slot: u32) {
        if self.count.load(Acquire) > 0 {
            self.remove_listed(slot);
        }
    }

    #[cold]
    fn remove_listed(&self, slot: u32) {
        self.with(|maps| {
            maps.failures.remove(slot.into());
            maps.options.remove(slot.into());
            maps.mapped.remove(slot.into());
        });
    }

    /// Takes a result in that has come, and maps it: of descriptors there are few. Without a file: this
    /// process had no descriptor left for it.
    pub(crate) fn receive_result_file(&self, task: u64, len: u64, file: Option<OwnedFd>) {
        let map = |file| Memory::attach(file, usize::try_from(len).ok()?).ok();
        self.insert_result_file(task, file.and_then(map));
    }

    /// Takes a result in that is mapped already.
    pub(crate) fn insert_result_file(&self, task: u64, memory: Option<Memory>) {
        self.with(|maps| {
            if maps.unwanted.remove(task).is_none() {
                maps.files.put(task, memory);
            }
        });
        self.receive_result_file.notify_all();
    }

    /// Throws a result away that has come, of a task that was not done after all.
    pub(crate) fn discard_result_file(&self, task: u64) {
        if self.count.load(Acquire) > 0 {
            self.with(|maps| maps.files.remove(task));
        }
    }

    /// The result of a task that is done, mapped until the task is forgotten.
    pub(crate) fn result_file(&self, slot: u32, far: FarBytes) -> Result<(*const u8, usize)> {
        let len = usize::try_from(far.len).map_err(|_| Status::POOL_ERR_TOO_LARGE)?;
        let mut maps = self.lock();
        // Several may ask for the same result; the first one moves it.
        let missing =
            |maps: &mut SideTableMaps| !maps.mapped.has(slot.into()) && !maps.files.has(far.place);
        maps = self
            .receive_result_file
            .wait_timeout_while(maps, FILE_TIMEOUT, missing)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        if let Some(Some(memory)) = maps.files.remove(far.place) {
            maps.mapped.put(slot.into(), memory);
            self.count.store(maps.len(), Release);
        }
        match maps.mapped.get(slot.into()) {
            Some(memory) if len <= memory.len() => Ok((memory.start().cast_const(), len)),
            _ => {
                // Whoever asks again need not wait again.
                maps.files.put(far.place, None);
                self.count.store(maps.len(), Release);
                let words = "the result could not be received: no descriptor or no memory was left";
                Err(Error::new(Status::POOL_ERR_NOMEM, words))
            }
        }
    }

    /// The result of this task is not wanted, whether it has come or not.
    pub(crate) fn drop_result_file(&self, slot: u32, task: u64) {
        self.with(|maps| {
            let was_mapped = maps.mapped.remove(slot.into()).is_some();
            if !was_mapped && maps.files.remove(task).is_none() {
                maps.unwanted.put(task, ());
            }
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut SideTableMaps) -> T) -> T {
        let mut maps = self.lock();
        let answer = change(&mut maps);
        self.count.store(maps.len(), Release);
        answer
    }

    fn lock(&self) -> MutexGuard<'_, SideTableMaps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
