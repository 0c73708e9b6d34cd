//! What the watch can be told: orders, and the one request that even a signal handler may make.

use super::limits::TimeLimits;
use super::state::{PoolState, pool_flags};
use crate::board::slots::SlotKey;
use crate::sync::plain::{AtomicBool, AtomicU32};
use crate::sync::reply::ReplySender;
use crate::sync::{Ordering::*, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How a pool stops; each is stronger than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopMode {
    Drain,
    Cancel,
    /// Worker processes are asked to end, and killed when this time is over.
    Terminate(Duration),
    Kill,
}

impl StopMode {
    /// From the C API's number.
    pub(crate) fn from_number(number: i32) -> Option<StopMode> {
        [StopMode::Cancel, StopMode::Drain, StopMode::Kill]
            .get(usize::try_from(number).ok()?)
            .copied()
    }

    fn strength(self) -> u32 {
        match self {
            StopMode::Drain => 1,
            StopMode::Cancel => 2,
            StopMode::Terminate(_) => 3,
            StopMode::Kill => 4,
        }
    }

    pub(super) fn is_stronger_than(self, other: StopMode) -> bool {
        self.strength() > other.strength()
    }

    /// Whether running tasks are to end with their worker.
    pub(crate) fn ends_tasks(self) -> bool {
        matches!(self, StopMode::Terminate(_) | StopMode::Kill)
    }
}

/// Which workers leave when there are to be fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShrinkMode {
    Idle,
    WhenIdle,
}

impl ShrinkMode {
    /// From the C API's number.
    pub(crate) fn from_number(number: i32) -> Option<ShrinkMode> {
        [ShrinkMode::Idle, ShrinkMode::WhenIdle].get(usize::try_from(number).ok()?).copied()
    }
}

/// When a worker is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartMode {
    Graceful,
    Now,
}

impl RestartMode {
    /// From the C API's number.
    pub(crate) fn from_number(number: i32) -> Option<RestartMode> {
        [RestartMode::Graceful, RestartMode::Now].get(usize::try_from(number).ok()?).copied()
    }
}

/// What the watch is told. Answers come when the thing is done.
pub(crate) enum Command {
    /// Run what is queued and let the workers leave.
    /// The number is the joiner's own.
    Join(u64, ReplySender),
    /// This joiner waits no longer.
    CancelJoin(u64, ReplySender),
    Stop(StopMode, ReplySender),
    /// This task was doomed.
    KillForTask(SlotKey),
    /// The limits of tasks that start from now on.
    SetLimits(TimeLimits, ReplySender),
    /// Start so many workers; below 0: as many as waiting tasks need. The answer is how many were.
    StartWorkers(i64, ReplySender),
    /// See that so many workers are up at once. The number is the waiter's own.
    WaitReady(u64, u32, ReplySender),
    /// This waiter waits no longer.
    CancelWaitReady(u64),
    Grow(u32, ReplySender),
    Shrink(u32, ShrinkMode, ReplySender),
    /// The answer comes when it has begun.
    Restart(RestartMode, ReplySender),
}

/// The orders that the watch has not looked at yet. None: it is gone, and takes no more.
#[derive(Clone)]
pub(super) struct CommandQueue(Arc<Mutex<Option<Vec<Command>>>>);

impl CommandQueue {
    pub(super) fn new() -> CommandQueue {
        CommandQueue(Arc::new(Mutex::new(Some(Vec::new()))))
    }

    /// False: the watch is gone.
    pub(super) fn push(&self, command: Command) -> bool {
        let mut commands = self.lock();
        commands.as_mut().map(|commands| commands.push(command)).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Command>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watch's end of them. Who waits for an answer when it is dropped hears that there is none.
pub(crate) struct CommandReceiver(pub(super) CommandQueue);

impl CommandReceiver {
    pub(super) fn take(&self) -> Vec<Command> {
        self.0.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl Drop for CommandReceiver {
    fn drop(&mut self) {
        let last = self.0.lock().take();
        drop(last);
    }
}

/// A stop that is asked for without waiting and without a lock.
#[derive(Default)]
pub(super) struct StopRequest {
    /// Its strength; 0: there is none, or the watch has taken it.
    strength: AtomicU32,
    /// Nobody has waited for its end yet.
    is_owed: AtomicBool,
}

impl PoolState {
    /// Asks for a stop. Nothing but atomic steps and one write: a signal handler may call it.
    pub(crate) fn request_stop(&self, mode: StopMode) {
        if self.flags.load(Acquire) & pool_flags::TERMINATED != 0 {
            return;
        }
        self.stop_request.is_owed.store(true, Relaxed);
        self.close_for(mode);
        // Release; pairs with `take_stop_request`.
        self.stop_request.strength.fetch_max(mode.strength(), Release);
        self.wake();
    }

    /// Nothing that is submitted after this is taken.
    pub(crate) fn close_for(&self, mode: StopMode) {
        let stopped = if mode == StopMode::Drain { 0 } else { pool_flags::STOPPED };
        self.flags.fetch_or(pool_flags::CLOSED | stopped, AcqRel);
        // Pairs with the fence of a submit's ring (see `PoolState::gate`).
        fence(SeqCst);
    }

    pub(super) fn take_stop_request(&self) -> Option<StopMode> {
        let strength = self.stop_request.strength.swap(0, Acquire);
        let modes = [StopMode::Drain, StopMode::Cancel, StopMode::Kill];
        modes.into_iter().find(|mode| mode.strength() == strength)
    }

    /// Whether a requested stop has nobody yet who has waited for its end; true once.
    pub(crate) fn claim_stop_request(&self) -> bool {
        self.stop_request.is_owed.swap(false, Relaxed)
    }
}
