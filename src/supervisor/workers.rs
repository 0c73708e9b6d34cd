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
//! A worker process is awaited first: there is none until its fork server replies with its pidfd.

use super::events;
use super::exit_status::{Orphans, ProcessExit};
use super::forkservers::ForkServers;
use super::messages::{self, Said};
use super::proxy::Proxy;
use super::worker_handle::{LifeStep, WorkerHandle, WorkerProcess, is_ready_at_once, pid_number};
use super::worker_process::{ProcessState, StartedProcess};
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::fd::{self, Descriptor};
use crate::state::PoolState;
use crate::state::config::PoolKind;
use crate::state::workers::StartedWorker;
use crate::worker::Channel;
use crate::worker::config::{Image, WorkerConfig};
use crate::worker::spawn::{self, ForkServerProcess, WorkerStart};
use rustix::event::epoll;
use rustix::process::Pid;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;

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

pub(super) struct WorkerSet {
    pub(super) epoll: Descriptor,
    /// By seat.
    handles: Vec<Option<WorkerHandle>>,
    pub(super) fork_servers: ForkServers,
    pub(super) orphans: Orphans,
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
            orphans: Orphans::default(),
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
        let add = |epoll| epoll::add(epoll, end, source.to_data(), epoll::EventFlags::IN);
        self.epoll.own().and_then(add).map_err(|errno| Error::os("epoll_ctl", errno))
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
            Ok(StartedWorker { worker, pid: 0, is_ready: false })
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
            PoolKind::Processes(config) => {
                self.fork_servers.request(&self.epoll, config, &start, image, channel, theirs)?;
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
                let why = "something else than the library writes to its channel";
                worker.kill_as_wrong(state, seat, why);
                false
            }
        }
    }

    /// Counts a look at the worker of a pool that ends, and kills it when that was `enough` without a
    /// task.
    pub(super) fn count_idle_look(
        &mut self,
        state: &PoolState,
        seat: usize,
        runs_task: bool,
        enough: u32,
    ) {
        let Some(worker) = self.get_mut(seat) else { return };
        worker.idle_looks = if runs_task { 0 } else { worker.idle_looks + 1 };
        if worker.idle_looks >= enough {
            worker.kill_as_wrong(state, seat, "it has no task, and does not exit");
        }
    }

    /// Kills the worker of this seat, if it has this number: it does not run the task that it is said
    /// to run.
    pub(super) fn kill_stray(&mut self, state: &PoolState, seat: usize, number: u64) {
        let worker = self.get_mut(seat).filter(|it| it.number == number && it.is_process());
        if let Some(worker) = worker.filter(|worker| !worker.is_wrong) {
            worker.kill_as_wrong(state, seat, "it does not run the task that it has taken");
        }
    }

    /// Takes back the task that the isolated worker of this seat, if it has this number, does not ask
    /// for.
    pub(super) fn take_back(&mut self, seat: usize, number: u64) {
        let worker = self.get_mut(seat).filter(|worker| worker.number == number);
        if let Some(proxy) = worker.and_then(|worker| worker.proxy.as_ref()) {
            proxy.take_back();
        }
    }

    /// Receives the messages of all worker processes.
    pub(super) fn receive_all(&mut self, state: &PoolState) {
        for seat in 0..self.handles.len() {
            let worker = self.handles[seat].as_ref();
            if worker.is_some_and(|it| matches!(it.process, WorkerProcess::Process(_))) {
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
        // Asked first: what it has sent before its exit is received after that.
        let has_exited = self.get(seat).is_some_and(WorkerHandle::has_exited);
        self.receive(state, seat);
        let entry = self.handles.get_mut(seat)?;
        if let Some(worker) = entry.as_ref().filter(|worker| worker.pending_kill.is_some()) {
            // Also kills what its task has started, even if the worker exited by itself.
            worker.kill();
        }
        let mut is_traced = false;
        let is_announced = entry.as_ref().is_some_and(|worker| worker.announced.is_some());
        let exit = match &mut entry.as_mut()?.process {
            WorkerProcess::Thread(thread) => {
                if let Some(thread) = thread.take() {
                    let _ = thread.join();
                }
                None
            }
            WorkerProcess::Awaited { .. } => return None,
            WorkerProcess::Process(_) if !has_exited => return None,
            WorkerProcess::Process(process) => {
                let status = match process.exit(Instant::now(), is_announced) {
                    ProcessState::Running => return None,
                    ProcessState::Asked => {
                        // It stays readable.
                        stop_listening(&self.epoll, process.handle.own());
                        return None;
                    }
                    ProcessState::Exited(status) => status,
                    ProcessState::Traced(status) => {
                        is_traced = true;
                        status
                    }
                };
                Some(ProcessExit { pid: pid_number(process.pid), status })
            }
        };
        let mut worker = entry.take()?;
        worker.end_proxy();
        let (region, table) = (&state.region, &state.worker_table);
        state.task_callbacks.worker_exits(region, table, SeatIndex(seat as u16));
        state.worker_table.remove(seat);
        stop_listening(&self.epoll, worker.channel.own());
        if let WorkerProcess::Process(process) = &worker.process {
            stop_listening(&self.epoll, process.handle.own());
            if is_traced || !self.fork_servers.reap(process) {
                self.orphans.add(process.handle.clone());
            }
            self.remove_retired_fork_servers();
        }
        Some((worker, exit))
    }

    /// When the next worker will have taken too long.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = self.iter().filter_map(|worker| worker.due);
        let asked = self.iter().filter_map(WorkerHandle::asked_until);
        let orphans = self.orphans.next_check();
        due.chain(asked).chain(self.fork_servers.next_look()).chain(orphans).min()
    }

    /// The seats of the worker processes that have taken too long, as far as is known.
    pub(super) fn seats_overdue(&self, now: Instant) -> Vec<usize> {
        let is_overdue = |worker: &WorkerHandle| {
            let is_started = matches!(worker.process, WorkerProcess::Process(_));
            is_started && worker.due.is_some_and(|due| due <= now)
        };
        let handles = self.handles.iter().enumerate();
        handles
            .filter(|(_, it)| it.as_ref().is_some_and(is_overdue))
            .map(|(seat, _)| seat)
            .collect()
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
        self.orphans.reap(now);
    }

    /// Kills the worker processes that meet a condition; those that are awaited, as soon as they are
    /// forked.
    pub(super) fn kill(&mut self, condition: impl Fn(&WorkerHandle) -> bool) {
        for worker in self.handles.iter_mut().flatten().filter(|worker| condition(worker)) {
            worker.kill();
            if let WorkerProcess::Awaited { kill } = &mut worker.process {
                *kill = true;
            }
        }
    }

    // ---- forked workers ------------------------------------------------------------------------

    /// Lets a worker that was forked begin.
    pub(super) fn on_worker_forked(
        &mut self,
        state: &Arc<PoolState>,
        seat: usize,
        process: StartedProcess,
    ) -> Result<()> {
        let Some(worker) = self.handles.get_mut(seat).and_then(Option::as_mut) else {
            return Ok(());
        };
        let WorkerProcess::Awaited { kill: is_unwanted } = worker.process else { return Ok(()) };
        let index = SeatIndex(seat as u16);
        let isolated = state.is_isolated().then(|| Proxy::start(state, index)).transpose()?;
        let data = EventSource::Exit(seat).to_data();
        // If this fails, its channel will be closed, and it exits.
        let add = |epoll| epoll::add(epoll, &process.handle, data, epoll::EventFlags::IN);
        self.epoll.own().and_then(add).map_err(|errno| Error::os("epoll_ctl", errno))?;
        // Before it can claim any task.
        state.worker_table.change(seat, |info| info.pid = pid_number(process.pid));
        match (&state.config.kind, self.fork_servers.pid(process.fork_server)) {
            (PoolKind::Processes(config), Some(starter)) if !is_unwanted => {
                let (mut start, image) = (worker_start(state, seat), worker.image);
                if let Some((proxy, file)) = &isolated {
                    start.geometry = proxy.board().region.geometry;
                    start.own_board = file.own().ok();
                    start.worker_config = Proxy::worker_config(index, start.worker_config);
                }
                let sent = spawn::send_init(&start, config, image, starter, &worker.channel);
                if let Err(error) = sent {
                    // It has exited, or would wait for the message; its pidfd reports its exit.
                    process.kill(&worker.channel);
                    // Of one that has exited its exit tells more; being killed does not change that.
                    if !is_of_closed_channel(&error) {
                        (worker.start_error, worker.is_uninitialized) = (Some(error), true);
                    }
                }
            }
            _ => process.kill(&worker.channel),
        }
        worker.proxy = isolated.map(|(proxy, _)| proxy);
        worker.process = WorkerProcess::Process(process);
        events::worker_starting(state, worker.id(seat));
        Ok(())
    }

    /// Notes how a worker of this fork server has exited; None: all of them, as the fork server is gone.
    pub(super) fn set_exits(&mut self, id: u64, pid: Option<Pid>, status: Option<ExitStatus>) {
        for worker in self.handles.iter_mut().flatten() {
            if let WorkerProcess::Process(process) = &mut worker.process
                && process.fork_server == id
                && pid.is_none_or(|pid| pid == process.pid)
            {
                process.set_exit(status);
            }
        }
    }

    /// The seats of the workers whose exits are complete, since the fork server has told of them, or
    /// will not.
    pub(super) fn seats_told(&self, now: Instant) -> impl Iterator<Item = usize> {
        self.seats_if(move |worker| match &worker.process {
            WorkerProcess::Process(process) => process.is_told(now),
            WorkerProcess::Thread(_) | WorkerProcess::Awaited { .. } => false,
        })
    }

    /// Vacates the seat of an awaited worker that was not forked.
    pub(super) fn vacate_seat(&mut self, state: &PoolState, seat: usize) {
        if let Some(worker) = self.handles.get_mut(seat).and_then(Option::take) {
            debug_assert!(matches!(worker.process, WorkerProcess::Awaited { .. }));
            // Should there be one, it exits.
            worker.channel.shut_down();
            stop_listening(&self.epoll, worker.channel.own());
            state.worker_table.remove(seat);
        }
    }

    /// Ends all fork servers. There are no workers.
    pub(super) fn close_fork_servers(&mut self) {
        self.fork_servers.close(&self.epoll, &mut self.orphans);
    }

    /// Ends the retired fork servers that have no workers.
    fn remove_retired_fork_servers(&mut self) {
        let handles = &self.handles;
        let has_workers = |id| handles.iter().flatten().any(|worker| worker.is_forked_from(id));
        self.fork_servers.remove_retired(&self.epoll, &mut self.orphans, has_workers);
    }
}

/// Removes a descriptor, which may have been closed, from the epoll: closing it does not do that
/// while a forked child has a copy of it.
pub(super) fn stop_listening(epoll: &Descriptor, end: rustix::io::Result<BorrowedFd<'_>>) {
    if let (Ok(epoll), Ok(end)) = (epoll.own(), end) {
        let _ = epoll::delete(epoll, end);
    }
}

/// Whether nothing could be sent because the other end of the channel is closed.
fn is_of_closed_channel(error: &Error) -> bool {
    let errno = error.detail().map_or(0, |detail| detail.os_errno);
    [libc::EPIPE, libc::ECONNRESET].contains(&errno)
}

fn worker_start(state: &PoolState, seat: usize) -> WorkerStart<'_> {
    let worker_config = state.worker_config_now();
    // A fork server of isolated workers maps no board either.
    let isolated_seat = state.is_isolated().then_some(seat as u16);
    WorkerStart {
        name: &state.config.name,
        region: &state.region,
        geometry: state.region.geometry,
        seat: SeatIndex(seat as u16),
        worker_config: WorkerConfig { isolated_seat, ..worker_config },
        own_board: None,
    }
}
