//! The watch: one thread of the parent that starts workers, sees them go, and carries out orders.
//!
//! It never stands in a task's way: it sleeps until a worker ends, a line speaks, or somebody rings.
//! It alone starts and reaps, so what it knows of workers needs no lock.
//!
//! ```text
//!            Join                      no worker, no task: answer
//!   open ───────────▶ draining ──────────────────────────────────▶ open
//!     │                  │  Stop
//!     └──────────────────┴───────▶ stopping (Drain ▸ Cancel ▸ Terminate ▸ Kill) ──▶ over: the thread ends
//!                 Stop                                   no worker, no task
//! ```

pub(crate) mod backpressure;
pub(crate) mod callbacks;
pub(crate) mod cancelled;
mod commands;
pub(crate) mod counters;
pub(crate) mod events;
mod exit_status;
mod fork_servers;
mod forks;
mod handle;
pub(crate) mod limits;
mod pending;
mod reap;
mod resize;
mod shutdown;
mod sizing;
mod start;
pub(crate) mod state;
pub(crate) mod config;
mod bounds;
mod enforce;
pub(crate) mod task_callbacks;
mod times;
pub(crate) mod worker_table;
mod workers;

use crate::board::Stage;
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::sync::reply::ReplySender;
use crate::sync::{Ordering::*, fence};
use crate::worker::protocol::Leave;
use crate::worker::start::Image;
use crate::worker::template::ForkServerProcess;
use handle::{LifeStep, WayOut, WorkerHandle};
use limits::TimedTasks;
use reap::{Death, Fate};
use rustix::event::epoll;
use start::BACK_OFF;
use state::{Command, CommandReceiver, OnLost, PoolState, StopMode, pool_flags};
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use workers::{EventSource, WorkerSet};

pub(crate) struct Supervisor {
    state: Arc<PoolState>,
    commands: CommandReceiver,
    workers: WorkerSet,
    /// Those who wait for a join, by their numbers.
    joiners: Vec<(u64, ReplySender)>,
    /// Workers that have left because so many were asked to, and are gone.
    retired_exits: u32,
    /// Those who wait for workers that are up.
    waiters: Vec<resize::ReadyWaiter>,
    stop: Option<StopMode>,
    stoppers: Vec<ReplySender>,
    /// When those that were asked to end are killed.
    kill_at: Option<Instant>,
    image: Image,
    /// Workers lost since the last look, to be replaced.
    lost: u32,
    /// When workers failed to start, one after the other, and how long each was waited for in vain.
    failures: VecDeque<(Instant, Duration)>,
    retry_at: Option<Instant>,
    timing: TimedTasks,
    /// What workers are to do.
    stage: Stage,
}

impl Supervisor {
    /// Starts the watch's thread.
    pub(crate) fn start(
        state: Arc<PoolState>,
        commands: CommandReceiver,
        fork_server: Option<ForkServerProcess>,
    ) -> Result<JoinHandle<()>> {
        let name = format!("{}/watch", state.name);
        let mut watch = Supervisor {
            workers: WorkerSet::new(&state, fork_server)?,
            state,
            commands,
            joiners: Vec::new(),
            retired_exits: 0,
            waiters: Vec::new(),
            stop: None,
            stoppers: Vec::new(),
            kill_at: None,
            image: Image::Helper,
            lost: 0,
            failures: VecDeque::new(),
            retry_at: None,
            timing: TimedTasks::default(),
            stage: Stage::Open,
        };
        crate::worker::start_own_thread(name, move || watch.run())
    }

    fn run(&mut self) {
        self.start_needed_workers();
        loop {
            for wake in self.wait() {
                match wake {
                    EventSource::Sleepers => self.on_wakeup(),
                    EventSource::Channel(seat) => {
                        if self.workers.receive(&self.state, seat) {
                            self.reap(seat);
                        }
                        self.on_worker_message(seat);
                    }
                    EventSource::Handle(seat) => self.reap(seat),
                    EventSource::ForkServerProcess(id) => self.on_fork_server_event(id),
                }
            }
            self.run_timers();
            self.restore_stage();
            self.start_needed_workers();
            self.continue_restart();
            self.enforce_size();
            self.answer_ready_waiters();
            if self.finish_if_over() {
                return;
            }
        }
    }

    /// Sleeps until something happens.
    fn wait(&self) -> Vec<EventSource> {
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); 64];
        let left = self.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.map(|left| rustix::event::Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        });
        match epoll::wait(&self.workers.epoll, &mut events, left.as_ref()) {
            Ok((events, _)) => {
                events.iter().map(|event| EventSource::from_data(event.data)).collect()
            }
            Err(_) => Vec::new(),
        }
    }

    fn on_wakeup(&mut self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(self.state.wakeup(), &mut count);
        self.state.clear_wake_pending();
        if let Some(mode) = self.state.take_stop_request() {
            if mode != StopMode::Drain {
                self.state.withdraw_all();
            }
            self.stop(mode, None);
        }
        for command in self.commands.take() {
            match command {
                Command::Join(number, answer) => self.join(number, answer),
                Command::CancelJoin(number, answer) => self.cancel_join(number, &answer),
                Command::Stop(mode, answer) => self.stop(mode, Some(answer)),
                Command::KillForTask(ticket) => self.kill_for_task(ticket),
                Command::SetLimits(limits, answer) => {
                    self.set_limits(limits);
                    answer.tell(Ok(()));
                }
                Command::WaitReady(number, count, answer) => self.wait_ready(number, count, answer),
                Command::CancelWaitReady(number) => self.cancel_wait_ready(number),
                Command::Grow(count, answer) => answer.tell(self.grow(count)),
                Command::Shrink(count, mode, answer) => answer.tell(self.shrink(count, mode)),
                Command::Restart(mode, answer) => answer.tell(self.restart(mode)),
                Command::StartWorkers(count, answer) => answer.give(self.start_on_request(count)),
            }
        }
    }

    /// What workers are to do is the watch's to say: a worker gone astray may have written over it.
    fn restore_stage(&self) {
        if self.state.region.board.stage() != self.stage {
            self.state.region.board.set_stage(self.stage);
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        self.stage = stage;
        self.state.region.board.set_stage(stage);
    }

    /// Shuts the gate for submits. After the fence a submit either sees it, or is seen.
    fn shut(&self, bit: u32) {
        self.state.flags.fetch_or(bit, AcqRel);
        fence(SeqCst);
        self.state.wake_submitters();
    }

    // ---- reaping -------------------------------------------------------------------------------

    fn reap(&mut self, seat: usize) {
        let Some((mut worker, death)) = self.workers.take_exited(&self.state, seat) else { return };
        self.update_worker_count();
        if let Some(failure) = worker.failure.take() {
            self.break_by_hook(failure);
        }
        self.on_exit_of_seat(seat, &mut worker);
        let fate = self.fate(&worker, death);
        self.restore_stage();
        reap::recover(&self.state, SeatIndex(seat as u16), fate);
        self.state.worker_exited(seat, &worker, fate, death);
        if matches!(fate, Fate::Lost(_)) {
            self.state.counters.workers_lost.count();
        }
        match fate {
            Fate::WrongImage => self.image = Image::MainProgram,
            Fate::Lost(_) if worker.order == Some(WayOut::Killed) => self.lost += 1,
            Fate::Lost(death) if worker.overran.is_some() => self.overran(&worker, death),
            Fate::Lost(death) if !worker.is_ready => {
                let mut words = format!("{} before it was ready", reap::describe_exit(death));
                if self.image == Image::MainProgram {
                    words +=
                        "; a program linked with -static must begin main with pool_worker_main";
                }
                let refusal =
                    worker.refusal.unwrap_or_else(|| Error::new(Status::POOL_ERR_OS, words));
                self.start_failed(refusal, Duration::ZERO);
            }
            Fate::Lost(death) if worker.step == LifeStep::Finalizing => {
                self.break_by_death_in_finalizer(death)
            }
            Fate::Lost(death) if self.state.plan.on_lost == OnLost::Break => {
                self.break_by_loss(death);
            }
            Fate::Sentenced(..) => self.lost += 1,
            Fate::Lost(_) => {
                self.lost += 1;
                let claimed = self.state.claimed(SeatIndex(seat as u16));
                if claimed == worker.claimed_before {
                    // It has done nothing: so may the next one, and at once.
                    self.retry_at = Some(Instant::now() + BACK_OFF);
                }
            }
            Fate::Left => self.on_voluntary_exit(&worker),
            Fate::Killed(_) => {}
        }
    }

    fn fate(&self, worker: &WorkerHandle, death: Option<Death>) -> Fate {
        match (worker.exit_message, death, worker.sentence) {
            (Some(Leave::NeedsMainProgram), ..) => Fate::WrongImage,
            (Some(_), ..) | (None, None, _) => Fate::Left,
            (None, Some(death), Some(sentence)) => Fate::Sentenced(sentence, death),
            (None, Some(death), None) if self.is_killed_by_stop(worker) => Fate::Killed(death),
            (None, Some(death), None) => Fate::Lost(death),
        }
    }

    // ---- orders --------------------------------------------------------------------------------

    fn join(&mut self, number: u64, answer: ReplySender) {
        if let Some(note) = self.state.broken.get() {
            answer.tell(Err(Error::with_detail(note.status, note.detail.clone())));
            return;
        }
        self.joiners.push((number, answer));
        self.shut(pool_flags::JOINING);
        if self.stop.is_none() {
            self.set_stage(Stage::Drain);
        }
    }

    /// Somebody waits no longer for a join: the time is over. The answer comes when submits are
    /// taken again.
    fn cancel_join(&mut self, number: u64, answer: &ReplySender) {
        let had_joiners = !self.joiners.is_empty();
        self.joiners.retain(|(joiner, _)| *joiner != number);
        if had_joiners && self.joiners.is_empty() {
            self.reopen();
        }
        answer.tell(Ok(()));
    }

    fn reopen(&mut self) {
        self.state.flags.fetch_and(!pool_flags::JOINING, AcqRel);
        if self.stop.is_none() && self.state.broken.get().is_none() {
            self.set_stage(Stage::Open);
            // Those that are always to be there.
            self.state.wake();
        }
    }
}
