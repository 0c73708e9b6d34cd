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

use super::exit_status::{is_readable, zombie_status};
use super::reap;
use super::state::PoolState;
use super::workers::EventSource;
use crate::error::{Error, Result, Status};
use crate::worker::protocol::{Channel, Message, Received};
use crate::worker::start::{Image, ProcessConfig, StartMethod, WorkerStart};
use crate::worker::template::{self, ForkServerProcess};
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
    servers: Vec<ForkServer>,
    next_id: u64,
}

/// A template, and what was ordered of it.
struct ForkServer {
    id: u64,
    image: Image,
    process: ForkServerProcess,
    is_ready: bool,
    is_retired: bool,
    refusal: Option<Error>,
    requests: VecDeque<ForkRequest>,
    /// Since when the oldest order that was sent waits, and how often that was found too long.
    asked: Option<(Instant, u32)>,
    /// Workers that have ended; it could not be told yet.
    unreaped: Vec<Pid>,
}

struct ForkRequest {
    seat: usize,
    title: String,
    /// The worker's end of its line, until it is sent.
    channel: Option<Channel>,
}

/// What became of an order.
pub(crate) enum ForkEvent {
    Forked { seat: usize, pid: Pid, handle: OwnedFd },
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
        ForkServers { servers: Vec::new(), next_id: 0 }
    }

    /// Takes a template in.
    pub(crate) fn add_server(
        &mut self,
        epoll: &OwnedFd,
        process: ForkServerProcess,
        image: Image,
    ) -> Result<()> {
        let id = self.next_id;
        self.next_id += 1;
        let wake = EventSource::ForkServerProcess(id).to_data();
        let failed = |errno| Error::os("epoll_ctl", errno);
        let flags = epoll::EventFlags::IN;
        epoll::add(epoll, process.handle(), wake, flags).map_err(failed)?;
        if let Some(channel) = process.channel() {
            epoll::add(epoll, channel, wake, flags).map_err(failed)?;
        }
        self.servers.push(ForkServer {
            id,
            image,
            process,
            is_ready: false,
            is_retired: false,
            refusal: None,
            requests: VecDeque::new(),
            asked: None,
            unreaped: Vec::new(),
        });
        Ok(())
    }

    /// Orders a worker; `channel` is its end. It is born, or not, later: see [`ForkServers::receive`].
    pub(crate) fn request(
        &mut self,
        state: &PoolState,
        config: &ProcessConfig,
        place: &WorkerStart<'_>,
        epoll: &OwnedFd,
        image: Image,
        channel: Channel,
    ) -> Result<()> {
        self.retire_others(config, image);
        if self.current().is_none() {
            let process = start(state, config, place, image)?;
            self.add_server(epoll, process, image)?;
        }
        let server = self.current().ok_or(Status::POOL_ERR_OS)?;
        let seat = usize::from(place.seat.0);
        server.requests.push_back(ForkRequest {
            seat,
            title: place.title(),
            channel: Some(channel),
        });
        server.send_requests();
        Ok(())
    }

    fn current(&mut self) -> Option<&mut ForkServer> {
        self.servers.last_mut().filter(|server| !server.is_retired)
    }

    /// A copy of the caller has all images in one.
    fn retire_others(&mut self, config: &ProcessConfig, image: Image) {
        if let Some(server) = self.current()
            && server.image != image
            && config.start == StartMethod::Forkserver
        {
            server.is_retired = true;
        }
    }

    /// Reads what a template says.
    pub(crate) fn receive(&mut self, epoll: &OwnedFd, id: u64) -> Vec<ForkEvent> {
        match self.servers.iter_mut().find(|server| server.id == id) {
            Some(server) => server.receive(epoll),
            None => Vec::new(),
        }
    }

    /// Takes a template out that has ended.
    pub(crate) fn on_exit(&mut self, epoll: &OwnedFd, id: u64) -> Option<OrphanedRequests> {
        let place = self.servers.iter().position(|server| server.id == id)?;
        if !is_readable(self.servers[place].process.handle()) {
            return None;
        }
        let server = self.servers.remove(place);
        let pid = server.process.pid();
        let error = match (server.is_ready, server.refusal) {
            (false, Some(refusal)) => Some(refusal),
            (true, _) if server.requests.is_empty() => None,
            (is_ready, _) => {
                let number = pid.as_raw_nonzero();
                let end = reap::describe_status(zombie_status(pid));
                let when =
                    if is_ready { "while it was to fork one" } else { "before it was ready" };
                let words =
                    format!("process {number}, which workers are forked from, {end} {when}");
                Some(Error::new(Status::POOL_ERR_OS, words))
            }
        };
        stop_listening(epoll, &server.process);
        Some(OrphanedRequests {
            seats: server.requests.iter().map(|request| request.seat).collect(),
            error,
        })
    }

    /// This worker has ended: its number may be given to others.
    pub(crate) fn reap(&mut self, id: u64, pid: Pid) {
        if let Some(server) = self.servers.iter_mut().find(|server| server.id == id) {
            server.unreaped.push(pid);
            server.reap();
        }
    }

    /// Lets a retired template leave that has no workers.
    pub(crate) fn remove_retired(&mut self, epoll: &OwnedFd, has_workers: impl Fn(u64) -> bool) {
        let is_idle = |server: &ForkServer| {
            server.is_retired && server.requests.is_empty() && !has_workers(server.id)
        };
        while let Some(place) = self.servers.iter().position(is_idle) {
            stop_listening(epoll, &self.servers.remove(place).process);
        }
    }

    /// Nobody waits any longer for workers that were ordered. A template that is ready answers at once, or
    /// is killed a second later.
    pub(crate) fn expedite(&mut self) {
        let since = Instant::now().checked_sub(PATIENCE - HURRY);
        for server in self.servers.iter_mut().filter(|server| !server.requests.is_empty()) {
            match since.filter(|_| server.is_ready) {
                Some(since) => server.asked = Some((since, LOOKS - 1)),
                None => server.process.kill(),
            }
        }
    }

    /// Kills the templates that somebody still waits for.
    pub(crate) fn kill_awaited(&self) {
        for server in self.servers.iter().filter(|server| !server.requests.is_empty()) {
            server.process.kill();
        }
    }

    /// When to look after those that do not answer.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.servers
            .iter()
            .filter_map(|server| server.asked)
            .map(|(since, _)| since + PATIENCE)
            .min()
    }

    /// Kills what has not answered for long.
    pub(crate) fn look(&mut self, now: Instant) {
        for server in &mut self.servers {
            if let Some((since, looks)) = &mut server.asked
                && now.duration_since(*since) >= PATIENCE
            {
                (*since, *looks) = (now, *looks + 1);
                if *looks >= LOOKS {
                    server.process.kill();
                }
            }
        }
    }

    /// All templates leave, and are waited for.
    pub(crate) fn close(&mut self, epoll: &OwnedFd) {
        for server in self.servers.drain(..) {
            stop_listening(epoll, &server.process);
            if !server.is_ready {
                server.process.kill();
            }
        }
    }
}

/// Closing a descriptor does not end the listening while a forked child has a copy of it.
fn stop_listening(epoll: &OwnedFd, process: &ForkServerProcess) {
    let _ = epoll::delete(epoll, process.handle());
    if let Some(channel) = process.channel() {
        let _ = epoll::delete(epoll, channel);
    }
}

fn start(
    state: &PoolState,
    config: &ProcessConfig,
    place: &WorkerStart<'_>,
    image: Image,
) -> Result<ForkServerProcess> {
    match config.start {
        StartMethod::Fork { with_threads: false } => {
            let words = "the copy of the caller that workers were forked from is gone, and cannot be made again as it was";
            Err(Error::new(Status::POOL_ERR_BROKEN, words))
        }
        StartMethod::Fork { with_threads: true } => {
            template::fork(&state.name, config, &state.region)
        }
        StartMethod::Forkserver | StartMethod::Spawn => template::execute(place, config, image),
    }
}

impl ForkServer {
    fn receive(&mut self, epoll: &OwnedFd) -> Vec<ForkEvent> {
        let mut news = Vec::new();
        while let Some(channel) = self.process.channel() {
            match channel.receive(false) {
                Received::Message(Message::Ready, _) => self.is_ready = true,
                Received::Message(Message::StartFailed { status, errno, words }, _) => {
                    self.refusal = Some(Error::from_peer(status, errno, words));
                }
                Received::Message(Message::Forked { seat, pid }, Some(handle)) => {
                    let pid = Pid::from_raw(pid).filter(|_| pid > 1);
                    if let (Some(pid), Some(seat)) = (pid, self.answered(seat)) {
                        news.push(ForkEvent::Forked { seat, pid, handle });
                    }
                }
                // There is no descriptor left for its handle. Its line is closed, so it leaves.
                Received::Message(Message::Forked { seat, .. }, None) => {
                    if let Some(seat) = self.answered(seat) {
                        let error = Error::os("receiving a worker's handle", Errno::MFILE);
                        news.push(ForkEvent::Failed { seat, error });
                    }
                }
                Received::Message(Message::ForkFailed { seat, errno }, _) => {
                    if let Some(seat) = self.answered(seat) {
                        let errno = Errno::from_raw_os_error(errno);
                        news.push(ForkEvent::Failed { seat, error: Error::os("fork", errno) });
                    }
                }
                Received::Message(..) => {}
                Received::Nothing => break,
                Received::End => {
                    // Its end is waited for by its handle.
                    let _ = epoll::delete(epoll, channel);
                    break;
                }
            }
        }
        self.send_requests();
        self.reap();
        news
    }

    /// The seat of the oldest order. One that is not in its turn ends a template gone astray.
    fn answered(&mut self, seat: u64) -> Option<usize> {
        let oldest = self.requests.front().filter(|request| request.channel.is_none());
        let Some(seat) = oldest.map(|request| request.seat).filter(|own| *own as u64 == seat)
        else {
            self.process.kill();
            return None;
        };
        self.requests.pop_front();
        self.asked = self.asked.map(|_| (Instant::now(), 0)).filter(|_| self.count_sent() > 0);
        Some(seat)
    }

    fn count_sent(&self) -> usize {
        self.requests.iter().take_while(|request| request.channel.is_none()).count()
    }

    /// Sends what was ordered, as far as it may be sent.
    fn send_requests(&mut self) {
        let Some(channel) = self.process.channel().filter(|_| self.is_ready) else { return };
        let sent = self.count_sent();
        for request in self.requests.iter_mut().take(UNANSWERED_MAX).skip(sent) {
            let Some(theirs) = &request.channel else { continue };
            let message = Message::Fork { seat: request.seat as u64, title: request.title.clone() };
            if channel.send_now(&message, Some(theirs.as_fd())).is_err() {
                break;
            }
            request.channel = None;
            self.asked.get_or_insert_with(|| (Instant::now(), 0));
        }
    }

    fn reap(&mut self) {
        let Some(channel) = self.process.channel() else { return };
        self.unreaped.retain(|pid| {
            let pid = pid.as_raw_nonzero().get();
            channel.send_now(&Message::Reap { pid }, None).is_err()
        });
    }
}
