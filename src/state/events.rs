//! Worker events, log messages, and the callbacks that observe them.

use super::callbacks::CallbackQueue;
use crate::worker::protocol::ExitReason;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;

/// How the last worker of a seat exited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LastExit {
    pub(crate) reason: ExitReason,
    /// None: a thread, or a process whose exit status is unknown.
    pub(crate) status: Option<ExitStatus>,
}

impl LastExit {
    /// The exit code; 0 where there is none.
    pub(crate) fn exit_code(&self) -> i32 {
        self.status.and_then(|status| status.code()).unwrap_or(0)
    }

    /// The signal that killed the worker; 0 where there is none.
    pub(crate) fn signal(&self) -> i32 {
        self.status.and_then(|status| status.signal()).unwrap_or(0)
    }
}

/// What happened to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerEventKind {
    Starting,
    Ready,
    Exited(LastExit),
}

/// An event of a worker.
#[derive(Debug, Clone)]
pub(crate) struct WorkerEvent {
    pub(crate) kind: WorkerEventKind,
    pub(crate) seat: u32,
    /// The number of the worker among all workers of the pool, from 1.
    pub(crate) number: u64,
    /// 0: a thread.
    pub(crate) pid: i64,
    pub(crate) message: String,
}

/// The severity of a log message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Error,
    Warning,
    Info,
    Debug,
}

pub(crate) type OnEvent = Arc<dyn Fn(&WorkerEvent) + Send + Sync>;
pub(crate) type OnLog = Arc<dyn Fn(LogLevel, &str) + Send + Sync>;

/// The callbacks for worker events and log messages.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    pub(crate) on_event: Option<OnEvent>,
    pub(crate) on_log: Option<OnLog>,
}

impl Observers {
    pub(crate) fn is_empty(&self) -> bool {
        self.on_event.is_none() && self.on_log.is_none()
    }

    /// Delivers a log message, if there is a callback for the log.
    pub(crate) fn log(
        &self,
        callbacks: &CallbackQueue,
        level: LogLevel,
        message: impl FnOnce() -> String,
    ) {
        if let Some(on_log) = self.on_log.clone() {
            let message = message();
            callbacks.push(Box::new(move || on_log(level, &message)));
        }
    }

    /// Delivers an event, and its message as a log message.
    pub(crate) fn emit(
        &self,
        callbacks: &CallbackQueue,
        level: LogLevel,
        event: impl FnOnce() -> WorkerEvent,
    ) {
        if self.is_empty() {
            return;
        }
        let event = event();
        self.log(callbacks, level, || event.message.clone());
        if let Some(on_event) = self.on_event.clone() {
            callbacks.push(Box::new(move || on_event(&event)));
        }
    }
}
