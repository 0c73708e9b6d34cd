//! The set of workers: one handle for each seat that has a worker.
//!
//! ```text
//!            start               Ready                     Exiting, or nothing
//!   vacant ────────▶ starting ─────────▶ working ──────────────────────────▶ vacant
//!      ▲                 │                                                     ▲
//!      └─────────────────┘  StartFailed, or exit before Ready                  │ the channel of a thread,
//!                                                                              │ the pidfd of a process
//! ```
//!
//! A forked worker is awaited first: it has no process until its fork server replies with its
//! pidfd.

use super::events::{self, WorkerId};
use super::exit_status::{
    ProcessExit, TracedZombies, has_exited, kill, send_signal, terminate, wait_for, zombie_status,
};
use super::forkservers::ForkServers;
use super::limits::PendingKill;
use super::messages::{self, Said};
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::fd::{self, Descriptor};
use crate::state::PoolState;
use crate::state::config::{PoolKind, StepTimeouts};
use crate::state::workers::StartedWorker;
use crate::worker::Channel;
use crate::worker::config::{Image, StartMethod};
use crate::worker::protocol::{ExitReason, HookFailure};
use crate::worker::spawn::{self, ChannelEnds, ForkServerProcess, SpawnedProcess, WorkerStart};
use rustix::event::epoll;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What woke the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventSource {
    Wakeup,
    /// The channel of the worker of this seat.
    Channel(usize),
    /// The pidfd of the worker of this seat.
    Exit(usize),
    /// The channel or the pidfd of the fork server with this id.
    ForkServer(u64),
}

/// The flag of a fork server's data, above all seats.
const FORK_SERVER: u64 = 1 << 32;

impl EventSource {
    pub(super) fn to_data(self) -> epoll::EventData {
        epoll::EventData::new_u64(match self {
            EventSource::Wakeup => u64::MAX,
            EventSource::Channel(seat) => (seat as u64) << 1,
            EventSource::Exit(seat) => (seat as u64) << 1 | 1,
            EventSource::ForkServer(id) => FORK_SERVER | id << 33,
        })
    }

    pub(super) fn from_data(data: epoll::EventData) -> EventSource {
        match data.u64() {
            u64::MAX => EventSource::Wakeup,
            number if number & FORK_SERVER != 0 => EventSource::ForkServer(number >> 33),
            number if number & 1 == 0 => EventSource::Channel((number >> 1) as usize),
            number => EventSource::Exit((number >> 1) as usize),
        }
    }
}

// ---- one worker -------------------------------------------------------------------------------------

/// The parent's end of a worker.
pub(super) struct WorkerHandle {
    pub(super) channel: Channel,
    pub(super) process: WorkerProcess,
    pub(super) is_ready: bool,
    pub(super) step: LifeStep,
    /// When the step will have taken too long.
    due: Option<Instant>,
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
    is_wrong: bool,
    /// How many results it has sent in files.
    pub(super) files: u64,
    /// Its number among all workers of the pool.
    number: u64,
    /// Why the supervisor has asked the worker to exit: Shrunk or Restarted.
    pub(super) requested: Option<ExitReason>,
    /// It was killed because the pool restarts its workers now.
    pub(super) is_killed_for_restart: bool,
    /// It must be replaced, and was not asked to exit yet.
    pub(super) is_old: bool,
    /// It is killed for its task.
    pub(super) pending_kill: Option<PendingKill>,
}

/// What runs a worker.
pub(super) enum WorkerProcess {
    Thread(Option<JoinHandle<()>>),
    /// A fork server was requested to fork it. `kill`: it is killed as soon as it is forked.
    Awaited {
        kill: bool,
    },
    /// `fork_server`: the id of the fork server that has forked it; None: it was executed.
    Process {
        pid: Pid,
        handle: Descriptor,
        fork_server: Option<u64>,
    },
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
    fn new(
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
            files: 0,
            number,
            requested: None,
            is_killed_for_restart: false,
            is_old: false,
            pending_kill: None,
        }
    }

    /// The process id; 0: a thread, or a process that is awaited.
    fn pid(&self) -> i64 {
        match &self.process {
            WorkerProcess::Thread(_) | WorkerProcess::Awaited { .. } => 0,
            WorkerProcess::Process { pid, .. } => pid_number(*pid),
        }
    }

    pub(super) fn id(&self, seat: usize) -> WorkerId {
        WorkerId { seat, number: self.number, pid: self.pid() }
    }

    /// Kills a worker process, with all that its tasks have started in its process group.
    pub(super) fn kill(&self) {
        if let WorkerProcess::Process { pid, handle, .. } = &self.process {
            kill(*pid, handle);
        }
    }

    /// Sends SIGTERM to a worker process and its process group.
    pub(super) fn terminate(&self) {
        if let WorkerProcess::Process { pid, handle, .. } = &self.process {
            terminate(*pid, handle);
        }
    }

    /// Sends a signal to a worker process, but not to its process group.
    pub(super) fn signal(&self, signal: Signal) {
        if let WorkerProcess::Process { handle, .. } = &self.process {
            let _ = send_signal(handle, signal);
        }
    }

    /// Whether its descriptors are still the pool's own.
    pub(super) fn owns_descriptors(&self) -> bool {
        let has_handle = match &self.process {
            WorkerProcess::Process { handle, .. } => handle.is_ours(),
            WorkerProcess::Thread(_) | WorkerProcess::Awaited { .. } => true,
        };
        has_handle && self.channel.own().is_ok()
    }

    pub(super) fn is_process(&self) -> bool {
        !matches!(self.process, WorkerProcess::Thread(_))
    }

    /// Whether the process has exited; false for a thread.
    pub(super) fn has_exited(&self) -> bool {
        matches!(&self.process, WorkerProcess::Process { handle, .. } if has_exited(handle))
    }

    fn is_forked_from(&self, id: u64) -> bool {
        matches!(self.process, WorkerProcess::Process { fork_server: Some(own), .. } if own == id)
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

fn pid_number(pid: Pid) -> i64 {
    i64::from(pid.as_raw_nonzero().get())
}

/// Whether workers take tasks as soon as they are started, without a Ready message.
fn is_ready_at_once(state: &PoolState) -> bool {
    matches!(state.config.kind, PoolKind::Threads) && state.worker_config.initializer.is_none()
}

// ---- all workers ------------------------------------------------------------------------------------

pub(super) struct WorkerSet {
    pub(super) epoll: Descriptor,
    /// By seat.
    handles: Vec<Option<WorkerHandle>>,
    pub(super) fork_servers: ForkServers,
    zombies: TracedZombies,
}

impl WorkerSet {
    /// `caller_copy`: the fork server that is a copy of the caller, if any.
    pub(super) fn new(
        state: &PoolState,
        caller_copy: Option<ForkServerProcess>,
    ) -> Result<WorkerSet> {
        let epoll = fd::epoll().map_err(|errno| Error::os("epoll_create1", errno))?;
        let mut workers = WorkerSet {
            epoll,
            handles: Vec::new(),
            fork_servers: ForkServers::new(),
            zombies: TracedZombies::default(),
        };
        if let Some(wakeup) = state.wakeup() {
            workers.listen(wakeup.reader(), EventSource::Wakeup)?;
        }
        if let Some(process) = caller_copy {
            workers.fork_servers.add_server(&workers.epoll, process, Image::MainProgram)?;
        }
        Ok(workers)
    }

    pub(super) fn listen(&self, end: impl AsFd, source: EventSource) -> Result<()> {
        epoll::add(&self.epoll, end, source.to_data(), epoll::EventFlags::IN)
            .map_err(|errno| Error::os("epoll_ctl", errno))
    }

    pub(super) fn get(&self, seat: usize) -> Option<&WorkerHandle> {
        self.handles.get(seat)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, seat: usize) -> Option<&mut WorkerHandle> {
        self.handles.get_mut(seat)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &WorkerHandle> {
        self.handles.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut WorkerHandle> {
        self.handles.iter_mut().flatten()
    }

    /// The seats of the workers that meet a condition.
    pub(super) fn seats_if(
        &self,
        condition: impl Fn(&WorkerHandle) -> bool,
    ) -> impl Iterator<Item = usize> {
        let handles = self.handles.iter().enumerate();
        handles
            .filter(move |(_, worker)| worker.as_ref().is_some_and(&condition))
            .map(|(seat, _)| seat)
    }

    pub(super) fn count(&self) -> u32 {
        self.iter().count() as u32
    }

    pub(super) fn count_if(&self, condition: impl Fn(&WorkerHandle) -> bool) -> u32 {
        self.iter().filter(|worker| condition(worker)).count() as u32
    }

    /// Starts a worker on the lowest vacant seat. Returns the seat.
    pub(super) fn start(&mut self, state: &PoolState, image: Image) -> Result<usize> {
        let vacant = self.handles.iter().position(Option::is_none);
        let seat = vacant.unwrap_or(self.handles.len());
        if seat >= state.region.geometry.seats {
            return Err(Status::POOL_ERR_FULL.into());
        }
        let index = SeatIndex(seat as u16);
        let (channel, theirs) = Channel::pair()?;
        state.slots.mark_seat_used(index);
        state.region.board.init_seat(index);
        // Read before it can claim any.
        let claimed_before = state.claimed(index);
        let started = state.worker_table.add(seat, claimed_before, || {
            let worker = self.start_on(state, seat, image, &channel, theirs)?;
            let pid = match &worker {
                WorkerProcess::Process { pid, .. } => pid_number(*pid),
                WorkerProcess::Thread(_) | WorkerProcess::Awaited { .. } => 0,
            };
            Ok(StartedWorker { worker, pid, is_ready: false })
        });
        let (process, number) = started.inspect_err(|_| {
            stop_listening(&self.epoll, channel.own());
        })?;
        let mut worker = WorkerHandle::new(channel, process, image, number, claimed_before);
        // An awaited worker has no process yet.
        if !matches!(worker.process, WorkerProcess::Awaited { .. }) {
            events::worker_starting(state, worker.id(seat));
        }
        worker.begin(LifeStep::Starting, &state.config.timeouts);
        if is_ready_at_once(state) {
            worker.set_ready(state, seat);
        }
        if seat == self.handles.len() {
            self.handles.push(None);
        }
        debug_assert!(self.handles[seat].is_none(), "a worker starts on a vacant seat");
        self.handles[seat] = Some(worker);
        self.remove_retired_fork_servers();
        Ok(seat)
    }

    fn start_on(
        &mut self,
        state: &PoolState,
        seat: usize,
        image: Image,
        channel: &Channel,
        theirs: Channel,
    ) -> Result<WorkerProcess> {
        // Before the start: no worker is started whose messages cannot be received.
        self.listen(channel, EventSource::Channel(seat))?;
        let start = worker_start(state, seat);
        match &state.config.kind {
            PoolKind::Threads => {
                Ok(WorkerProcess::Thread(Some(spawn::start_thread(&start, theirs)?)))
            }
            PoolKind::Inline => Err(Status::POOL_ERR_STATE.into()),
            PoolKind::Processes(config) if config.start == StartMethod::Spawn => {
                let ends = ChannelEnds { ours: channel, theirs: &theirs };
                let SpawnedProcess { pid, handle } =
                    spawn::execute_worker(&start, config, image, ends)?;
                if let Err(error) = self.listen(&handle, EventSource::Exit(seat)) {
                    kill(pid, &handle);
                    let id = WaitId::PidFd(handle.as_fd());
                    let _ = rustix::process::waitid(id, WaitIdOptions::EXITED);
                    return Err(error);
                }
                Ok(WorkerProcess::Process { pid, handle, fork_server: None })
            }
            PoolKind::Processes(config) => {
                self.fork_servers.request(&self.epoll, config, &start, image, theirs)?;
                Ok(WorkerProcess::Awaited { kill: false })
            }
        }
    }

    /// Receives the messages of a worker. True: it is a thread that has ended.
    pub(super) fn receive(&mut self, state: &PoolState, seat: usize) -> bool {
        let worker = self.handles.get_mut(seat).and_then(Option::as_mut);
        let Some(worker) = worker.filter(|worker| !worker.is_wrong) else { return false };
        match messages::receive(state, seat, worker) {
            Said::Nothing => false,
            Said::ThreadEnded => true,
            Said::End => {
                // The exit of a process is detected by its pidfd.
                stop_listening(&self.epoll, worker.channel.own());
                !worker.is_process()
            }
            Said::Wrong => {
                stop_listening(&self.epoll, worker.channel.own());
                events::worker_wrong(state, worker.id(seat));
                // What it has announced is as wrong.
                (worker.is_wrong, worker.announced) = (true, None);
                worker.kill();
                false
            }
        }
    }

    /// Receives the messages of all worker processes.
    pub(super) fn receive_all(&mut self, state: &PoolState) {
        for seat in 0..self.handles.len() {
            let worker = self.handles[seat].as_ref();
            if worker.is_some_and(|it| matches!(it.process, WorkerProcess::Process { .. })) {
                self.receive(state, seat);
            }
        }
    }

    /// Takes out a worker that has exited, with its exit if it is a process. None: it has not
    /// exited.
    pub(super) fn take_exited(
        &mut self,
        state: &PoolState,
        seat: usize,
    ) -> Option<(WorkerHandle, Option<ProcessExit>)> {
        self.receive(state, seat);
        let entry = self.handles.get_mut(seat)?;
        if let Some(worker) = entry.as_ref().filter(|worker| worker.pending_kill.is_some()) {
            // Also kills what its task has started, even if the worker exited by itself.
            worker.kill();
        }
        let mut is_traced = false;
        let exit = match &mut entry.as_mut()?.process {
            WorkerProcess::Thread(thread) => {
                if let Some(thread) = thread.take() {
                    let _ = thread.join();
                }
                None
            }
            WorkerProcess::Awaited { .. } => return None,
            // The program has closed the pidfd. A forked worker ends with its channel.
            WorkerProcess::Process { pid, handle, fork_server } if !handle.is_ours() => {
                let is_child = fork_server.is_none();
                let status = is_child.then(|| spawn::end_child(*pid)).flatten();
                Some(ProcessExit { pid: pid_number(*pid), status })
            }
            WorkerProcess::Process { pid, handle, fork_server } => {
                let status = match (fork_server.is_some(), has_exited(handle)) {
                    (true, false) => return None,
                    (true, true) => zombie_status(*pid),
                    (false, has_exited) => match wait_for(handle) {
                        Ok(None) if has_exited => {
                            is_traced = true;
                            zombie_status(*pid)
                        }
                        Ok(None) => return None,
                        Ok(status) => status,
                        Err(_) => None,
                    },
                };
                Some(ProcessExit { pid: pid_number(*pid), status })
            }
        };
        let worker = entry.take()?;
        let (region, table) = (&state.region, &state.worker_table);
        state.task_callbacks.worker_exits(region, table, SeatIndex(seat as u16));
        state.worker_table.remove(seat);
        stop_listening(&self.epoll, worker.channel.own());
        if let WorkerProcess::Process { pid, handle, fork_server } = &worker.process {
            stop_listening(&self.epoll, handle.own());
            if let Some(id) = fork_server {
                self.fork_servers.reap(*id, *pid);
                self.remove_retired_fork_servers();
            }
            if is_traced && let Ok(handle) = fd::duplicate(handle, 3) {
                self.zombies.add(handle);
            }
        }
        Some((worker, exit))
    }

    /// When the next worker will have taken too long.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = self.iter().filter_map(|worker| worker.due);
        due.chain(self.fork_servers.next_look()).chain(self.zombies.next_check()).min()
    }

    /// Kills the worker processes that have taken too long.
    pub(super) fn kill_overdue(&mut self, now: Instant) {
        for worker in self.handles.iter_mut().flatten() {
            if worker.due.is_some_and(|due| due <= now) && worker.is_process() {
                (worker.due, worker.overran) = (None, Some(worker.step));
                worker.kill();
                if matches!(worker.process, WorkerProcess::Awaited { .. }) {
                    self.fork_servers.kill_awaited();
                }
            }
        }
        self.fork_servers.look(now);
        self.zombies.reap(now);
    }

    /// Kills the worker processes that meet a condition.
    pub(super) fn kill(&mut self, condition: impl Fn(&WorkerHandle) -> bool) {
        for worker in self.handles.iter_mut().flatten().filter(|worker| condition(worker)) {
            worker.kill();
            if let WorkerProcess::Awaited { kill } = &mut worker.process {
                *kill = true;
                self.fork_servers.expedite();
            }
        }
    }

    // ---- forked workers ------------------------------------------------------------------------

    /// Lets a worker that was forked begin.
    pub(super) fn on_worker_forked(
        &mut self,
        state: &PoolState,
        seat: usize,
        fork_server: u64,
        pid: Pid,
        handle: Descriptor,
    ) -> Result<()> {
        let Some(worker) = self.handles.get_mut(seat).and_then(Option::as_mut) else {
            return Ok(());
        };
        let WorkerProcess::Awaited { kill: is_unwanted } = worker.process else { return Ok(()) };
        let data = EventSource::Exit(seat).to_data();
        // If this fails, its channel will be closed, and it exits.
        epoll::add(&self.epoll, &handle, data, epoll::EventFlags::IN)
            .map_err(|errno| Error::os("epoll_ctl", errno))?;
        // Before it can claim any task.
        state.worker_table.change(seat, |info| info.pid = pid_number(pid));
        match &state.config.kind {
            PoolKind::Processes(config) if !is_unwanted => {
                let start = worker_start(state, seat);
                if let Err(error) = spawn::send_init(&start, config, &worker.channel) {
                    // It has exited, or would wait for the message; its pidfd reports its exit.
                    kill(pid, &handle);
                    (worker.start_error, worker.is_uninitialized) = (Some(error), true);
                }
            }
            _ => kill(pid, &handle),
        }
        worker.process = WorkerProcess::Process { pid, handle, fork_server: Some(fork_server) };
        events::worker_starting(state, worker.id(seat));
        Ok(())
    }

    /// Vacates the seat of an awaited worker that was not forked.
    pub(super) fn vacate_seat(&mut self, state: &PoolState, seat: usize) {
        if let Some(worker) = self.handles.get_mut(seat).and_then(Option::take) {
            debug_assert!(matches!(worker.process, WorkerProcess::Awaited { .. }));
            stop_listening(&self.epoll, worker.channel.own());
            state.worker_table.remove(seat);
        }
    }

    /// Ends the retired fork servers that have no workers.
    fn remove_retired_fork_servers(&mut self) {
        let handles = &self.handles;
        let has_workers = |id| handles.iter().flatten().any(|worker| worker.is_forked_from(id));
        self.fork_servers.remove_retired(&self.epoll, has_workers);
    }
}

/// Removes a descriptor, which may have been closed, from the epoll: closing it does not do that
/// while a forked child has a copy of it.
pub(super) fn stop_listening(epoll: &Descriptor, end: rustix::io::Result<BorrowedFd<'_>>) {
    if let (Ok(epoll), Ok(end)) = (epoll.own(), end) {
        let _ = epoll::delete(epoll, end);
    }
}

fn worker_start(state: &PoolState, seat: usize) -> WorkerStart<'_> {
    WorkerStart {
        name: &state.config.name,
        region: &state.region,
        seat: SeatIndex(seat as u16),
        worker_config: state.worker_config_now(),
    }
}
