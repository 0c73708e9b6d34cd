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

mod births;
pub(crate) mod cancelled;
mod crew;
mod ends;
pub(crate) mod heralds;
mod hiring;
pub(crate) mod limits;
pub(crate) mod line;
pub(crate) mod news;
mod nursery;
mod orders;
pub(crate) mod outbox;
mod post;
mod reap;
mod scale;
pub(crate) mod site;
mod sizing;
pub(crate) mod staff;
mod stopping;
mod times;
pub(crate) mod totals;
mod waiting;

use crate::board::Stage;
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::sync::reply::ReplySender;
use crate::sync::{Ordering::*, fence};
use crate::worker::start::Image;
use crate::worker::template::ForkServerProcess;
use crate::worker::wire::Leave;
use crew::{EventSource, WorkerSet};
use hiring::BACK_OFF;
use limits::TimedTasks;
use post::{LifeStep, WayOut, WorkerHandle};
use reap::{Death, Fate};
use rustix::event::epoll;
use site::{Command, CommandReceiver, OnLost, PoolState, StopMode, gate};
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(crate) struct Supervisor {
    site: Arc<PoolState>,
    inbox: CommandReceiver,
    crew: WorkerSet,
    /// Those who wait for a join, by their numbers.
    joiners: Vec<(u64, ReplySender)>,
    /// Workers that have left because so many were asked to, and are gone.
    takers_gone: u32,
    /// Those who wait for workers that are up.
    waiters: Vec<scale::ReadyWaiter>,
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
        site: Arc<PoolState>,
        inbox: CommandReceiver,
        template: Option<ForkServerProcess>,
    ) -> Result<JoinHandle<()>> {
        let name = format!("{}/watch", site.name);
        let mut watch = Supervisor {
            crew: WorkerSet::new(&site, template)?,
            site,
            inbox,
            joiners: Vec::new(),
            takers_gone: 0,
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
        self.hire();
        loop {
            for wake in self.wait() {
                match wake {
                    EventSource::Sleepers => self.answer_bell(),
                    EventSource::Channel(seat) => {
                        if self.crew.hear(&self.site, seat) {
                            self.reap(seat);
                        }
                        self.note_news(seat);
                    }
                    EventSource::Handle(seat) => self.reap(seat),
                    EventSource::ForkServerProcess(id) => self.tend(id),
                }
            }
            self.keep_time();
            self.keep_stage();
            self.hire();
            self.renew();
            self.keep_size();
            self.answer_waiters();
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
        match epoll::wait(&self.crew.epoll, &mut events, left.as_ref()) {
            Ok((events, _)) => {
                events.iter().map(|event| EventSource::from_data(event.data)).collect()
            }
            Err(_) => Vec::new(),
        }
    }

    fn answer_bell(&mut self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(self.site.bell(), &mut count);
        self.site.answer_call();
        if let Some(mode) = self.site.take_stop_request() {
            if mode != StopMode::Drain {
                self.site.take_all_back();
            }
            self.stop(mode, None);
        }
        for order in self.inbox.take() {
            match order {
                Command::Join(number, answer) => self.join(number, answer),
                Command::GiveUp(number, answer) => self.give_up(number, &answer),
                Command::Stop(mode, answer) => self.stop(mode, Some(answer)),
                Command::Doom(ticket) => self.end_doomed(ticket),
                Command::SetLimits(limits, answer) => {
                    self.set_limits(limits);
                    answer.tell(Ok(()));
                }
                Command::Ready(number, count, answer) => self.await_ready(number, count, answer),
                Command::Unready(number) => self.await_no_longer(number),
                Command::Grow(count, answer) => answer.tell(self.grow(count)),
                Command::Shrink(count, mode, answer) => answer.tell(self.shrink(count, mode)),
                Command::Restart(mode, answer) => answer.tell(self.restart(mode)),
                Command::Hire(count, answer) => answer.give(self.hire_on_order(count)),
            }
        }
    }

    /// What workers are to do is the watch's to say: a worker gone astray may have written over it.
    fn keep_stage(&self) {
        if self.site.region.board.stage() != self.stage {
            self.site.region.board.set_stage(self.stage);
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        self.stage = stage;
        self.site.region.board.set_stage(stage);
    }

    /// Shuts the gate for submits. After the fence a submit either sees it, or is seen.
    fn shut(&self, bit: u32) {
        self.site.gate.fetch_or(bit, AcqRel);
        fence(SeqCst);
        self.site.rouse_line();
    }

    // ---- reaping -------------------------------------------------------------------------------

    fn reap(&mut self, seat: usize) {
        let Some((mut post, death)) = self.crew.dismiss(&self.site, seat) else { return };
        self.count();
        if let Some(failure) = post.failure.take() {
            self.break_by_hook(failure);
        }
        self.note_gone(seat, &mut post);
        let fate = self.fate(&post, death);
        self.keep_stage();
        reap::settle(&self.site, SeatIndex(seat as u16), fate);
        self.site.tell_departure(seat, &post, fate, death);
        if matches!(fate, Fate::Lost(_)) {
            self.site.totals.workers_lost.count();
        }
        match fate {
            Fate::WrongImage => self.image = Image::Own,
            Fate::Lost(_) if post.order == Some(WayOut::Killed) => self.lost += 1,
            Fate::Lost(death) if post.overran.is_some() => self.overran(&post, death),
            Fate::Lost(death) if !post.is_up => {
                let mut words = format!("{} before it was ready", reap::in_words(death));
                if self.image == Image::Own {
                    words +=
                        "; a program linked with -static must begin main with pool_worker_main";
                }
                let refusal =
                    post.refusal.unwrap_or_else(|| Error::new(Status::POOL_ERR_OS, words));
                self.start_failed(refusal, Duration::ZERO);
            }
            Fate::Lost(death) if post.step == LifeStep::Finalizing => {
                self.break_by_death_in_finalizer(death)
            }
            Fate::Lost(death) if self.site.plan.on_lost == OnLost::Break => {
                self.break_by_loss(death);
            }
            Fate::Sentenced(..) => self.lost += 1,
            Fate::Lost(_) => {
                self.lost += 1;
                let claimed = self.site.claimed(SeatIndex(seat as u16));
                if claimed == post.claimed_before {
                    // It has done nothing: so may the next one, and at once.
                    self.retry_at = Some(Instant::now() + BACK_OFF);
                }
            }
            Fate::Left => self.note_left(&post),
            Fate::Killed(_) => {}
        }
    }

    fn fate(&self, post: &WorkerHandle, death: Option<Death>) -> Fate {
        match (post.bye, death, post.sentence) {
            (Some(Leave::WrongImage), ..) => Fate::WrongImage,
            (Some(_), ..) | (None, None, _) => Fate::Left,
            (None, Some(death), Some(sentence)) => Fate::Sentenced(sentence, death),
            (None, Some(death), None) if self.is_killed_by_stop(post) => Fate::Killed(death),
            (None, Some(death), None) => Fate::Lost(death),
        }
    }

    // ---- orders --------------------------------------------------------------------------------

    fn join(&mut self, number: u64, answer: ReplySender) {
        if let Some(note) = self.site.why_broken.get() {
            answer.tell(Err(Error::with_detail(note.status, note.detail.clone())));
            return;
        }
        self.joiners.push((number, answer));
        self.shut(gate::JOINING);
        if self.stop.is_none() {
            self.set_stage(Stage::Drain);
        }
    }

    /// Somebody waits no longer for a join: the time is over. The answer comes when submits are
    /// taken again.
    fn give_up(&mut self, number: u64, answer: &ReplySender) {
        let had_joiners = !self.joiners.is_empty();
        self.joiners.retain(|(joiner, _)| *joiner != number);
        if had_joiners && self.joiners.is_empty() {
            self.reopen();
        }
        answer.tell(Ok(()));
    }

    fn reopen(&mut self) {
        self.site.gate.fetch_and(!gate::JOINING, AcqRel);
        if self.stop.is_none() && self.site.why_broken.get().is_none() {
            self.set_stage(Stage::Open);
            // Those that are always to be there.
            self.site.ring();
        }
    }
}
