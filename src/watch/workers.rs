//! The workers that there are: one post for each seat, filled or vacant.
//!
//! ```text
//!            start              Up                       Bye, or nothing
//!   vacant ────────▶ starting ──────▶ at work ──────────────────────▶ vacant
//!      ▲                 │                                              ▲
//!      └─────────────────┘  Refuse, or gone before Up                   │ the line of a thread or
//!                                                                       │ the handle of a process
//! ```
//!
//! A worker that is forked is awaited first: its template answers with its handle.

use super::events::WorkerEventKind;
use super::exit_status::{is_readable, kill, wait_for, zombie_status};
use super::fork_servers::ForkServers;
use super::handle::{LifeStep, WorkerHandle, WorkerKind};
use super::reap::{Death, How};
use super::state::{PoolKind, PoolState};
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::worker::protocol::{Channel, Message, Received};
use crate::worker::start::{self, Image, SpawnedProcess, StartMethod, WorkerStart};
use crate::worker::template::ForkServerProcess;
use rustix::event::epoll;
use rustix::process::{WaitId, WaitIdOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// What woke the watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventSource {
    Sleepers,
    Channel(usize),
    Handle(usize),
    ForkServerProcess(u64),
}

/// Above the numbers of seats.
const FORK_SERVER: u64 = 1 << 32;

impl EventSource {
    pub(super) fn to_data(self) -> epoll::EventData {
        epoll::EventData::new_u64(match self {
            EventSource::Sleepers => u64::MAX,
            EventSource::Channel(seat) => (seat as u64) << 1,
            EventSource::Handle(seat) => (seat as u64) << 1 | 1,
            EventSource::ForkServerProcess(id) => FORK_SERVER | id << 33,
        })
    }

    pub(crate) fn from_data(data: epoll::EventData) -> EventSource {
        match data.u64() {
            u64::MAX => EventSource::Sleepers,
            number if number & FORK_SERVER != 0 => EventSource::ForkServerProcess(number >> 33),
            number if number & 1 == 0 => EventSource::Channel((number >> 1) as usize),
            number => EventSource::Handle((number >> 1) as usize),
        }
    }
}

/// Whether workers take tasks as soon as they are there, and need not say so.
fn is_ready_at_once(state: &PoolState) -> bool {
    matches!(state.kind, PoolKind::Threads) && state.worker_config.initializer.is_none()
}

fn set_ready(state: &PoolState, seat: usize, worker: &mut WorkerHandle) {
    worker.is_ready = true;
    worker.begin(LifeStep::Working, state);
    state.worker_table.change(seat, |info| info.is_ready = true);
    state.worker_started(WorkerEventKind::Up, seat, worker.number, worker.pid());
}

pub(crate) struct WorkerSet {
    pub(crate) epoll: OwnedFd,
    pub(crate) handles: Vec<Option<WorkerHandle>>,
    pub(super) fork_servers: ForkServers,
}

impl WorkerSet {
    /// `fork_server` is what workers are to be forked from, if it was made already.
    pub(crate) fn new(
        state: &PoolState,
        fork_server: Option<ForkServerProcess>,
    ) -> Result<WorkerSet> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|errno| Error::os("epoll_create1", errno))?;
        let mut workers =
            WorkerSet { epoll, handles: Vec::new(), fork_servers: ForkServers::new() };
        workers.listen(state.wakeup(), EventSource::Sleepers)?;
        if let Some(fork_server) = fork_server {
            workers.fork_servers.add_server(&workers.epoll, fork_server, Image::MainProgram)?;
        }
        Ok(workers)
    }

    pub(super) fn listen(&self, end: impl AsFd, wake: EventSource) -> Result<()> {
        epoll::add(&self.epoll, end, wake.to_data(), epoll::EventFlags::IN)
            .map_err(|errno| Error::os("epoll_ctl", errno))
    }

    /// The places that have a worker.
    pub(crate) fn seats(&self) -> impl Iterator<Item = usize> {
        let handles = self.handles.iter().enumerate();
        handles.filter(|(_, worker)| worker.is_some()).map(|(seat, _)| seat)
    }

    pub(crate) fn count_up(&self) -> usize {
        self.count_if(|worker| worker.is_ready)
    }

    pub(super) fn count_if(&self, counts: impl Fn(&WorkerHandle) -> bool) -> usize {
        self.handles.iter().flatten().filter(|worker| counts(worker)).count()
    }

    pub(crate) fn count(&self) -> usize {
        self.handles.iter().flatten().count()
    }

    /// Starts a worker on the lowest vacant seat; answers which that is.
    pub(crate) fn start(&mut self, state: &PoolState, image: Image) -> Result<usize> {
        let vacant = self.handles.iter().position(Option::is_none);
        let seat = vacant.unwrap_or(self.handles.len());
        if seat >= state.region.geometry.seats {
            return Err(Status::POOL_ERR_FULL.into());
        }
        let (channel, theirs) = Channel::pair()?;
        state.slots.mark_seat_used(SeatIndex(seat as u16));
        state.region.board.init_seat(SeatIndex(seat as u16));
        // Before it can claim any.
        let claimed_before = state.claimed(SeatIndex(seat as u16));
        let started = state.worker_table.add(seat, claimed_before, || {
            let worker = self.start_on(state, seat, image, &channel, theirs)?;
            let pid = match &worker {
                WorkerKind::Thread(_) | WorkerKind::Awaited { .. } => 0,
                WorkerKind::Process { pid, .. } => i64::from(pid.as_raw_nonzero().get()),
            };
            Ok((worker, pid, false))
        });
        let (worker, number) = started.inspect_err(|_| {
            let _ = epoll::delete(&self.epoll, &channel);
        })?;
        let mut worker = WorkerHandle {
            channel,
            worker,
            is_ready: false,
            step: LifeStep::Starting,
            due: None,
            overran: None,
            claimed_before,
            exit_message: None,
            refusal: None,
            failure: None,
            has_broken: false,
            number,
            sentence: None,
            order: None,
            is_old: false,
        };
        // One that is awaited has no process as yet.
        if !matches!(worker.worker, WorkerKind::Awaited { .. }) {
            state.worker_started(WorkerEventKind::Starting, seat, number, worker.pid());
        }
        worker.begin(LifeStep::Starting, state);
        if is_ready_at_once(state) {
            set_ready(state, seat, &mut worker);
        }
        if seat == self.handles.len() {
            self.handles.push(None);
        }
        self.handles[seat] = Some(worker);
        self.remove_retired();
        Ok(seat)
    }

    fn start_on(
        &mut self,
        state: &PoolState,
        seat: usize,
        image: Image,
        channel: &Channel,
        theirs: Channel,
    ) -> Result<WorkerKind> {
        // Listened to before there is a worker: nobody is started who cannot be heard.
        self.listen(channel, EventSource::Channel(seat))?;
        let (name, region, worker_config) = (&state.name, &state.region, state.worker_config_now());
        let place = WorkerStart { name, region, seat: SeatIndex(seat as u16), worker_config };
        match &state.kind {
            PoolKind::Threads => Ok(WorkerKind::Thread(Some(start::start_thread(&place, theirs)?))),
            PoolKind::Inline => Err(Status::POOL_ERR_STATE.into()),
            PoolKind::Processes(config) if config.start == StartMethod::Spawn => {
                let SpawnedProcess { pid, handle } =
                    start::start_process(&place, config, image, channel, &theirs)?;
                if let Err(error) = self.listen(&handle, EventSource::Handle(seat)) {
                    kill(pid, &handle);
                    let _ = rustix::process::waitid(
                        WaitId::PidFd(handle.as_fd()),
                        WaitIdOptions::EXITED,
                    );
                    return Err(error);
                }
                Ok(WorkerKind::Process { pid, handle, fork_server: None })
            }
            PoolKind::Processes(config) => {
                self.fork_servers.request(state, config, &place, &self.epoll, image, theirs)?;
                Ok(WorkerKind::Awaited { is_kill_pending: false })
            }
        }
    }

    /// Reads what a worker says. True: it is a thread that has ended.
    pub(crate) fn receive(&mut self, state: &PoolState, seat: usize) -> bool {
        let Some(worker) = self.handles.get_mut(seat).and_then(Option::as_mut) else {
            return false;
        };
        loop {
            match worker.channel.receive(false) {
                Received::Message(Message::Ready, _) => set_ready(state, seat, worker),
                Received::Message(Message::Initializing, _) => {
                    worker.begin(LifeStep::Initializing, state)
                }
                Received::Message(Message::Finalizing, _) => {
                    worker.begin(LifeStep::Finalizing, state);
                    state.worker_table.change(seat, |info| info.is_stopping = true);
                }
                Received::Message(Message::HookFailed(failure), _) => {
                    worker.failure = Some(failure);
                    worker.has_broken = true;
                }
                Received::Message(Message::Exiting { why }, _) => {
                    worker.exit_message = Some(why);
                    // A thread's last word. Its end of the line may stay open, in a child that the
                    // host has forked.
                    if matches!(worker.worker, WorkerKind::Thread(_)) {
                        return true;
                    }
                }
                Received::Message(Message::StartFailed { status, errno, words }, _) => {
                    worker.refusal = Some(Error::from_peer(status, errno, words));
                }
                Received::Message(Message::ResultFile { task, len }, file) => {
                    state.slots.side_table.receive_result_file(task, len, file);
                }
                Received::Message(..) => {}
                Received::Nothing => return false,
                Received::End => {
                    // A process is waited for by its handle.
                    let _ = epoll::delete(&self.epoll, &worker.channel);
                    return matches!(worker.worker, WorkerKind::Thread(_));
                }
            }
        }
    }

    /// Takes a worker that has ended from its post; of a process, how. None: it has not ended.
    pub(crate) fn take_exited(
        &mut self,
        state: &PoolState,
        seat: usize,
    ) -> Option<(WorkerHandle, Option<Death>)> {
        self.receive(state, seat);
        let place = self.handles.get_mut(seat)?;
        if let Some(worker) = place.as_ref().filter(|worker| worker.sentence.is_some()) {
            // What its task has started goes with it, also where it has ended by itself.
            worker.kill();
        }
        let death = match &mut place.as_mut()?.worker {
            WorkerKind::Thread(thread) => {
                if let Some(thread) = thread.take() {
                    let _ = thread.join();
                }
                None
            }
            // It is not there yet.
            WorkerKind::Awaited { .. } => return None,
            WorkerKind::Process { pid, handle, fork_server } => {
                let how = match (fork_server.is_some(), is_readable(handle)) {
                    (true, false) => return None,
                    (true, true) => zombie_status(*pid),
                    (false, _) => match wait_for(handle) {
                        Ok(Some(how)) => how,
                        Ok(None) => return None,
                        Err(_) => How::Unknown,
                    },
                };
                Some(Death { pid: i64::from(pid.as_raw_nonzero().get()), how })
            }
        };
        let worker = place.take()?;
        state.task_callbacks.worker_exits(state, SeatIndex(seat as u16));
        state.worker_table.left(seat);
        // Closing an end does not end the listening while a forked child has a copy of it.
        let _ = epoll::delete(&self.epoll, &worker.channel);
        if let WorkerKind::Process { pid, handle, fork_server } = &worker.worker {
            let _ = epoll::delete(&self.epoll, handle);
            if let Some(id) = fork_server {
                self.fork_servers.reap(*id, *pid);
                self.remove_retired();
            }
        }
        Some((worker, death))
    }

    /// Reads what worker processes have said.
    pub(crate) fn receive_all(&mut self, state: &PoolState) {
        for seat in 0..self.handles.len() {
            let worker = self.handles[seat].as_ref();
            if worker.is_some_and(|worker| matches!(worker.worker, WorkerKind::Process { .. })) {
                self.receive(state, seat);
            }
        }
    }

    /// When the next worker will have taken too long.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = self.handles.iter().flatten().filter_map(|worker| worker.due);
        due.chain(self.fork_servers.next_look()).min()
    }

    /// Kills the worker processes that have taken too long.
    pub(super) fn kill_overdue(&mut self, now: Instant) {
        for worker in self.handles.iter_mut().flatten() {
            if worker.due.is_some_and(|due| due <= now) && worker.is_process() {
                (worker.due, worker.overran) = (None, Some(worker.step));
                worker.kill();
                if matches!(worker.worker, WorkerKind::Awaited { .. }) {
                    self.fork_servers.kill_awaited();
                }
            }
        }
        self.fork_servers.look(now);
    }

    /// Tells all worker processes to end, with what their tasks have started in their groups.
    pub(super) fn terminate(&self) {
        self.handles.iter().flatten().for_each(WorkerHandle::terminate);
    }

    /// Kills these worker processes.
    pub(crate) fn kill(&mut self, whom: impl Fn(&WorkerHandle) -> bool) {
        for worker in self.handles.iter_mut().flatten().filter(|worker| whom(worker)) {
            worker.kill();
            // It is killed when it comes.
            if let WorkerKind::Awaited { is_kill_pending } = &mut worker.worker {
                *is_kill_pending = true;
                self.fork_servers.expedite();
            }
        }
    }
}
