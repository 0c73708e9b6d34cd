//! The configuration of a pool, after all checks.

use super::commands::StopMode;
use super::events::Observers;
use super::limits::TimeLimits;
use crate::error::{Result, Status};
use crate::worker::config::ProcessConfig;
use rustix::process::Signal;
use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

/// The largest number of workers of one pool.
pub(crate) const WORKERS_MAX: u32 = crate::board::region::SEATS_MAX as u32;

/// What is fixed when a pool is made, and the initial values of what can be changed later.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) kind: PoolKind,
    pub(crate) workers_min: u32,
    pub(crate) workers_max: u32,
    /// The idle timeout of workers in milliseconds; see [`crate::board::IDLE_NOW`].
    pub(crate) idle_ms: i64,
    /// The maximum number of tasks that a worker runs; 0: unlimited.
    pub(crate) tasks_max: u64,
    /// The maximum resident memory of a worker between two tasks, in bytes; 0: unlimited.
    pub(crate) memory_max: u64,
    /// The maximum number of queued tasks; 0: unlimited.
    pub(crate) max_pending: u64,
    /// Workers take several tasks from the queue at once.
    pub(crate) prefetches: bool,
    /// The time limits of tasks that set none of their own.
    pub(crate) limits: TimeLimits,
    /// Sent to a worker process whose task has passed its soft limit.
    pub(crate) soft_signal: Option<Signal>,
    pub(crate) timeouts: StepTimeouts,
    /// The number of consecutive start failures within the window that breaks the pool; `u32::MAX`:
    /// never.
    pub(crate) restarts_max: u32,
    pub(crate) restart_window: Duration,
    pub(crate) on_lost: OnLost,
    /// How many times a task whose worker was lost is run again.
    pub(crate) retries: u32,
    pub(crate) observers: Observers,
    /// The caller runs the callbacks.
    pub(crate) is_external: bool,
    pub(crate) initializer: Option<Arc<HookSpec>>,
    pub(crate) finalizer: Option<Arc<HookSpec>>,
    pub(crate) tick: Option<Tick>,
    /// How an open pool is shut down when the program exits; None: it is not shut down.
    pub(crate) at_exit: Option<StopMode>,
}

/// The kind of a pool's workers.
#[derive(Clone)]
pub(crate) enum PoolKind {
    Threads,
    Processes(Arc<ProcessConfig>),
    /// No workers: a task runs in the thread that submits it.
    Inline,
}

impl PoolKind {
    /// Whether each worker has a board of its own.
    pub(crate) fn is_isolated(&self) -> bool {
        matches!(self, PoolKind::Processes(config) if config.is_isolated)
    }
}

/// What the pool does when a worker is lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OnLost {
    #[default]
    Continue,
    Break,
}

/// How long the steps of a worker's life may take. None: unlimited.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StepTimeouts {
    /// From SIGTERM to SIGKILL.
    pub(crate) kill_grace: Duration,
    /// From the start of a worker process to its first message.
    pub(crate) start: Option<Duration>,
    pub(crate) initializer: Option<Duration>,
    pub(crate) finalizer: Option<Duration>,
}

/// A function that the caller runs periodically while it waits for the pool to end.
#[derive(Clone)]
pub(crate) struct Tick {
    pub(crate) every: Duration,
    pub(crate) call: Arc<dyn Fn() + Send + Sync>,
}

/// A function that every worker runs at the beginning or the end of its life, with its arguments.
pub(crate) struct HookSpec {
    pub(crate) callee: OwnedCallee,
    pub(crate) args: Vec<u8>,
}

/// The function of a task.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Callee<'a> {
    Pointer(usize),
    /// By module and symbol; an empty module is the main program.
    Names(&'a str, &'a str),
}

/// A [`Callee`] that owns its names, as C strings.
pub(crate) enum OwnedCallee {
    Pointer(usize),
    Names(CString, CString),
}

impl OwnedCallee {
    pub(crate) fn of(callee: Callee<'_>) -> Result<OwnedCallee> {
        let owned = |text: &str| CString::new(text).map_err(|_| Status::POOL_ERR_INVALID);
        Ok(match callee {
            Callee::Pointer(pointer) => OwnedCallee::Pointer(pointer),
            Callee::Names(module, symbol) => OwnedCallee::Names(owned(module)?, owned(symbol)?),
        })
    }

    pub(crate) fn as_callee(&self) -> Callee<'_> {
        match self {
            OwnedCallee::Pointer(pointer) => Callee::Pointer(*pointer),
            OwnedCallee::Names(module, symbol) => {
                Callee::Names(module.to_str().unwrap_or(""), symbol.to_str().unwrap_or(""))
            }
        }
    }
}
