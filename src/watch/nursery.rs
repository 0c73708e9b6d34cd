//! The templates that worker processes are forked from, the parent's end.
//!
//! ```text
//!             the first worker is wanted      Up
//!   nothing ───────────────────────────▶ starting ──▶ ready ──▶ gone
//!      ▲                                    │           │         │
//!      └────────────────────────────────────┴───────────┴─────────┘
//!                         it dies: those who wait for a worker are told
//! ```
//!
//! The watch never waits for a template: it orders a worker for a seat, and hears later that it was
//! born. A template that leaves an order unanswered for too long is killed, and the next order starts
//! another. A copy of the caller cannot be made a second time, as it was; so its end is the pool's.
//!
//! When workers of another image are needed, the template is retired: it stays until its last worker
//! has gone, because as long as it lives nobody gets their numbers.

use super::crew::EventSource;
use super::ends::{how_zombie_ended, is_readable};
use super::reap;
use super::site::PoolState;
use crate::error::{Error, Result, Status};
use crate::worker::start::{Image, ProcessConfig, StartMethod, WorkerStart};
use crate::worker::template::{self, ForkServerProcess};
use crate::worker::wire::{Channel, Message, Received};
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::process::Pid;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// So many orders are sent before the first is answered: they always fit the line.
const UNANSWERED_MAX: usize = 32;
/// How long a template may leave an order unanswered. It is asked twice: if everything was stopped
/// meanwhile, it is not the template that was slow.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOKS: u32 = 2;
/// When a stop kills who is awaited.
const HURRY: Duration = Duration::from_secs(1);

pub(crate) struct ForkServers {
    /// The last one is that which works now, unless it is retired.
    beds: Vec<ForkServer>,
    next_id: u64,
}

/// A template, and what was ordered of it.
struct ForkServer {
    id: u64,
    image: Image,
    template: ForkServerProcess,
    is_ready: bool,
    is_retired: bool,
    refusal: Option<Error>,
    orders: VecDeque<ForkRequest>,
    /// Since when the oldest order that was sent waits, and how often that was found too long.
    asked: Option<(Instant, u32)>,
    /// Workers that have ended; it could not be told yet.
    unreaped: Vec<Pid>,
}

struct ForkRequest {
    seat: usize,
    title: String,
    /// The worker's end of its line, until it is sent.
    line: Option<Channel>,
}

/// What became of an order.
pub(crate) enum ForkEvent {
    Born { seat: usize, pid: Pid, handle: OwnedFd },
    Failed { seat: usize, error: Error },
}

/// What a template leaves.
pub(crate) struct OrphanedRequests {
    /// They wait for their workers in vain.
    pub(crate) seats: Vec<usize>,
    /// Why; None where nobody waited.
    pub(crate) error: Option<Error>,
}

impl ForkServers {
    pub(crate) fn new() -> ForkServers {
        ForkServers { beds: Vec::new(), next_id: 0 }
    }

    /// Takes a template in.
    pub(crate) fn adopt(
        &mut self,
        epoll: &OwnedFd,
        template: ForkServerProcess,
        image: Image,
    ) -> Result<()> {
        let id = self.next_id;
        self.next_id += 1;
        let wake = EventSource::ForkServerProcess(id).to_data();
        let failed = |errno| Error::os("epoll_ctl", errno);
        let flags = epoll::EventFlags::IN;
        epoll::add(epoll, template.handle(), wake, flags).map_err(failed)?;
        if let Some(line) = template.line() {
            epoll::add(epoll, line, wake, flags).map_err(failed)?;
        }
        self.beds.push(ForkServer {
            id,
            image,
            template,
            is_ready: false,
            is_retired: false,
            refusal: None,
            orders: VecDeque::new(),
            asked: None,
            unreaped: Vec::new(),
        });
        Ok(())
    }

    /// Orders a worker; `line` is its end. It is born, or not, later: see [`ForkServers::hear`].
    pub(crate) fn order(
        &mut self,
        site: &PoolState,
        recipe: &ProcessConfig,
        place: &WorkerStart<'_>,
        epoll: &OwnedFd,
        image: Image,
        line: Channel,
    ) -> Result<()> {
        self.retire_others(recipe, image);
        if self.current().is_none() {
            let template = start(site, recipe, place, image)?;
            self.adopt(epoll, template, image)?;
        }
        let bed = self.current().ok_or(Status::POOL_ERR_OS)?;
        let seat = usize::from(place.seat.0);
        bed.orders.push_back(ForkRequest { seat, title: place.title(), line: Some(line) });
        bed.send_orders();
        Ok(())
    }

    fn current(&mut self) -> Option<&mut ForkServer> {
        self.beds.last_mut().filter(|bed| !bed.is_retired)
    }

    /// A copy of the caller has all images in one.
    fn retire_others(&mut self, recipe: &ProcessConfig, image: Image) {
        if let Some(bed) = self.current()
            && bed.image != image
            && recipe.start == StartMethod::Forkserver
        {
            bed.is_retired = true;
        }
    }

    /// Reads what a template says.
    pub(crate) fn hear(&mut self, epoll: &OwnedFd, id: u64) -> Vec<ForkEvent> {
        match self.beds.iter_mut().find(|bed| bed.id == id) {
            Some(bed) => bed.hear(epoll),
            None => Vec::new(),
        }
    }

    /// Takes a template out that has ended.
    pub(crate) fn bury(&mut self, epoll: &OwnedFd, id: u64) -> Option<OrphanedRequests> {
        let place = self.beds.iter().position(|bed| bed.id == id)?;
        if !is_readable(self.beds[place].template.handle()) {
            return None;
        }
        let bed = self.beds.remove(place);
        let pid = bed.template.pid();
        let error = match (bed.is_ready, bed.refusal) {
            (false, Some(refusal)) => Some(refusal),
            (true, _) if bed.orders.is_empty() => None,
            (is_ready, _) => {
                let number = pid.as_raw_nonzero();
                let end = reap::end_in_words(how_zombie_ended(pid));
                let when =
                    if is_ready { "while it was to fork one" } else { "before it was ready" };
                let words =
                    format!("process {number}, which workers are forked from, {end} {when}");
                Some(Error::new(Status::POOL_ERR_OS, words))
            }
        };
        stop_listening(epoll, &bed.template);
        Some(OrphanedRequests { seats: bed.orders.iter().map(|order| order.seat).collect(), error })
    }

    /// This worker has ended: its number may be given to others.
    pub(crate) fn reap(&mut self, id: u64, pid: Pid) {
        if let Some(bed) = self.beds.iter_mut().find(|bed| bed.id == id) {
            bed.unreaped.push(pid);
            bed.reap();
        }
    }

    /// Lets a retired template leave that has no workers.
    pub(crate) fn dismiss_retired(&mut self, epoll: &OwnedFd, has_workers: impl Fn(u64) -> bool) {
        let is_idle =
            |bed: &ForkServer| bed.is_retired && bed.orders.is_empty() && !has_workers(bed.id);
        while let Some(place) = self.beds.iter().position(is_idle) {
            stop_listening(epoll, &self.beds.remove(place).template);
        }
    }

    /// Nobody waits any longer for workers that were ordered. A template that is ready answers at once, or
    /// is killed a second later.
    pub(crate) fn hurry(&mut self) {
        let since = Instant::now().checked_sub(PATIENCE - HURRY);
        for bed in self.beds.iter_mut().filter(|bed| !bed.orders.is_empty()) {
            match since.filter(|_| bed.is_ready) {
                Some(since) => bed.asked = Some((since, LOOKS - 1)),
                None => bed.template.kill(),
            }
        }
    }

    /// Kills the templates that somebody still waits for.
    pub(crate) fn kill_waited_for(&self) {
        for bed in self.beds.iter().filter(|bed| !bed.orders.is_empty()) {
            bed.template.kill();
        }
    }

    /// When to look after those that do not answer.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.beds.iter().filter_map(|bed| bed.asked).map(|(since, _)| since + PATIENCE).min()
    }

    /// Kills what has not answered for long.
    pub(crate) fn look(&mut self, now: Instant) {
        for bed in &mut self.beds {
            if let Some((since, looks)) = &mut bed.asked
                && now.duration_since(*since) >= PATIENCE
            {
                (*since, *looks) = (now, *looks + 1);
                if *looks >= LOOKS {
                    bed.template.kill();
                }
            }
        }
    }

    /// All templates leave, and are waited for.
    pub(crate) fn close(&mut self, epoll: &OwnedFd) {
        for bed in self.beds.drain(..) {
            stop_listening(epoll, &bed.template);
            if !bed.is_ready {
                bed.template.kill();
            }
        }
    }
}

/// Closing a descriptor does not end the listening while a forked child has a copy of it.
fn stop_listening(epoll: &OwnedFd, template: &ForkServerProcess) {
    let _ = epoll::delete(epoll, template.handle());
    if let Some(line) = template.line() {
        let _ = epoll::delete(epoll, line);
    }
}

fn start(
    site: &PoolState,
    recipe: &ProcessConfig,
    place: &WorkerStart<'_>,
    image: Image,
) -> Result<ForkServerProcess> {
    match recipe.start {
        StartMethod::Fork { with_threads: false } => {
            let words = "the copy of the caller that workers were forked from is gone, and cannot be made again as it was";
            Err(Error::new(Status::POOL_ERR_BROKEN, words))
        }
        StartMethod::Fork { with_threads: true } => {
            template::fork(&site.name, recipe, &site.region)
        }
        StartMethod::Forkserver | StartMethod::Spawn => template::execute(place, recipe, image),
    }
}

impl ForkServer {
    fn hear(&mut self, epoll: &OwnedFd) -> Vec<ForkEvent> {
        let mut news = Vec::new();
        while let Some(line) = self.template.line() {
            match line.receive(false) {
                Received::Message(Message::Up, _) => self.is_ready = true,
                Received::Message(Message::Refuse { status, errno, words }, _) => {
                    self.refusal = Some(Error::from_peer(status, errno, words));
                }
                Received::Message(Message::Forked { seat, pid }, Some(handle)) => {
                    let pid = Pid::from_raw(pid).filter(|_| pid > 1);
                    if let (Some(pid), Some(seat)) = (pid, self.answered(seat)) {
                        news.push(ForkEvent::Born { seat, pid, handle });
                    }
                }
                // There is no descriptor left for its handle. Its line is closed, so it leaves.
                Received::Message(Message::Forked { seat, .. }, None) => {
                    if let Some(seat) = self.answered(seat) {
                        let error = Error::os("receiving a worker's handle", Errno::MFILE);
                        news.push(ForkEvent::Failed { seat, error });
                    }
                }
                Received::Message(Message::NotForked { seat, errno }, _) => {
                    if let Some(seat) = self.answered(seat) {
                        let errno = Errno::from_raw_os_error(errno);
                        news.push(ForkEvent::Failed { seat, error: Error::os("fork", errno) });
                    }
                }
                Received::Message(..) => {}
                Received::Nothing => break,
                Received::End => {
                    // Its end is waited for by its handle.
                    let _ = epoll::delete(epoll, line);
                    break;
                }
            }
        }
        self.send_orders();
        self.reap();
        news
    }

    /// The seat of the oldest order. One that is not in its turn ends a template gone astray.
    fn answered(&mut self, seat: u64) -> Option<usize> {
        let oldest = self.orders.front().filter(|order| order.line.is_none());
        let Some(seat) = oldest.map(|order| order.seat).filter(|own| *own as u64 == seat) else {
            self.template.kill();
            return None;
        };
        self.orders.pop_front();
        self.asked = self.asked.map(|_| (Instant::now(), 0)).filter(|_| self.count_sent() > 0);
        Some(seat)
    }

    fn count_sent(&self) -> usize {
        self.orders.iter().take_while(|order| order.line.is_none()).count()
    }

    /// Sends what was ordered, as far as it may be sent.
    fn send_orders(&mut self) {
        let Some(line) = self.template.line().filter(|_| self.is_ready) else { return };
        let sent = self.count_sent();
        for order in self.orders.iter_mut().take(UNANSWERED_MAX).skip(sent) {
            let Some(theirs) = &order.line else { continue };
            let message = Message::Fork { seat: order.seat as u64, title: order.title.clone() };
            if line.send_now(&message, Some(theirs.as_fd())).is_err() {
                break;
            }
            order.line = None;
            self.asked.get_or_insert_with(|| (Instant::now(), 0));
        }
    }

    fn reap(&mut self) {
        let Some(line) = self.template.line() else { return };
        self.unreaped.retain(|pid| {
            let pid = pid.as_raw_nonzero().get();
            line.send_now(&Message::Reap { pid }, None).is_err()
        });
    }
}
