//! What happens to workers, for those who want to hear of it: events in numbers, and log lines in words. Both go
//! through the outbox.

use super::handle::{LifeStep, WayOut, WorkerHandle};
use super::limits::Doom;
use super::reap::{self, Death, Fate, How};
use super::state::PoolState;
use crate::board::side_table::TaskFailure;
use crate::error::Error;
use crate::worker::protocol::Leave;
use std::sync::Arc;
use std::time::Duration;

/// Why a worker is gone, by the C API's numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Gone {
    #[default]
    Never = 0,
    Told = 1,
    Idle = 2,
    Tasks = 3,
    Memory = 4,
    Restarted = 5,
    Shrunk = 6,
    Lost = 7,
    Limit = 8,
    CancelledTask = 9,
    Killed = 10,
    NotStarted = 11,
    Image = 12,
    Hook = 13,
}

/// How a worker has left.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LastExit {
    pub(crate) gone: Gone,
    pub(crate) exit_code: i32,
    pub(crate) signal: i32,
}

/// What happens to a worker, by the C API's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerEventKind {
    Starting = 1,
    Up = 2,
    Gone = 3,
}

/// An event of a worker.
#[derive(Debug, Clone)]
pub(crate) struct WorkerEvent {
    pub(crate) what: WorkerEventKind,
    pub(crate) seat: u32,
    pub(crate) number: u64,
    pub(crate) pid: i64,
    pub(crate) departure: LastExit,
    pub(crate) words: String,
}

/// How grave a log line is, by the C API's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Error = 1,
    Warning = 2,
    Info = 3,
    Debug = 4,
}

pub(crate) type OnEvent = Arc<dyn Fn(&WorkerEvent) + Send + Sync>;
pub(crate) type OnLog = Arc<dyn Fn(LogLevel, &str) + Send + Sync>;

/// Who wants to hear.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    pub(crate) on_event: Option<OnEvent>,
    pub(crate) on_log: Option<OnLog>,
}

impl PoolState {
    /// Whether anybody wants to hear.
    pub(crate) fn has_observers(&self) -> bool {
        self.observers.on_event.is_some() || self.observers.on_log.is_some()
    }

    /// Writes a line to the log, if there is one.
    pub(crate) fn log(&self, level: LogLevel, words: impl FnOnce() -> String) {
        if let Some(on_log) = self.observers.on_log.clone() {
            let words = words();
            self.callbacks.push(Box::new(move || on_log(level, &words)));
        }
    }

    /// No worker works any more.
    pub(super) fn log_broken(&self, note: &TaskFailure) {
        self.log(LogLevel::Error, || {
            let sentence = note.status.description().to_string_lossy();
            match note.detail.message.as_str() {
                "" => format!("the pool is broken: {sentence}"),
                words => format!("the pool is broken: {sentence}: {words}"),
            }
        });
    }

    /// No worker could be started; somebody tries again.
    pub(super) fn log_start_failure(&self, error: &Error, pause: Duration) {
        self.log(LogLevel::Warning, || {
            let sentence = error.status.description().to_string_lossy();
            let words = error.detail().map_or("", |detail| &detail.message);
            let pause = pause.as_millis() as u64;
            format!(
                "no worker could be started, the next try is in {pause} ms: {sentence}: {words}"
            )
        });
    }

    /// A worker is starting, or is up.
    pub(super) fn worker_started(&self, what: WorkerEventKind, seat: usize, number: u64, pid: i64) {
        let words = || {
            let who = who(seat, pid);
            let is = if what == WorkerEventKind::Up { "is ready" } else { "is being started" };
            format!("{who} {is}")
        };
        let seat = seat as u32;
        self.tell(LogLevel::Debug, || WorkerEvent {
            what,
            seat,
            number,
            pid,
            departure: LastExit::default(),
            words: words(),
        });
    }

    /// A worker is gone.
    pub(super) fn worker_exited(
        &self,
        seat: usize,
        worker: &WorkerHandle,
        fate: Fate,
        death: Option<Death>,
    ) {
        let gone = gone(worker, fate);
        let (exit_code, signal) = match death.map(|death| death.how) {
            Some(How::Exit(code)) => (code, 0),
            Some(How::Signal(signal)) => (0, signal),
            _ => (0, 0),
        };
        let departure = LastExit { gone, exit_code, signal };
        self.worker_table.set_last_exit(seat, departure);
        let (number, pid) = (worker.number, worker.pid());
        let why = why(gone);
        let words = || match death.filter(|death| !matches!(death.how, How::Exit(0))) {
            Some(death) => format!("worker {seat} {why}: {}", reap::describe_exit(death)),
            None => format!("{} {why}", who(seat, pid)),
        };
        self.tell(level(gone), || WorkerEvent {
            what: WorkerEventKind::Gone,
            seat: seat as u32,
            number,
            pid,
            departure,
            words: words(),
        });
    }

    fn tell(&self, level: LogLevel, event: impl FnOnce() -> WorkerEvent) {
        if !self.has_observers() {
            return;
        }
        let event = event();
        self.log(level, || event.words.clone());
        if let Some(on_event) = self.observers.on_event.clone() {
            self.callbacks.push(Box::new(move || on_event(&event)));
        }
    }
}

fn who(seat: usize, pid: i64) -> String {
    match pid {
        0 => format!("worker {seat} (a thread)"),
        pid => format!("worker {seat} (process {pid})"),
    }
}

fn gone(worker: &WorkerHandle, fate: Fate) -> Gone {
    match fate {
        _ if worker.has_broken => Gone::Hook,
        Fate::WrongImage => Gone::Image,
        Fate::Left => match worker.exit_message {
            Some(Leave::IdleTimeout) => Gone::Idle,
            Some(Leave::MaxTasks) => Gone::Tasks,
            Some(Leave::MaxMemory) => Gone::Memory,
            Some(Leave::KillPending) => worker.sentence.map_or(Gone::Told, |it| of_doom(it.doom)),
            Some(Leave::Requested | Leave::NeedsMainProgram) | None => match worker.order {
                Some(WayOut::Shrunk) => Gone::Shrunk,
                Some(WayOut::Restarted | WayOut::Killed) => Gone::Restarted,
                None => Gone::Told,
            },
        },
        Fate::Sentenced(sentence, _) => of_doom(sentence.doom),
        Fate::Killed(_) => Gone::Killed,
        Fate::Lost(_) if worker.order == Some(WayOut::Killed) => Gone::Restarted,
        Fate::Lost(_) => match worker.overran {
            Some(LifeStep::Initializing | LifeStep::Finalizing) => Gone::Limit,
            Some(_) => Gone::NotStarted,
            None if !worker.is_ready => Gone::NotStarted,
            None => Gone::Lost,
        },
    }
}

fn of_doom(doom: Doom) -> Gone {
    match doom {
        Doom::HardLimit(_) => Gone::Limit,
        Doom::CancelledTask => Gone::CancelledTask,
    }
}

fn level(gone: Gone) -> LogLevel {
    match gone {
        Gone::Lost | Gone::Hook => LogLevel::Error,
        Gone::NotStarted | Gone::Limit | Gone::CancelledTask => LogLevel::Warning,
        Gone::Tasks | Gone::Memory | Gone::Restarted | Gone::Shrunk => LogLevel::Info,
        Gone::Never | Gone::Told | Gone::Idle | Gone::Killed | Gone::Image => LogLevel::Debug,
    }
}

/// The reason, as the end of a sentence about the worker.
fn why(gone: Gone) -> &'static str {
    match gone {
        Gone::Never => "was never there",
        Gone::Told => "has left: it was told to",
        Gone::Idle => "has left: it had nothing to do for too long",
        Gone::Tasks => "has left: it has run as many tasks as it may",
        Gone::Restarted => "is gone: it is replaced by a new one",
        Gone::Shrunk => "has left: there are to be fewer",
        Gone::Memory => "has left: it had more memory than max_memory_per_worker",
        Gone::Lost => "is lost",
        Gone::Limit => "was killed for running too long",
        Gone::CancelledTask => "was ended with a task that was cancelled",
        Gone::Killed => "was killed to stop the pool",
        Gone::NotStarted => "could not start",
        Gone::Image => "has left a task to a worker of the main program's image",
        Gone::Hook => "has left: its initializer or finalizer failed",
    }
}
