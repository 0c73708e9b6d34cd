//! One worker as the supervisor knows it: its channel, its process, the step of its life, and how it exits.

use super::events::{self, WorkerId};
use super::exit_status::ProcessExit;
use super::limits::PendingKill;
use super::proxy::{Left, Proxy};
use super::worker_process::StartedProcess;
use crate::error::Error;
use crate::state::PoolState;
use crate::state::config::{PoolKind, StepTimeouts};
use crate::worker::Channel;
use crate::worker::config::Image;
use crate::worker::protocol::{ExitReason, HookFailure};
use rustix::process::{Pid, Signal};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The parent's end of a worker.
pub(super) struct WorkerHandle {
    pub(super) channel: Channel,
    pub(super) process: WorkerProcess,
    pub(super) is_ready: bool,
    pub(super) step: LifeStep,
    /// When the step will have taken too long.
    pub(super) due: Option<Instant>,
    /// The step for which the worker was killed because it took too long.
    pub(super) overran: Option<LifeStep>,
    /// How many tasks its seat had claimed before.
    pub(super) claimed_before: u64,
    /// The program that it was started with.
    pub(super) image: Image,
    /// The reason that the worker announced for its exit.
    pub(super) announced: Option<ExitReason>,
    pub(super) start_error: Option<Error>,
    /// It was killed because its first message could not be sent.
    pub(super) is_uninitialized: bool,
    /// A hook failure that has not broken the pool yet.
    pub(super) hook_failure: Option<HookFailure>,
    pub(super) has_hook_failed: bool,
    /// It has sent its last message.
    pub(super) has_said_last: bool,
    /// It has sent what no worker sends, and is killed for it.
    pub(super) is_wrong: bool,
    /// How many looks in succession have found it without a task, while the pool ends.
    pub(super) idle_looks: u32,
    /// How many results it has sent in files.
    pub(super) files: u64,
    /// Its number among all workers of the pool.
    pub(super) number: u64,
    /// Why the supervisor has asked the worker to exit: Shrunk or Restarted.
    pub(super) requested: Option<ExitReason>,
    /// It was killed because the pool restarts its workers now.
    pub(super) is_killed_for_restart: bool,
    /// It must be replaced, and was not asked to exit yet.
    pub(super) is_old: bool,
    /// It is killed for its task.
    pub(super) pending_kill: Option<PendingKill>,
    /// Of an isolated worker whose process has started.
    pub(super) proxy: Option<Proxy>,
}

/// What runs a worker.
pub(super) enum WorkerProcess {
    Thread(Option<JoinHandle<()>>),
    /// A fork server was requested to start it. `kill`: it is killed as soon as it is started.
    Awaited {
        kill: bool,
    },
    Process(StartedProcess),
}

/// A step of a worker's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LifeStep {
    Starting,
    Initializing,
    /// It runs tasks.
    Working,
    Finalizing,
}

impl LifeStep {
    /// How long the step may take.
    pub(super) fn timeout(self, timeouts: &StepTimeouts) -> Option<Duration> {
        match self {
            LifeStep::Starting => timeouts.start,
            LifeStep::Initializing => timeouts.initializer,
            LifeStep::Finalizing => timeouts.finalizer,
            LifeStep::Working => None,
        }
    }
}

/// How a worker exited.
pub(super) struct WorkerExit {
    pub(super) reason: ExitReason,
    /// None: a thread.
    pub(super) process: Option<ProcessExit>,
    /// The worker announced its exit, or is a thread.
    pub(super) is_voluntary: bool,
    /// It was killed because the pool stops.
    pub(super) is_killed_by_stop: bool,
    /// It was killed for its task.
    pub(super) pending_kill: Option<PendingKill>,
}

impl WorkerExit {
    /// Whether the worker exited unexpectedly.
    pub(super) fn is_loss(&self) -> bool {
        !self.is_voluntary && !self.is_killed_by_stop && self.pending_kill.is_none()
    }
}

impl WorkerHandle {
    pub(super) fn new(
        channel: Channel,
        process: WorkerProcess,
        image: Image,
        number: u64,
        claimed_before: u64,
    ) -> Self {
        WorkerHandle {
            channel,
            process,
            image,
            is_ready: false,
            step: LifeStep::Starting,
            due: None,
            overran: None,
            claimed_before,
            announced: None,
            start_error: None,
            is_uninitialized: false,
            hook_failure: None,
            has_hook_failed: false,
            has_said_last: false,
            is_wrong: false,
            idle_looks: 0,
            files: 0,
            number,
            requested: None,
            is_killed_for_restart: false,
            is_old: false,
            pending_kill: None,
            proxy: None,
        }
    }

    /// Ends the proxy of a worker that has exited.
    pub(super) fn end_proxy(&mut self) {
        let left = self.proxy.take().map_or(Left::Nothing, Proxy::end);
        // One that leaves a task has not said so, unless another program is to run the task.
        if left == Left::Task && self.announced != Some(ExitReason::NeedsMainProgram) {
            self.announced = None;
        }
    }

    /// The process id; 0: a thread, or a process that is awaited.
    pub(super) fn pid(&self) -> i64 {
        match &self.process {
            WorkerProcess::Thread(_) | WorkerProcess::Awaited { .. } => 0,
            WorkerProcess::Process(process) => pid_number(process.pid),
        }
    }

    pub(super) fn id(&self, seat: usize) -> WorkerId {
        WorkerId { seat, number: self.number, pid: self.pid() }
    }

    /// Kills a worker process, with all that its tasks have started in its process group.
    pub(super) fn kill(&self) {
        if let WorkerProcess::Process(process) = &self.process {
            process.kill(&self.channel);
        }
    }

    /// Whether it is a process that takes tasks, as far as it has told.
    pub(super) fn is_working(&self) -> bool {
        let takes_tasks = self.is_ready && self.step == LifeStep::Working && !self.has_said_last;
        takes_tasks && self.is_process() && !self.is_wrong
    }

    /// Kills a worker that does what no worker does.
    pub(super) fn kill_as_wrong(&mut self, state: &PoolState, seat: usize, why: &str) {
        events::worker_wrong(state, self.id(seat), why);
        // What it has announced is as wrong.
        (self.is_wrong, self.announced) = (true, None);
        self.kill();
    }

    /// Whether its descriptors are still the pool's own.
    pub(super) fn owns_descriptors(&self) -> bool {
        let has_handle = match &self.process {
            WorkerProcess::Process(process) => process.handle.is_ours(),
            WorkerProcess::Thread(_) | WorkerProcess::Awaited { .. } => true,
        };
        has_handle && self.channel.own().is_ok()
    }

    /// Opens the pidfd of a process again if the program has closed it.
    pub(super) fn renew_handle(&mut self) {
        if let WorkerProcess::Process(process) = &mut self.process {
            process.renew_handle();
        }
    }

    /// Sends SIGTERM to a worker process and its process group.
    pub(super) fn terminate(&self) {
        if let WorkerProcess::Process(process) = &self.process {
            process.terminate();
        }
    }

    /// Sends a signal to a worker process, but not to its process group.
    pub(super) fn signal(&self, signal: Signal) {
        if let WorkerProcess::Process(process) = &self.process {
            process.signal(signal);
        }
    }

    pub(super) fn is_killed_when_forked(&self) -> bool {
        matches!(self.process, WorkerProcess::Awaited { kill: true })
    }

    pub(super) fn is_process(&self) -> bool {
        !matches!(self.process, WorkerProcess::Thread(_))
    }

    /// Whether the process has exited; false for a thread.
    pub(super) fn has_exited(&self) -> bool {
        matches!(&self.process, WorkerProcess::Process(process) if process.has_exited())
    }

    pub(super) fn is_forked_from(&self, id: u64) -> bool {
        matches!(&self.process, WorkerProcess::Process(process) if process.fork_server == id)
    }

    /// Until when its fork server is waited for, which tells how the worker has exited.
    pub(super) fn asked_until(&self) -> Option<Instant> {
        match &self.process {
            WorkerProcess::Process(process) => process.asked_until(),
            WorkerProcess::Thread(_) | WorkerProcess::Awaited { .. } => None,
        }
    }

    /// Begins a step of the worker's life.
    pub(super) fn begin(&mut self, step: LifeStep, timeouts: &StepTimeouts) {
        self.step = step;
        let timeout = step.timeout(timeouts).filter(|_| self.is_process());
        self.due = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    }

    pub(super) fn set_ready(&mut self, state: &PoolState, seat: usize) {
        self.is_ready = true;
        self.begin(LifeStep::Working, &state.config.timeouts);
        state.worker_table.change(seat, |worker| worker.is_ready = true);
        events::worker_ready(state, self.id(seat));
    }

    /// How the worker exited. `is_killed_by_stop`: it was killed because the pool stops, if it was
    /// killed.
    pub(super) fn exit(&self, process: Option<ProcessExit>, is_killed_by_stop: bool) -> WorkerExit {
        let is_voluntary = self.announced.is_some() || process.is_none();
        let pending_kill = self.pending_kill.filter(|_| !is_voluntary);
        let mut exit = WorkerExit {
            reason: ExitReason::None,
            process,
            is_voluntary,
            is_killed_by_stop: is_killed_by_stop && !is_voluntary && pending_kill.is_none(),
            pending_kill,
        };
        exit.reason = self.exit_reason(&exit);
        exit
    }

    fn exit_reason(&self, exit: &WorkerExit) -> ExitReason {
        if self.has_hook_failed {
            return ExitReason::HookFailed;
        }
        if exit.is_voluntary {
            return match self.announced {
                // It was about to be killed for a task that it has finished.
                Some(ExitReason::Killed) => {
                    self.pending_kill.map_or(ExitReason::Requested, PendingKill::reason)
                }
                // The proxy of an isolated worker requests it then.
                Some(ExitReason::Requested) if self.pending_kill.is_some() => {
                    self.pending_kill.map_or(ExitReason::Requested, PendingKill::reason)
                }
                Some(ExitReason::Requested) | None => {
                    self.requested.unwrap_or(ExitReason::Requested)
                }
                Some(reason) => reason,
            };
        }
        match (exit.pending_kill, self.overran) {
            (Some(kill), _) => kill.reason(),
            _ if exit.is_killed_by_stop => ExitReason::Killed,
            _ if self.is_killed_for_restart => ExitReason::Restarted,
            (_, Some(LifeStep::Initializing | LifeStep::Finalizing)) => ExitReason::TimeLimit,
            (_, Some(_)) => ExitReason::StartFailed,
            _ if !self.is_ready => ExitReason::StartFailed,
            _ => ExitReason::Lost,
        }
    }
}

pub(super) fn pid_number(pid: Pid) -> i64 {
    i64::from(pid.as_raw_nonzero().get())
}

/// Whether workers take tasks as soon as they are started, without a Ready message.
pub(super) fn is_ready_at_once(state: &PoolState) -> bool {
    matches!(state.config.kind, PoolKind::Threads) && state.worker_config.initializer.is_none()
}
