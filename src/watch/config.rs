//! What a pool is made from.

use crate::worker::start::ProcessConfig;
use std::sync::Arc;
use std::time::Duration;

/// What kind of workers a pool has.
#[derive(Clone)]
pub(crate) enum PoolKind {
    Threads,
    Processes(Arc<ProcessConfig>),
    /// No workers: tasks run in the threads that submit them.
    Inline,
}

/// How many workers there are to be at first, and how often starting one may fail.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plan {
    pub(crate) workers_min: u32,
    pub(crate) workers_max: u32,
    /// So many starts may fail one after the other within the window; the largest number: any.
    pub(crate) restarts_max: u32,
    pub(crate) restart_window: Duration,
    pub(crate) times: StepTimeouts,
    pub(crate) on_lost: OnLost,
    /// How often a task is run again whose worker is lost.
    pub(crate) retries: u32,
}

/// What becomes of the pool when a worker is lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OnLost {
    #[default]
    GoOn,
    Break,
}

/// How long what workers do may take. None: any time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StepTimeouts {
    /// From SIGTERM to SIGKILL.
    pub(crate) kill_grace: Duration,
    /// From a worker process's start to its first word.
    pub(crate) start: Option<Duration>,
    pub(crate) initializer: Option<Duration>,
    pub(crate) finalizer: Option<Duration>,
}
