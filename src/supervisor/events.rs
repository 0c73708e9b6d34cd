//! Emits worker events, with a log message for each.

use super::exit_status::ProcessExit;
use crate::error::Error;
use crate::state::PoolState;
use crate::state::events::{LastExit, LogLevel, WorkerEvent, WorkerEventKind};
use crate::worker::protocol::ExitReason;
use std::time::Duration;

/// The worker that an event is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct WorkerId {
    pub(super) seat: usize,
    /// Its number among all workers of the pool.
    pub(super) number: u64,
    /// 0: a thread.
    pub(super) pid: i64,
}

impl WorkerId {
    fn describe(self) -> String {
        let WorkerId { seat, pid, .. } = self;
        match pid {
            0 => format!("worker {seat} (a thread)"),
            pid => format!("worker {seat} (process {pid})"),
        }
    }
}

pub(super) fn worker_starting(state: &PoolState, worker: WorkerId) {
    let message = || format!("{} is being started", worker.describe());
    emit(state, worker, LogLevel::Debug, WorkerEventKind::Starting, message);
}

pub(super) fn worker_ready(state: &PoolState, worker: WorkerId) {
    let message = || format!("{} is ready", worker.describe());
    emit(state, worker, LogLevel::Debug, WorkerEventKind::Ready, message);
}

/// The worker has sent what no worker sends, and is about to be killed for it.
pub(super) fn worker_wrong(state: &PoolState, worker: WorkerId) {
    state.log(LogLevel::Warning, || {
        let worker = worker.describe();
        format!("{worker} is killed: something else than the library writes to its channel")
    });
}

/// `process`: None: the worker was a thread.
pub(super) fn worker_exited(
    state: &PoolState,
    worker: WorkerId,
    reason: ExitReason,
    process: Option<ProcessExit>,
) {
    let last_exit = LastExit { reason, status: process.and_then(|process| process.status) };
    state.worker_table.set_last_exit(worker.seat, last_exit);
    let why = describe_reason(reason);
    let message = || match process.filter(|process| !process.is_success()) {
        Some(process) => format!("worker {} {why}: {}", worker.seat, process.describe()),
        None => format!("{} {why}", worker.describe()),
    };
    emit(state, worker, level_of(reason), WorkerEventKind::Exited(last_exit), message);
}

/// Logs that no worker could be started. The supervisor tries again after the pause.
pub(super) fn start_failed(state: &PoolState, error: &Error, pause: Duration) {
    state.log(LogLevel::Warning, || {
        let status = error.status.description().to_string_lossy();
        let message = error.detail().map_or("", |detail| &detail.message);
        let pause = pause.as_millis() as u64;
        format!("no worker could be started, the next try is in {pause} ms: {status}: {message}")
    });
}

fn emit(
    state: &PoolState,
    worker: WorkerId,
    level: LogLevel,
    kind: WorkerEventKind,
    message: impl FnOnce() -> String,
) {
    let WorkerId { seat, number, pid } = worker;
    let seat = seat as u32;
    let event = || WorkerEvent { kind, seat, number, pid, message: message() };
    state.config.observers.emit(&state.callbacks, level, event);
}

fn level_of(reason: ExitReason) -> LogLevel {
    match reason {
        ExitReason::Lost | ExitReason::HookFailed => LogLevel::Error,
        ExitReason::StartFailed | ExitReason::TimeLimit | ExitReason::Cancelled => {
            LogLevel::Warning
        }
        ExitReason::MaxTasks
        | ExitReason::MaxMemory
        | ExitReason::Restarted
        | ExitReason::Shrunk => LogLevel::Info,
        ExitReason::None
        | ExitReason::Requested
        | ExitReason::IdleTimeout
        | ExitReason::Killed
        | ExitReason::NeedsMainProgram => LogLevel::Debug,
    }
}

/// The predicate of a sentence about the worker.
fn describe_reason(reason: ExitReason) -> &'static str {
    match reason {
        ExitReason::None => "was never there",
        ExitReason::Requested => "has exited as requested",
        ExitReason::IdleTimeout => "has exited: it was idle for the idle timeout",
        ExitReason::MaxTasks => "has exited: it has run max_tasks_per_worker tasks",
        ExitReason::Restarted => "is replaced by a new one",
        ExitReason::Shrunk => "has exited: the pool has shrunk",
        ExitReason::MaxMemory => "has exited: it had more memory than max_memory_per_worker",
        ExitReason::Lost => "is lost",
        ExitReason::TimeLimit => "was killed for running too long",
        ExitReason::Cancelled => "was ended with a task that was cancelled",
        ExitReason::Killed => "was killed to stop the pool",
        ExitReason::StartFailed => "could not start",
        ExitReason::NeedsMainProgram => {
            "has exited so that a worker of the main program runs its task"
        }
        ExitReason::HookFailed => "has exited: its initializer or finalizer failed",
    }
}
