//! The supervisor: a thread of the parent that starts and reaps workers, and carries out commands.
//!
//! It is never in the path of a task: it sleeps until a worker exits, a channel has a message, a
//! timer expires, or a thread wakes it. Only this thread starts and reaps workers, so its data
//! about them needs no lock.
#![forbid(unsafe_code)]

mod detach;
mod events;
mod exit_status;
mod forkservers;
mod lifecycle;
mod limits;
mod messages;
mod proxy;
mod reap;
mod resize;
mod shutdown;
mod start;
mod worker_handle;
mod worker_process;
mod workers;

use crate::board::parent::side_table::TaskFailure;
use crate::board::parent::slots::SlotKey;
use crate::board::slot::{Phase, SeatIndex};
use crate::error::{Detail, Error, Result, Status};
use crate::process::panic_message;
use crate::state::PoolState;
use crate::state::commands::{Command, CommandReceiver, ReplySender, StopMode};
use crate::state::config::{OnLost, PoolKind};
use crate::state::pool_flags;
use crate::sync::Ordering::*;
use crate::worker;
use crate::worker::config::Image;
use crate::worker::protocol::ExitReason;
use crate::worker::spawn::ForkServerProcess;
use detach::Detached;
use exit_status::ProcessExit;
use lifecycle::Lifecycle;
use limits::TimedTasks;
use resize::{ReadyWaiter, SizeWaiter};
use rustix::event::{PollFd, PollFlags, Timespec, epoll};
use start::BACK_OFF;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use worker_handle::{LifeStep, WorkerExit, WorkerHandle};
use workers::{EventSource, WorkerSet};

/// After so many panics the supervisor of a pool does not go on: there would be no end.
const FAULTS_MAX: u32 = 3;

pub(crate) struct Supervisor {
    state: Arc<PoolState>,
    commands: CommandReceiver,
    life: Lifecycle,
    workers: WorkerSet,
    /// The callers that wait for a join, by their numbers.
    joiners: Vec<(u64, ReplySender)>,
    /// The callers that wait for a stop.
    stoppers: Vec<ReplySender>,
    /// The callers that wait for workers to be ready.
    ready_waiters: Vec<ReadyWaiter>,
    /// The callers that wait until the workers above a new maximum have exited.
    size_waiters: Vec<SizeWaiter>,
    /// How many workers have exited for the retire quota, which any worker may take.
    retired_exits: u32,
    /// The program that the next worker runs.
    image: Image,
    /// Workers that were lost since the last check, to be replaced.
    lost: u32,
    /// When workers failed to start, in succession, with how long each was waited for.
    failures: VecDeque<(Instant, Duration)>,
    /// How many starts in succession something was short for.
    shortages: u32,
    /// No worker is started before this time.
    retry_at: Option<Instant>,
    timed: TimedTasks,
    /// Whether a worker was reaped since the last check.
    has_recovered: bool,
    /// How many tasks were queued while there was no worker that took one, and since when.
    stranded: Option<(u64, Instant)>,
    /// Since when there is no worker, and no ring has the tasks that wait.
    unlisted_since: Option<Instant>,
    /// When to look at the workers of a pool that ends; see `look_at_end`.
    look_at: Option<Instant>,
    /// That the program has closed its descriptors.
    detached: Detached,
}

/// How long the first poll after an activity lasts, see [`detach`].
const FIRST_POLL: Duration = Duration::from_millis(50);

impl Supervisor {
    /// Starts the supervisor's thread. `caller_copy`: the fork server that is a copy of the caller,
    /// if any.
    pub(crate) fn start(
        state: Arc<PoolState>,
        commands: CommandReceiver,
        caller_copy: Option<ForkServerProcess>,
    ) -> Result<JoinHandle<()>> {
        let name = format!("{}/supervisor", state.config.name);
        let mut supervisor = Supervisor {
            workers: WorkerSet::new(&state, caller_copy)?,
            state,
            commands,
            life: Lifecycle::default(),
            joiners: Vec::new(),
            stoppers: Vec::new(),
            ready_waiters: Vec::new(),
            size_waiters: Vec::new(),
            retired_exits: 0,
            image: Image::Helper,
            lost: 0,
            failures: VecDeque::new(),
            shortages: 0,
            retry_at: None,
            timed: TimedTasks::default(),
            has_recovered: false,
            stranded: None,
            unlisted_since: None,
            look_at: None,
            detached: Detached::No,
        };
        worker::start_own_thread(name, move || supervisor.run_until_over())
    }

    /// Runs until the pool is over. A fault in the library itself breaks the pool: whoever waits gets
    /// an answer. After some of them this thread ends, and commands are refused as after a shutdown.
    fn run_until_over(&mut self) {
        for _ in 0..FAULTS_MAX {
            let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.run())) else { return };
            let why = panic_message(&*panic).unwrap_or("a panic");
            let message = format!("a fault in the library itself, please report it: {why}");
            let detail = Detail { message, ..Detail::default() };
            let reason = TaskFailure { status: Status::POOL_ERR_BROKEN, detail };
            let _ = catch_unwind(AssertUnwindSafe(|| {
                self.break_pool(reason);
                self.end_abandoned();
            }));
        }
    }

    /// Ends the tasks of workers that were taken out and not recovered.
    fn end_abandoned(&self) {
        self.state.for_each_slot(|slot, record| {
            if let Phase::Running(seat) = record.word.phase()
                && self.workers.get(usize::from(seat.0)).is_none()
            {
                self.state.end_stray(SlotKey { slot, generation: record.word.generation() });
            }
        });
    }

    fn run(&mut self) {
        self.start_needed_workers();
        loop {
            for source in self.wait() {
                match source {
                    EventSource::Wakeup => self.on_wakeup(),
                    EventSource::Channel(seat) => self.receive(seat),
                    EventSource::Exit(seat) => self.reap(seat),
                    EventSource::ForkServer(id) => self.on_fork_server_event(id),
                }
            }
            self.run_timers();
            self.restore_board();
            if std::mem::take(&mut self.has_recovered) {
                // The waiters of lost tasks first: starting workers would take the CPU from them.
                std::thread::yield_now();
            }
            self.start_needed_workers();
            self.workers.fork_servers.send_reaps();
            self.continue_restart();
            self.enforce_max();
            self.answer_ready_waiters();
            self.answer_size_waiters();
            if self.finish_if_over() {
                return;
            }
        }
    }

    /// Receives what a worker has said.
    fn receive(&mut self, seat: usize) {
        if self.workers.receive(&self.state, seat) {
            self.reap(seat);
        }
        self.on_worker_message(seat);
    }

    /// Sleeps until something happens.
    fn wait(&mut self) -> Vec<EventSource> {
        if self.detached != Detached::No {
            return self.wait_detached();
        }
        if !self.poll() || !self.workers.fork_servers.own_descriptors() {
            self.detach();
            return Vec::new();
        }
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); 64];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&self.workers.epoll, &mut events, Some(&now)) {
            Ok((events, _)) => {
                events.iter().map(|event| EventSource::from_data(event.data)).collect()
            }
            Err(_) => Vec::new(),
        }
    }

    /// Sleeps until a descriptor is ready or a timer expires. False: the program has closed the
    /// descriptors.
    fn poll(&self) -> bool {
        let Some(wakeup) = self.state.wakeup() else { return true };
        let reader = wakeup.reader();
        let mut ends = vec![
            PollFd::new(&self.workers.epoll, PollFlags::IN),
            PollFd::new(&reader, PollFlags::IN),
        ];
        // The poll sees their ends also when the program closes their descriptors: they end then.
        let servers = self.workers.fork_servers.handles();
        ends.extend(servers.map(|server| PollFd::new(server, PollFlags::IN)));
        let end = self.next_timer();
        for is_first in [true, false] {
            if !self.owns_wakeup() {
                return false;
            }
            let left = end.map(|at| at.saturating_duration_since(Instant::now()));
            let limit = is_first.then_some(FIRST_POLL);
            let left = [left, limit].into_iter().flatten().min();
            let left = left.map(|left| Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos().into(),
            });
            if rustix::event::poll(&mut ends, left.as_ref()) != Ok(0)
                || end.is_some_and(|at| at <= Instant::now())
            {
                break;
            }
        }
        self.owns_wakeup()
    }

    fn on_wakeup(&mut self) {
        self.state.clear_wake_pending();
        self.check_descriptors();
        if let Some(mode) = self.state.shutdown_request.take() {
            if mode != StopMode::Drain {
                self.state.withdraw_all();
            }
            self.stop(mode, None);
        }
        while let Ok(command) = self.commands.try_recv() {
            self.carry_out(command);
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Join(number, reply) => self.join(number, reply),
            Command::CancelJoin(number, reply) => self.cancel_join(number, &reply),
            Command::Stop(mode, reply) => self.stop(mode, Some(reply)),
            Command::KillForTask(key) => self.kill_for_cancelled_task(key),
            Command::KillStray(seat, number) => {
                self.workers.kill_stray(&self.state, usize::from(seat.0), number);
            }
            Command::TakeBack(seat, number) => self.workers.take_back(usize::from(seat.0), number),
            Command::SetLimits(limits, reply) => {
                self.set_limits(limits);
                reply.done(Ok(()));
            }
            Command::StartWorkers(count, reply) => reply.send(self.start_on_request(count)),
            Command::WaitReady(number, count, reply) => self.wait_ready(number, count, reply),
            Command::CancelWaitReady(number) => self.cancel_wait_ready(number),
            Command::Grow(count, reply) => reply.done(self.grow(count)),
            Command::Shrink(count, mode, reply) => reply.done(self.shrink(count, mode)),
            Command::Resize(number, max, reply) => self.resize(number, max, reply),
            Command::CancelResize(number) => self.cancel_resize(number),
            Command::Pause(is_paused, reply) => reply.done(self.pause(is_paused)),
            Command::Restart(mode, reply) => reply.done(self.restart(mode)),
        }
    }

    // ---- the pool's life -----------------------------------------------------------------------

    /// Changes the lifecycle, and with it the flags and the stage. After the fence in `set_flags` a
    /// submit either sees a new flag, or its task is seen.
    fn change_life(&mut self, change: impl FnOnce(&mut Lifecycle)) {
        let before = self.life;
        change(&mut self.life);
        debug_assert!(!before.is_over, "a pool that is over does not change");
        debug_assert!(self.life.is_broken >= before.is_broken, "a broken pool stays broken");
        let (flags, new) = (self.life.flags(), self.life.flags() & !before.flags());
        if new != 0 {
            self.state.set_flags(new);
            self.state.wake_submitters();
        }
        let passing = pool_flags::JOINING | pool_flags::PAUSED;
        self.state.flags.fetch_and(flags | !passing, AcqRel);
        if self.life.stage() != before.stage() {
            self.state.region.board.set_stage(self.life.stage());
            self.state.pass_on_stop();
        }
    }

    /// Restores the stage and the idle time on the board, which a stray worker may have overwritten.
    fn restore_board(&self) {
        self.state.restore_idle_time();
        if self.state.region.board.stage() != self.life.stage() {
            self.state.region.board.set_stage(self.life.stage());
        }
    }

    // ---- timers --------------------------------------------------------------------------------

    /// When the next timer expires; None: never. Each timer is listed here and handled in
    /// `run_timers`.
    fn next_timer(&self) -> Option<Instant> {
        let timers = [
            self.retry_at,
            self.life.kill_at,
            self.workers.next_due(),
            self.timed.next,
            self.next_look_at_end(),
            self.unlisted_since.map(|since| since + start::UNLISTED),
        ];
        timers.into_iter().flatten().min()
    }

    /// Handles the timers that have expired.
    fn run_timers(&mut self) {
        let now = Instant::now();
        // This thread may have stood still since it waited, and the program with it: a worker that has
        // said meanwhile that it is ready may be running a task.
        self.workers.seats_overdue(now).into_iter().for_each(|seat| self.receive(seat));
        self.workers.kill_overdue(now);
        self.reap_told();
        if self.life.kill_at.is_some_and(|at| at <= now) {
            self.life.kill_at = None;
            self.stop(StopMode::Kill, None);
        }
        self.check_limits();
        self.look_at_end(now);
    }

    // ---- reaping -------------------------------------------------------------------------------

    /// Reaps the workers whose fork servers have told how they have exited, or have not in time.
    fn reap_told(&mut self) {
        let told: Vec<usize> = self.workers.seats_told(Instant::now()).collect();
        told.into_iter().for_each(|seat| self.reap(seat));
    }

    fn reap(&mut self, seat: usize) {
        let Some((mut worker, process)) = self.workers.take_exited(&self.state, seat) else {
            return;
        };
        self.update_worker_count();
        if let Some(failure) = worker.hook_failure.take() {
            self.break_pool(failure.into_task_failure());
        }
        self.count_retired(seat, &mut worker);
        let exit = worker.exit(process, self.is_killed_by_stop(&worker));
        self.restore_board();
        if let Some(process) = self.breaks_by_loss(&worker, &exit) {
            // Before its task is done: who sees that finds the pool broken.
            self.state.set_broken(start::broken_by_loss(process));
        }
        reap::recover(&self.state, SeatIndex(seat as u16), &exit);
        self.has_recovered = true;
        let id = match process {
            Some(process) => events::WorkerId { pid: process.pid, ..worker.id(seat) },
            None => worker.id(seat),
        };
        events::worker_exited(&self.state, id, exit.reason, process);
        self.replace(seat, worker, &exit);
    }

    /// The end of a worker that breaks a pool with POOL_LOST_BREAK.
    fn breaks_by_loss(&self, worker: &WorkerHandle, exit: &WorkerExit) -> Option<ProcessExit> {
        let is_expected = exit.is_voluntary
            || exit.pending_kill.is_some()
            || worker.is_killed_for_restart
            || worker.overran.is_some();
        let was_working = worker.is_ready && worker.step != LifeStep::Finalizing;
        let breaks = self.state.config.on_lost == OnLost::Break && was_working && !is_expected;
        exit.process.filter(|_| breaks && exit.is_loss())
    }

    /// Acts on a worker's exit: replaces the worker, or breaks the pool.
    fn replace(&mut self, seat: usize, mut worker: WorkerHandle, exit: &WorkerExit) {
        if exit.is_voluntary {
            match exit.reason {
                ExitReason::NeedsMainProgram => self.image = Image::MainProgram,
                _ => self.on_voluntary_exit(&worker),
            }
            return;
        }
        if exit.pending_kill.is_some() {
            self.lost += 1;
            return;
        }
        let Some(process) = exit.process.filter(|_| exit.is_loss()) else { return };
        self.state.counters.workers_lost.add();
        if worker.is_killed_for_restart {
            self.lost += 1;
        } else if worker.overran.is_some() {
            self.overran(&worker, process);
        } else if !worker.is_ready {
            let mut message = format!("{} before it was ready", process.describe());
            if self.image == Image::MainProgram && self.needs_call_in_main() {
                message += "; a program linked with -static must begin main with pool_worker_main";
            }
            let error = worker.start_error.take();
            let error = error.unwrap_or_else(|| Error::new(Status::POOL_ERR_OS, message));
            match worker.is_uninitialized || start::is_refused_thread(&error) {
                true => self.start_not_begun(error),
                false => self.start_failed(error, Duration::ZERO),
            }
        } else if worker.step == LifeStep::Finalizing {
            self.break_by_death_in_finalizer(process);
        } else if self.breaks_by_loss(&worker, exit).is_some() {
            self.break_pool(start::broken_by_loss(process));
        } else {
            self.lost += 1;
            if self.state.claimed(SeatIndex(seat as u16)) == worker.claimed_before {
                // It has run no task. The next one may be lost as quickly, so wait before its
                // start.
                self.retry_at = Some(Instant::now() + BACK_OFF);
            }
        }
    }

    /// Whether the program of workers may have to call the library in its main.
    fn needs_call_in_main(&self) -> bool {
        let is_named = match &self.state.config.kind {
            PoolKind::Processes(config) => config.executable.is_some(),
            PoolKind::Threads | PoolKind::Inline => false,
        };
        is_named || !worker::main_program_has_hook()
    }

    /// Handles the exit of a worker that was killed because a step of its life took too long.
    fn overran(&mut self, worker: &WorkerHandle, process: ProcessExit) {
        let Some(step) = worker.overran else { return };
        let (status, what) = match step {
            LifeStep::Starting => (Status::POOL_ERR_OS, "was not ready within start_timeout_ms"),
            LifeStep::Initializing => (
                Status::POOL_ERR_INITIALIZER,
                "ran the initializer longer than initializer_timeout_ms",
            ),
            LifeStep::Finalizing => {
                (Status::POOL_ERR_FINALIZER, "ran the finalizer longer than finalizer_timeout_ms")
            }
            LifeStep::Working => return,
        };
        let timeout = step.timeout(&self.state.config.timeouts).unwrap_or_default();
        let ms = timeout.as_millis() as u64;
        let message = format!("worker process {} {what} ({ms} ms), and was killed", process.pid);
        let detail = Detail { worker_pid: process.pid, message, ..Detail::default() };
        match step {
            LifeStep::Starting => self.start_failed(Error::with_detail(status, detail), timeout),
            _ => self.break_pool(TaskFailure { status, detail }),
        }
    }
}
