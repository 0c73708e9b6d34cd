//! The callbacks of single tasks: for the start, and for a time limit that has passed.
//!
//! Few tasks have them. The completion thread finds the tasks that were claimed; the supervisor
//! finds those that have passed a limit. Both only push the callback to the queue.

use super::callbacks::CallbackQueue;
use super::workers::WorkerTable;
use crate::board::Region;
use crate::board::parent::slots::SlotKey;
use crate::board::slot::{Phase, SeatIndex};
use crate::sync::Mutex;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Called with the index of the worker and its process, 0 for a thread.
pub(crate) type OnAccept = Box<dyn FnOnce(u32, i64) + Send>;
/// Called with the kind of the limit, and the limit in milliseconds.
pub(crate) type OnTimeout = Arc<dyn Fn(LimitKind, i64) + Send + Sync>;

/// Which limit a task has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitKind {
    Soft,
    Hard,
}

/// The callbacks of one task.
pub(crate) struct TaskCallbacks {
    pub(crate) on_accept: Option<OnAccept>,
    pub(crate) on_timeout: Option<OnTimeout>,
}

#[derive(Default)]
pub(crate) struct TaskCallbackTable(Mutex<CallbackEntries>);

#[derive(Default)]
struct CallbackEntries {
    entries: HashMap<SlotKey, CallbackEntry>,
    /// Tasks whose start was not reported yet, by their positions on the ring.
    waiting: BTreeSet<(u64, SlotKey)>,
    /// Tasks whose submit has not returned: their positions are not known yet, and a worker may
    /// have taken them.
    submitting: HashSet<SlotKey>,
}

struct CallbackEntry {
    callbacks: TaskCallbacks,
    /// The position of a task in `waiting`.
    position: Option<u64>,
    /// The worker that took the task, and its process, if it has exited since.
    taken_by: Option<(SeatIndex, i64)>,
}

impl TaskCallbackTable {
    /// Adds a task before it is enqueued.
    pub(crate) fn add(&self, key: SlotKey, callbacks: TaskCallbacks) {
        let entry = CallbackEntry { callbacks, position: None, taken_by: None };
        let mut table = self.0.lock();
        if entry.callbacks.on_accept.is_some() {
            table.submitting.insert(key);
        }
        table.entries.insert(key, entry);
    }

    /// From now on the start of the task is reported. It has this position on the ring; 0: it may
    /// start at any time.
    pub(crate) fn expect_start(&self, key: SlotKey, position: u64) {
        let mut table = self.0.lock();
        table.submitting.remove(&key);
        // It may be done already.
        let Some(entry) = table.entries.get_mut(&key) else { return };
        entry.position = Some(position);
        table.waiting.insert((position, key));
    }

    /// Removes a task that is done, or that was not enqueued. Reports its start if that was not
    /// done yet.
    pub(crate) fn remove(&self, region: &Region, workers: &WorkerTable, key: SlotKey) {
        let mut table = self.0.lock();
        table.submitting.remove(&key);
        let Some(entry) = table.entries.remove(&key) else { return };
        if let Some(position) = entry.position {
            table.waiting.remove(&(position, key));
        }
        let taken_by = entry.first_taker(region, workers, key);
        // Called and dropped without a lock.
        drop(table);
        if let (Some(on_accept), Some((seat, pid))) = (entry.callbacks.on_accept, taken_by) {
            on_accept(seat.0.into(), pid);
        }
    }

    /// Reports the start of tasks that run. Tasks that are done already are left to `remove`, which
    /// is called before their other callbacks.
    pub(crate) fn push_started(
        &self,
        region: &Region,
        workers: &WorkerTable,
        queue: &CallbackQueue,
    ) {
        let mut started = Vec::new();
        let mut table = self.0.lock();
        for (position, key) in table.dequeued(region) {
            let Some(entry) = table.entries.get_mut(&key) else { continue };
            let phase = region.board.slot(key.slot).word.phase();
            let (Some(by), Phase::Running(_)) = (entry.first_taker(region, workers, key), phase)
            else {
                continue;
            };
            entry.position = None;
            started.extend(entry.callbacks.on_accept.take().map(|on_accept| (on_accept, by)));
            table.waiting.remove(&(position, key));
        }
        drop(table);
        for (on_accept, (seat, pid)) in started {
            queue.push(Box::new(move || on_accept(seat.0.into(), pid)));
        }
    }

    /// Called before the worker of this seat is removed from the worker table: records that it has
    /// taken those tasks whose start was not reported yet.
    pub(crate) fn worker_exits(&self, region: &Region, workers: &WorkerTable, seat: SeatIndex) {
        let mut table = self.0.lock();
        let dequeued = table.dequeued(region).into_iter().map(|(_, key)| key);
        let keys: Vec<SlotKey> = dequeued.chain(table.submitting.iter().copied()).collect();
        for key in keys {
            let Some(entry) = table.entries.get_mut(&key) else { continue };
            if entry.taken_by.is_none() {
                let taker = entry.first_taker(region, workers, key);
                entry.taken_by = taker.filter(|by| by.0 == seat);
            }
        }
    }

    pub(crate) fn push_timeout(
        &self,
        queue: &CallbackQueue,
        key: SlotKey,
        kind: LimitKind,
        limit_ms: u64,
    ) {
        let table = self.0.lock();
        let on_timeout =
            table.entries.get(&key).and_then(|entry| entry.callbacks.on_timeout.clone());
        drop(table);
        if let Some(on_timeout) = on_timeout {
            let limit_ms = i64::try_from(limit_ms).unwrap_or(i64::MAX);
            queue.push(Box::new(move || on_timeout(kind, limit_ms)));
        }
    }
}

impl CallbackEntries {
    /// The tasks whose positions the ring's head has passed or is about to pass: a worker that
    /// claims a task notifies before it moves the head.
    fn dequeued(&self, region: &Region) -> Vec<(u64, SlotKey)> {
        let end = region.board.ring.head_position().saturating_add(1);
        self.waiting.iter().copied().take_while(|(position, _)| *position <= end).collect()
    }
}

impl CallbackEntry {
    /// The first worker that took the task, and its process; None: no worker has.
    fn first_taker(
        &self,
        region: &Region,
        workers: &WorkerTable,
        key: SlotKey,
    ) -> Option<(SeatIndex, i64)> {
        self.taken_by.or_else(|| {
            let word = &region.board.slot(key.slot).word;
            match word.phase() {
                Phase::Running(seat) | Phase::Completed(seat) | Phase::Failed(seat)
                    if word.generation() == key.generation =>
                {
                    Some((seat, workers.pid(seat)))
                }
                _ => None,
            }
        })
    }
}
