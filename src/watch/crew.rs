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

use super::ends::{how_zombie_ended, is_readable, kill, wait_for};
use super::news::WorkerEventKind;
use super::nursery::ForkServers;
use super::post::{LifeStep, WorkerHandle, WorkerKind};
use super::reap::{Death, How};
use super::site::{PoolKind, PoolState};
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::worker::start::{self, Image, SpawnedProcess, StartMethod, WorkerStart};
use crate::worker::template::ForkServerProcess;
use crate::worker::wire::{Channel, Message, Received};
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
const TEMPLATE: u64 = 1 << 32;

impl EventSource {
    pub(super) fn to_data(self) -> epoll::EventData {
        epoll::EventData::new_u64(match self {
            EventSource::Sleepers => u64::MAX,
            EventSource::Channel(seat) => (seat as u64) << 1,
            EventSource::Handle(seat) => (seat as u64) << 1 | 1,
            EventSource::ForkServerProcess(id) => TEMPLATE | id << 33,
        })
    }

    pub(crate) fn from_data(data: epoll::EventData) -> EventSource {
        match data.u64() {
            u64::MAX => EventSource::Sleepers,
            number if number & TEMPLATE != 0 => EventSource::ForkServerProcess(number >> 33),
            number if number & 1 == 0 => EventSource::Channel((number >> 1) as usize),
            number => EventSource::Handle((number >> 1) as usize),
        }
    }
}

/// Whether workers take tasks as soon as they are there, and need not say so.
fn is_up_at_once(site: &PoolState) -> bool {
    matches!(site.kind, PoolKind::Threads) && site.terms.initializer.is_none()
}

fn note_up(site: &PoolState, seat: usize, post: &mut WorkerHandle) {
    post.is_up = true;
    post.begin(LifeStep::Working, site);
    site.staff.change(seat, |member| member.is_up = true);
    site.tell_arrival(WorkerEventKind::Up, seat, post.number, post.pid());
}

pub(crate) struct WorkerSet {
    pub(crate) epoll: OwnedFd,
    pub(crate) posts: Vec<Option<WorkerHandle>>,
    pub(super) nursery: ForkServers,
}

impl WorkerSet {
    /// `template` is what workers are to be forked from, if it was made already.
    pub(crate) fn new(site: &PoolState, template: Option<ForkServerProcess>) -> Result<WorkerSet> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|errno| Error::os("epoll_create1", errno))?;
        let mut crew = WorkerSet { epoll, posts: Vec::new(), nursery: ForkServers::new() };
        crew.listen(site.bell(), EventSource::Sleepers)?;
        if let Some(template) = template {
            crew.nursery.adopt(&crew.epoll, template, Image::Own)?;
        }
        Ok(crew)
    }

    pub(super) fn listen(&self, end: impl AsFd, wake: EventSource) -> Result<()> {
        epoll::add(&self.epoll, end, wake.to_data(), epoll::EventFlags::IN)
            .map_err(|errno| Error::os("epoll_ctl", errno))
    }

    /// The places that have a worker.
    pub(crate) fn seats(&self) -> impl Iterator<Item = usize> {
        let posts = self.posts.iter().enumerate();
        posts.filter(|(_, post)| post.is_some()).map(|(seat, _)| seat)
    }

    pub(crate) fn count_up(&self) -> usize {
        self.count_if(|post| post.is_up)
    }

    pub(super) fn count_if(&self, counts: impl Fn(&WorkerHandle) -> bool) -> usize {
        self.posts.iter().flatten().filter(|post| counts(post)).count()
    }

    pub(crate) fn count(&self) -> usize {
        self.posts.iter().flatten().count()
    }

    /// Starts a worker on the lowest vacant seat; answers which that is.
    pub(crate) fn start(&mut self, site: &PoolState, image: Image) -> Result<usize> {
        let vacant = self.posts.iter().position(Option::is_none);
        let seat = vacant.unwrap_or(self.posts.len());
        if seat >= site.region.geometry.seats {
            return Err(Status::POOL_ERR_FULL.into());
        }
        let (line, theirs) = Channel::pair()?;
        site.slots.mark_seat_used(SeatIndex(seat as u16));
        site.region.board.init_seat(SeatIndex(seat as u16));
        // Before it can claim any.
        let claimed_before = site.claimed(SeatIndex(seat as u16));
        let started = site.staff.enroll(seat, claimed_before, || {
            let worker = self.start_on(site, seat, image, &line, theirs)?;
            let pid = match &worker {
                WorkerKind::Thread(_) | WorkerKind::Awaited { .. } => 0,
                WorkerKind::Process { pid, .. } => i64::from(pid.as_raw_nonzero().get()),
            };
            Ok((worker, pid, false))
        });
        let (worker, number) = started.inspect_err(|_| {
            let _ = epoll::delete(&self.epoll, &line);
        })?;
        let mut post = WorkerHandle {
            line,
            worker,
            is_up: false,
            step: LifeStep::Starting,
            due: None,
            overran: None,
            claimed_before,
            bye: None,
            refusal: None,
            failure: None,
            has_broken: false,
            number,
            sentence: None,
            order: None,
            is_old: false,
        };
        // One that is awaited has no process as yet.
        if !matches!(post.worker, WorkerKind::Awaited { .. }) {
            site.tell_arrival(WorkerEventKind::Starting, seat, number, post.pid());
        }
        post.begin(LifeStep::Starting, site);
        if is_up_at_once(site) {
            note_up(site, seat, &mut post);
        }
        if seat == self.posts.len() {
            self.posts.push(None);
        }
        self.posts[seat] = Some(post);
        self.dismiss_retired();
        Ok(seat)
    }

    fn start_on(
        &mut self,
        site: &PoolState,
        seat: usize,
        image: Image,
        line: &Channel,
        theirs: Channel,
    ) -> Result<WorkerKind> {
        // Listened to before there is a worker: nobody is started who cannot be heard.
        self.listen(line, EventSource::Channel(seat))?;
        let (name, region, terms) = (&site.name, &site.region, site.present_terms());
        let place = WorkerStart { name, region, seat: SeatIndex(seat as u16), terms };
        match &site.kind {
            PoolKind::Threads => Ok(WorkerKind::Thread(Some(start::start_thread(&place, theirs)?))),
            PoolKind::Inline => Err(Status::POOL_ERR_STATE.into()),
            PoolKind::Processes(recipe) if recipe.start == StartMethod::Spawn => {
                let SpawnedProcess { pid, handle } =
                    start::start_process(&place, recipe, image, line, &theirs)?;
                if let Err(error) = self.listen(&handle, EventSource::Handle(seat)) {
                    kill(pid, &handle);
                    let _ = rustix::process::waitid(
                        WaitId::PidFd(handle.as_fd()),
                        WaitIdOptions::EXITED,
                    );
                    return Err(error);
                }
                Ok(WorkerKind::Process { pid, handle, template: None })
            }
            PoolKind::Processes(recipe) => {
                self.nursery.order(site, recipe, &place, &self.epoll, image, theirs)?;
                Ok(WorkerKind::Awaited { is_kill_pending: false })
            }
        }
    }

    /// Reads what a worker says. True: it is a thread that has ended.
    pub(crate) fn hear(&mut self, site: &PoolState, seat: usize) -> bool {
        let Some(post) = self.posts.get_mut(seat).and_then(Option::as_mut) else { return false };
        loop {
            match post.line.receive(false) {
                Received::Message(Message::Up, _) => note_up(site, seat, post),
                Received::Message(Message::Initializing, _) => {
                    post.begin(LifeStep::Initializing, site)
                }
                Received::Message(Message::Finalizing, _) => {
                    post.begin(LifeStep::Finalizing, site);
                    site.staff.change(seat, |member| member.is_leaving = true);
                }
                Received::Message(Message::Broken(failure), _) => {
                    post.failure = Some(failure);
                    post.has_broken = true;
                }
                Received::Message(Message::Bye { why }, _) => {
                    post.bye = Some(why);
                    // A thread's last word. Its end of the line may stay open, in a child that the
                    // host has forked.
                    if matches!(post.worker, WorkerKind::Thread(_)) {
                        return true;
                    }
                }
                Received::Message(Message::Refuse { status, errno, words }, _) => {
                    post.refusal = Some(Error::from_peer(status, errno, words));
                }
                Received::Message(Message::File { task, len }, file) => {
                    site.slots.side_table.receive_result_file(task, len, file);
                }
                Received::Message(..) => {}
                Received::Nothing => return false,
                Received::End => {
                    // A process is waited for by its handle.
                    let _ = epoll::delete(&self.epoll, &post.line);
                    return matches!(post.worker, WorkerKind::Thread(_));
                }
            }
        }
    }

    /// Takes a worker that has ended from its post; of a process, how. None: it has not ended.
    pub(crate) fn dismiss(
        &mut self,
        site: &PoolState,
        seat: usize,
    ) -> Option<(WorkerHandle, Option<Death>)> {
        self.hear(site, seat);
        let place = self.posts.get_mut(seat)?;
        if let Some(post) = place.as_ref().filter(|post| post.sentence.is_some()) {
            // What its task has started goes with it, also where it has ended by itself.
            post.kill();
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
            WorkerKind::Process { pid, handle, template } => {
                let how = match (template.is_some(), is_readable(handle)) {
                    (true, false) => return None,
                    (true, true) => how_zombie_ended(*pid),
                    (false, _) => match wait_for(handle) {
                        Ok(Some(how)) => how,
                        Ok(None) => return None,
                        Err(_) => How::Unknown,
                    },
                };
                Some(Death { pid: i64::from(pid.as_raw_nonzero().get()), how })
            }
        };
        let post = place.take()?;
        site.heralds.worker_leaves(site, SeatIndex(seat as u16));
        site.staff.left(seat);
        // Closing an end does not end the listening while a forked child has a copy of it.
        let _ = epoll::delete(&self.epoll, &post.line);
        if let WorkerKind::Process { pid, handle, template } = &post.worker {
            let _ = epoll::delete(&self.epoll, handle);
            if let Some(id) = template {
                self.nursery.reap(*id, *pid);
                self.dismiss_retired();
            }
        }
        Some((post, death))
    }

    /// Reads what worker processes have said.
    pub(crate) fn hear_all(&mut self, site: &PoolState) {
        for seat in 0..self.posts.len() {
            let post = self.posts[seat].as_ref();
            if post.is_some_and(|post| matches!(post.worker, WorkerKind::Process { .. })) {
                self.hear(site, seat);
            }
        }
    }

    /// When the next worker will have taken too long.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = self.posts.iter().flatten().filter_map(|post| post.due);
        due.chain(self.nursery.next_look()).min()
    }

    /// Kills the worker processes that have taken too long.
    pub(super) fn kill_overdue(&mut self, now: Instant) {
        for post in self.posts.iter_mut().flatten() {
            if post.due.is_some_and(|due| due <= now) && post.is_process() {
                (post.due, post.overran) = (None, Some(post.step));
                post.kill();
                if matches!(post.worker, WorkerKind::Awaited { .. }) {
                    self.nursery.kill_waited_for();
                }
            }
        }
        self.nursery.look(now);
    }

    /// Tells all worker processes to end, with what their tasks have started in their groups.
    pub(super) fn ask_to_end(&self) {
        self.posts.iter().flatten().for_each(WorkerHandle::ask_to_end);
    }

    /// Kills these worker processes.
    pub(crate) fn kill(&mut self, whom: impl Fn(&WorkerHandle) -> bool) {
        for post in self.posts.iter_mut().flatten().filter(|post| whom(post)) {
            post.kill();
            // It is killed when it comes.
            if let WorkerKind::Awaited { is_kill_pending } = &mut post.worker {
                *is_kill_pending = true;
                self.nursery.hurry();
            }
        }
    }
}
