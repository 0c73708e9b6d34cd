//! A seat that has a worker: what the watch knows of it, and what it can do to it.

use super::exit_status::{kill, terminate};
use super::limits::Sentence;
use crate::error::Error;
use crate::worker::HookFailure;
use crate::worker::protocol::{Channel, Leave};
use rustix::process::{Pid, Signal};
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;
use std::time::Instant;

/// A seat that has a worker.
pub(crate) struct WorkerHandle {
    pub(super) channel: Channel,
    pub(super) worker: WorkerKind,
    pub(crate) is_ready: bool,
    pub(super) step: LifeStep,
    /// When the step has taken too long.
    pub(super) due: Option<Instant>,
    /// The step that has taken too long: it was killed.
    pub(super) overran: Option<LifeStep>,
    /// How many tasks its seat had claimed before.
    pub(crate) claimed_before: u64,
    pub(crate) exit_message: Option<Leave>,
    pub(crate) refusal: Option<Error>,
    /// A function around its life has failed.
    pub(crate) failure: Option<HookFailure>,
    /// That was so, whatever became of it.
    pub(crate) has_broken: bool,
    /// Its number among all workers of the pool.
    pub(crate) number: u64,
    /// Why it was told to leave, or killed.
    pub(super) order: Option<WayOut>,
    /// It is to be replaced, and was not told yet.
    pub(super) is_old: bool,
    /// It is killed for its task.
    pub(crate) sentence: Option<Sentence>,
}

impl WorkerHandle {
    /// Its process; 0: a thread.
    pub(crate) fn pid(&self) -> i64 {
        match &self.worker {
            WorkerKind::Thread(_) | WorkerKind::Awaited { .. } => 0,
            WorkerKind::Process { pid, .. } => i64::from(pid.as_raw_nonzero().get()),
        }
    }

    /// Kills a worker process, with all that its tasks have started in its group.
    pub(crate) fn kill(&self) {
        if let WorkerKind::Process { pid, handle, .. } = &self.worker {
            kill(*pid, handle);
        }
    }

    /// Asks a worker process, and all in its group, to end.
    pub(crate) fn terminate(&self) {
        if let WorkerKind::Process { pid, handle, .. } = &self.worker {
            terminate(*pid, handle);
        }
    }

    /// Sends a signal to a worker process, and to nobody else of its group.
    pub(crate) fn signal(&self, signal: Signal) {
        if let WorkerKind::Process { handle, .. } = &self.worker {
            let _ = rustix::process::pidfd_send_signal(handle, signal);
        }
    }

    pub(super) fn is_process(&self) -> bool {
        !matches!(self.worker, WorkerKind::Thread(_))
    }

    pub(super) fn is_forked_from(&self, id: u64) -> bool {
        matches!(self.worker, WorkerKind::Process { fork_server: Some(own), .. } if own == id)
    }
}

/// Why a single worker is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WayOut {
    /// There are to be fewer.
    Shrunk,
    /// It is to be replaced.
    Restarted,
    /// It was killed to be replaced.
    Killed,
}

/// Where a worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LifeStep {
    Starting,
    Initializing,
    /// It takes tasks.
    Working,
    Finalizing,
}

pub(super) enum WorkerKind {
    Thread(Option<JoinHandle<()>>),
    /// It was ordered of a template; it may be one that is killed when it comes.
    Awaited {
        is_kill_pending: bool,
    },
    /// With the template that it was forked from, if it was.
    Process {
        pid: Pid,
        handle: OwnedFd,
        fork_server: Option<u64>,
    },
}
