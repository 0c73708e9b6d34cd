//! Whom to tell that a task has begun, or has run for too long: what few tasks bring with them.
//!
//! The notice's thread finds the tasks that were claimed; the watch finds those whose time is over. Both only
//! push what is to be called to the outbox.

use super::state::PoolState;
use crate::board::slot::{Phase, SeatIndex};
use crate::board::slots::SlotKey;
use crate::table::{Sequence, Table};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Called with the worker's place and its process, 0 for a thread.
pub(crate) type OnAccept = Box<dyn FnOnce(u32, i64) + Send>;
/// Called with whether it was the soft limit, and the limit in milliseconds.
pub(crate) type OnTimeout = Arc<dyn Fn(bool, i64) + Send + Sync>;

/// What is to be told of one task.
pub(crate) struct TaskCallbacks {
    pub(crate) on_accept: Option<OnAccept>,
    pub(crate) on_timeout: Option<OnTimeout>,
}

#[derive(Default)]
pub(crate) struct TaskCallbackTable(Mutex<CallbackEntries>);

#[derive(Default)]
struct CallbackEntries {
    entries: Table<CallbackEntry>,
    /// Tasks that were not seen to have begun, in the order of their places on the ring.
    waiting: Sequence,
}

struct CallbackEntry {
    callbacks: TaskCallbacks,
    /// The place of a task that waits, as above.
    place: Option<u64>,
    /// The seat and the process of the worker that took it, where that has left since.
    taken_by: Option<(SeatIndex, i64)>,
}

impl TaskCallbackTable {
    /// Enters a task before it is posted.
    pub(crate) fn add(&self, ticket: SlotKey, callbacks: TaskCallbacks) {
        self.lock()
            .entries
            .put(ticket.to_u64(), CallbackEntry { callbacks, place: None, taken_by: None });
    }

    /// The task has this place on the ring; its beginning is to be told. 0: it may begin at any time.
    pub(crate) fn expect_start(&self, ticket: SlotKey, place: u64) {
        let mut book = self.lock();
        // It may be done already.
        let Some(entry) = book.entries.get_mut(ticket.to_u64()) else { return };
        entry.place = Some(place);
        book.waiting.insert((place, ticket.to_u64()));
    }

    /// The task is done, or was not posted: nothing more is told of it, but that it has begun, where nobody
    /// has told so yet.
    pub(crate) fn remove(&self, state: &PoolState, ticket: SlotKey) {
        let mut book = self.lock();
        let Some(entry) = book.entries.remove(ticket.to_u64()) else { return };
        if let Some(place) = entry.place {
            book.waiting.remove(&(place, ticket.to_u64()));
        }
        let taken_by = entry.first_taker(state, ticket);
        // Called and dropped when no lock is held.
        drop(book);
        if let (Some(accept), Some((seat, pid))) = (entry.callbacks.on_accept, taken_by) {
            accept(seat.0.into(), pid);
        }
    }

    /// Tells of tasks that run. Those that are done already are left to `remove`, which comes before whatever
    /// else is called about them.
    pub(crate) fn push_started(&self, state: &PoolState) {
        let mut begun = Vec::new();
        let mut book = self.lock();
        for (place, ticket) in book.passed(state) {
            let Some(entry) = book.entries.get_mut(ticket.to_u64()) else { continue };
            let word = &state.region.board.slot(ticket.slot).word;
            let (Some(by), Phase::Running(_)) = (entry.first_taker(state, ticket), word.phase())
            else {
                continue;
            };
            entry.place = None;
            begun.extend(entry.callbacks.on_accept.take().map(|accept| (accept, by)));
            book.waiting.remove(&(place, ticket.to_u64()));
        }
        drop(book);
        for (accept, (seat, pid)) in begun {
            state.callbacks.push(Box::new(move || accept(seat.0.into(), pid)));
        }
    }

    /// A worker is about to be forgotten: notes what it has taken, for those that were not told yet.
    pub(super) fn worker_exits(&self, state: &PoolState, seat: SeatIndex) {
        let mut book = self.lock();
        for (_, ticket) in book.passed(state) {
            let Some(entry) = book.entries.get_mut(ticket.to_u64()) else { continue };
            if entry.taken_by.is_none() {
                entry.taken_by = entry.first_taker(state, ticket).filter(|by| by.0 == seat);
            }
        }
    }

    pub(crate) fn push_timeout(
        &self,
        state: &PoolState,
        ticket: SlotKey,
        is_soft: bool,
        limit_ms: u64,
    ) {
        let on_timeout = self
            .lock()
            .entries
            .get(ticket.to_u64())
            .and_then(|entry| entry.callbacks.on_timeout.clone());
        if let Some(on_timeout) = on_timeout {
            let limit_ms = i64::try_from(limit_ms).unwrap_or(i64::MAX);
            state.callbacks.push(Box::new(move || on_timeout(is_soft, limit_ms)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, CallbackEntries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallbackEntries {
    /// Those whose place the ring's head has passed, or is about to: whoever claims a task has this told before
    /// it moves the head.
    fn passed(&self, state: &PoolState) -> Vec<(u64, SlotKey)> {
        let end = state.region.board.ring.head_position().saturating_add(1);
        let passed = self.waiting.iter().take_while(|(place, _)| *place <= end);
        passed.map(|(place, number)| (*place, SlotKey::from_u64(*number))).collect()
    }
}

impl CallbackEntry {
    /// The first worker that took the task, as far as anybody has.
    fn first_taker(&self, state: &PoolState, ticket: SlotKey) -> Option<(SeatIndex, i64)> {
        self.taken_by.or_else(|| {
            let seat = state.runner(ticket)?;
            Some((seat, state.worker_table.pid(seat)))
        })
    }
}

impl PoolState {
    /// Whose the task is or was; None: nobody has claimed it.
    fn runner(&self, ticket: SlotKey) -> Option<SeatIndex> {
        let word = &self.region.board.slot(ticket.slot).word;
        match word.phase() {
            Phase::Running(seat) | Phase::Completed(seat) | Phase::Failed(seat)
                if word.generation() == ticket.generation =>
            {
                Some(seat)
            }
            _ => None,
        }
    }
}
