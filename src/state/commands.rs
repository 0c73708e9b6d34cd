//! Commands to the supervisor, and the stop request that even a signal handler may make.

use super::limits::TimeLimits;
use crate::board::parent::slots::SlotKey;
use crate::board::slot::SeatIndex;
use crate::error::Result;
use crate::sync::plain::{AtomicBool, AtomicU32};
use crate::sync::{Deadline, Mutex, Ordering::*};
use crossbeam_channel::{Receiver, Sender};
use std::sync::{Arc, Condvar};
use std::time::Duration;

/// How a pool stops; each mode is stronger than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopMode {
    Drain,
    Cancel,
    /// Worker processes get SIGTERM, and SIGKILL after this time.
    Terminate(Duration),
    Kill,
}

impl StopMode {
    fn strength(self) -> u32 {
        match self {
            StopMode::Drain => 1,
            StopMode::Cancel => 2,
            StopMode::Terminate(_) => 3,
            StopMode::Kill => 4,
        }
    }

    pub(crate) fn is_stronger_than(self, other: StopMode) -> bool {
        self.strength() > other.strength()
    }

    /// Whether running tasks end with their worker.
    pub(crate) fn ends_tasks(self) -> bool {
        matches!(self, StopMode::Terminate(_) | StopMode::Kill)
    }
}

/// Which workers exit when a pool shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShrinkMode {
    Idle,
    WhenIdle,
}

/// When a worker is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartMode {
    Graceful,
    Now,
}

/// A command to the supervisor, which replies when it has carried the command out.
pub(crate) enum Command {
    /// Run all queued tasks and let the workers exit. The number identifies the caller.
    Join(u64, ReplySender),
    /// This caller does not wait any more.
    CancelJoin(u64, ReplySender),
    Stop(StopMode, ReplySender),
    /// Kill the worker of this task, which is marked for that.
    KillForTask(SlotKey),
    /// Kill the worker of this seat that has this number: the board says that it runs a task, which
    /// it does not.
    KillStray(SeatIndex, u64),
    /// Take back the task that the isolated worker of this seat, which has this number, does not ask
    /// for.
    TakeBack(SeatIndex, u64),
    /// The limits of tasks that start from now on.
    SetLimits(TimeLimits, ReplySender),
    /// Start this many workers; negative: as many as the queued tasks need. The reply is how many
    /// were started.
    StartWorkers(i64, ReplySender),
    /// Reply when this many workers are ready at once. The number identifies the caller.
    WaitReady(u64, u32, ReplySender),
    /// This caller does not wait any more.
    CancelWaitReady(u64),
    Grow(u32, ReplySender),
    Shrink(u32, ShrinkMode, ReplySender),
    /// Set the maximum of workers, and reply when there are no more. The number identifies the
    /// caller.
    Resize(u64, u32, ReplySender),
    /// This caller does not wait any more.
    CancelResize(u64),
    /// Begin no more tasks, or begin them again.
    Pause(bool, ReplySender),
    /// The reply comes when the restart has begun.
    Restart(RestartMode, ReplySender),
}

/// Sending fails when the supervisor has ended. The commands that it has not received are dropped,
/// and the callers that wait for their replies get [`Reply::Disconnected`].
pub(crate) type CommandSender = Sender<Command>;
pub(crate) type CommandReceiver = Receiver<Command>;

pub(super) fn channel() -> (CommandSender, CommandReceiver) {
    crossbeam_channel::unbounded()
}

/// What becomes of the reply to a command. Not a channel of crossbeam: the receiver of one asks for
/// the current thread, which std refuses in the destructors of a thread that exits.
struct ReplyCell {
    state: Mutex<ReplyState>,
    changed: Condvar,
}

enum ReplyState {
    Awaited,
    Sent(Result<u32>),
    /// The reply was received, or its sender is gone.
    Disconnected,
}

/// The supervisor's end of a reply: sends one value, or disconnects when it is dropped.
pub(crate) struct ReplySender(Arc<ReplyCell>);

/// The caller's end of a reply.
pub(crate) struct ReplyReceiver(Arc<ReplyCell>);

/// The outcome of waiting for a reply.
pub(crate) enum Reply {
    Received(Result<u32>),
    /// The supervisor has ended.
    Disconnected,
    TimedOut,
}

pub(crate) fn reply() -> (ReplySender, ReplyReceiver) {
    let state = Mutex::new(ReplyState::Awaited);
    let cell = Arc::new(ReplyCell { state, changed: Condvar::new() });
    (ReplySender(cell.clone()), ReplyReceiver(cell))
}

impl ReplySender {
    /// Sends a reply. Only the first one counts.
    pub(crate) fn send(&self, reply: Result<u32>) {
        self.end(ReplyState::Sent(reply));
    }

    /// Sends a reply that has no value.
    pub(crate) fn done(&self, outcome: Result<()>) {
        self.send(outcome.map(|()| 0));
    }

    fn end(&self, how: ReplyState) {
        let mut state = self.0.state.lock();
        if matches!(*state, ReplyState::Awaited) {
            *state = how;
            self.0.changed.notify_all();
        }
    }
}

impl Drop for ReplySender {
    fn drop(&mut self) {
        self.end(ReplyState::Disconnected);
    }
}

impl ReplyReceiver {
    pub(crate) fn wait(&self, deadline: Deadline) -> Reply {
        let mut state = self.0.state.lock();
        while matches!(*state, ReplyState::Awaited) {
            match deadline.wait_on(&self.0.changed, state) {
                Some(guard) => state = guard,
                None => return Reply::TimedOut,
            }
        }
        match std::mem::replace(&mut *state, ReplyState::Disconnected) {
            ReplyState::Sent(reply) => Reply::Received(reply),
            ReplyState::Awaited | ReplyState::Disconnected => Reply::Disconnected,
        }
    }

    /// Waits without a time limit. None: the supervisor has ended.
    pub(crate) fn recv(&self) -> Option<Result<u32>> {
        match self.wait(Deadline::Never) {
            Reply::Received(reply) => Some(reply),
            Reply::Disconnected | Reply::TimedOut => None,
        }
    }
}

/// A stop that is requested without waiting and without a lock.
#[derive(Default)]
pub(crate) struct ShutdownRequest {
    /// The strength of the mode; 0: there is no request, or the supervisor has taken it.
    strength: AtomicU32,
    /// No caller waits for the end of the stop yet.
    is_unclaimed: AtomicBool,
}

impl ShutdownRequest {
    /// Announces a request. Called before the pool is closed, so that a caller that finds it closed
    /// can claim the request.
    pub(super) fn announce(&self) {
        self.is_unclaimed.store(true, Relaxed);
    }

    /// Requests the stop. Release; pairs with `take`.
    pub(super) fn request(&self, mode: StopMode) {
        self.strength.fetch_max(mode.strength(), Release);
    }

    /// Takes the request. Acquire; pairs with `request`.
    pub(crate) fn take(&self) -> Option<StopMode> {
        let strength = self.strength.swap(0, Acquire);
        let modes = [StopMode::Drain, StopMode::Cancel, StopMode::Kill];
        modes.into_iter().find(|mode| mode.strength() == strength)
    }

    /// Claims waiting for the end of a requested stop. True once per request.
    pub(crate) fn claim(&self) -> bool {
        self.is_unclaimed.swap(false, Relaxed)
    }
}
