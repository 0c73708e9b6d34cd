//! The fork servers from which worker processes are forked, the parent's end.
//!
//! ```text
//!             the first worker is needed     Ready
//!   nothing ───────────────────────────▶ starting ──▶ ready
//!      ▲                                    │           │
//!      └────────────────────────────────────┴───────────┘
//!                         it exits: its unanswered requests have failed
//! ```
//!
//! The supervisor never waits for a fork server: it requests a worker for a seat, and is notified
//! later that the worker was forked. A fork server that leaves a request unanswered for too long is
//! killed, and the next request starts another one. A copy of the caller cannot be made again as it
//! was, so its exit breaks the pool.
//!
//! When workers that run another program are needed, the fork server is retired: it lives until its
//! last worker has exited, because until then the process ids of its workers are not reused.

use super::Supervisor;
use super::exit_status::{describe_status, has_exited, zombie_status};
use super::start::BACK_OFF;
use super::workers::{EventSource, stop_listening};
use crate::board::Stage;
use crate::error::{Error, Result, Status};
use crate::fd::Descriptor;
use crate::worker::config::{Image, ProcessConfig, StartMethod};
use crate::worker::protocol::Message;
use crate::worker::spawn::{self, ForkServerProcess, WorkerStart};
use crate::worker::{Channel, Received};
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::process::Pid;
use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// The maximum number of unanswered requests that were sent. They always fit the channel.
const UNANSWERED_MAX: usize = 32;
/// The most messages of a fork server that are received at once.
const MESSAGES_AT_ONCE: usize = 2 * UNANSWERED_MAX;
/// How long a fork server may leave a request unanswered. It is checked twice: if all processes
/// were suspended meanwhile, the fork server was not slow.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const LOOKS: u32 = 2;
/// The same, after a stop has killed the awaited workers.
const ANSWER_TIMEOUT_AT_STOP: Duration = Duration::from_secs(1);

pub(super) struct ForkServers {
    /// The last one is the current one, unless it is retired.
    servers: Vec<ForkServer>,
    next_id: u64,
}

/// A fork server, and the requests to it.
struct ForkServer {
    id: u64,
    image: Image,
    process: ForkServerProcess,
    is_ready: bool,
    is_retired: bool,
    start_error: Option<Error>,
    requests: VecDeque<ForkRequest>,
    /// Since when the oldest request that was sent is unanswered, and how many checks found that
    /// too long.
    unanswered: Option<(Instant, u32)>,
    /// When to send again what could not be sent for want of something.
    resend_at: Option<Instant>,
    /// Workers that have exited, and for which Reap was not sent yet.
    unreaped: Vec<Pid>,
}

struct ForkRequest {
    seat: usize,
    title: String,
    /// The worker's end of its channel, until it is sent.
    channel: Option<Channel>,
}

/// The outcome of a request.
pub(super) enum ForkEvent {
    Forked { seat: usize, pid: Pid, handle: Descriptor },
    Failed { seat: usize, error: Error },
}

/// Why a worker was not forked.
enum StartFailure {
    NotBegun(Error),
    /// The fork server has exited. With how long it was waited for.
    Exited(Error, Duration),
}

/// The unanswered requests of a fork server that has exited.
struct OrphanedRequests {
    seats: Vec<usize>,
    /// Why the fork server has exited; None where there are no requests.
    error: Option<Error>,
}

impl Supervisor {
    /// Handles a message of a fork server, or its exit.
    pub(super) fn on_fork_server_event(&mut self, id: u64) {
        let failures = self.handle_fork_server_event(id);
        self.update_worker_count();
        for failure in failures {
            // A stop kills the awaited workers: that is not a failure.
            if self.life.stage() == Stage::Stop {
                continue;
            }
            match failure {
                StartFailure::NotBegun(error) => self.start_not_begun(error),
                StartFailure::Exited(error, waited) => self.start_failed(error, waited),
            }
        }
    }

    /// Returns the starts that have failed.
    fn handle_fork_server_event(&mut self, id: u64) -> Vec<StartFailure> {
        let mut failures = Vec::new();
        let (state, workers) = (&self.state, &mut self.workers);
        for event in workers.fork_servers.receive(&workers.epoll, id) {
            let (seat, outcome) = match event {
                ForkEvent::Forked { seat, pid, handle } => {
                    (seat, workers.on_worker_forked(state, seat, id, pid, handle))
                }
                ForkEvent::Failed { seat, error } => (seat, Err(error)),
            };
            if let Err(error) = outcome {
                workers.vacate_seat(state, seat);
                failures.push(StartFailure::NotBegun(error));
            }
        }
        let orphaned = workers.fork_servers.take_exited(&workers.epoll, id);
        if let Some(OrphanedRequests { seats, error }) = orphaned {
            let mut waited = Duration::ZERO;
            for seat in seats {
                let is_late = workers.get(seat).is_some_and(|worker| worker.overran.is_some());
                let timeout = state.config.timeouts.start.filter(|_| is_late);
                waited = waited.max(timeout.unwrap_or_default());
                workers.vacate_seat(state, seat);
            }
            let error = error.map(|error| if waited.is_zero() { error } else { was_late(waited) });
            failures.extend(error.map(|error| StartFailure::Exited(error, waited)));
        }
        failures
    }
}

fn was_late(waited: Duration) -> Error {
    let ms = waited.as_millis() as u64;
    let message = format!(
        "the process that workers are forked from was not ready within start_timeout_ms ({ms} ms), and was killed"
    );
    Error::new(Status::POOL_ERR_OS, message)
}

impl ForkServers {
    pub(super) fn new() -> ForkServers {
        ForkServers { servers: Vec::new(), next_id: 0 }
    }

    pub(super) fn add_server(
        &mut self,
        epoll: &Descriptor,
        process: ForkServerProcess,
        image: Image,
    ) -> Result<()> {
        let id = self.next_id;
        self.next_id += 1;
        let data = EventSource::ForkServer(id).to_data();
        let failed = |errno| Error::os("epoll_ctl", errno);
        let flags = epoll::EventFlags::IN;
        epoll::add(epoll, process.handle(), data, flags).map_err(failed)?;
        if let Some(channel) = process.channel() {
            epoll::add(epoll, channel, data, flags).map_err(failed)?;
        }
        self.servers.push(ForkServer {
            id,
            image,
            process,
            is_ready: false,
            is_retired: false,
            start_error: None,
            requests: VecDeque::new(),
            unanswered: None,
            resend_at: None,
            unreaped: Vec::new(),
        });
        Ok(())
    }

    /// Requests a worker; `channel` is its end. The outcome comes as a [`ForkEvent`].
    pub(super) fn request(
        &mut self,
        epoll: &Descriptor,
        config: &ProcessConfig,
        start: &WorkerStart<'_>,
        image: Image,
        channel: Channel,
    ) -> Result<()> {
        self.retire_others(config, image);
        if self.current().is_none() {
            let process = start_server(config, start, image)?;
            self.add_server(epoll, process, image)?;
        }
        let server = self.current().ok_or(Status::POOL_ERR_OS)?;
        let seat = usize::from(start.seat.0);
        let channel = Some(channel);
        server.requests.push_back(ForkRequest { seat, title: start.title(), channel });
        server.send_requests();
        Ok(())
    }

    fn current(&mut self) -> Option<&mut ForkServer> {
        self.servers.last_mut().filter(|server| !server.is_retired)
    }

    /// Retires a fork server that runs another program. A copy of the caller serves for every
    /// program.
    fn retire_others(&mut self, config: &ProcessConfig, image: Image) {
        if let Some(server) = self.current()
            && server.image != image
            && config.start == StartMethod::Forkserver
        {
            server.is_retired = true;
        }
    }

    /// Receives the messages of a fork server.
    fn receive(&mut self, epoll: &Descriptor, id: u64) -> Vec<ForkEvent> {
        match self.servers.iter_mut().find(|server| server.id == id) {
            Some(server) => server.receive(epoll),
            None => Vec::new(),
        }
    }

    /// Takes out a fork server that has exited.
    fn take_exited(&mut self, epoll: &Descriptor, id: u64) -> Option<OrphanedRequests> {
        let index = self.servers.iter().position(|server| server.id == id)?;
        if !has_exited(self.servers[index].process.handle()) {
            return None;
        }
        let server = self.servers.remove(index);
        let pid = server.process.pid();
        let error = match (server.is_ready, server.start_error) {
            (false, Some(error)) => Some(error),
            (true, _) if server.requests.is_empty() => None,
            (is_ready, _) => {
                let number = pid.as_raw_nonzero();
                let exit = describe_status(zombie_status(pid));
                let when =
                    if is_ready { "while it was to fork one" } else { "before it was ready" };
                let message =
                    format!("process {number}, which workers are forked from, {exit} {when}");
                Some(Error::new(Status::POOL_ERR_OS, message))
            }
        };
        stop_listening_to(epoll, &server.process);
        let seats = server.requests.iter().map(|request| request.seat).collect();
        Some(OrphanedRequests { seats, error })
    }

    /// Lets a fork server reap a worker that has exited: its process id may be reused.
    pub(super) fn reap(&mut self, id: u64, pid: Pid) {
        if let Some(server) = self.servers.iter_mut().find(|server| server.id == id) {
            server.unreaped.push(pid);
            server.reap();
        }
    }

    /// Ends the retired fork servers that have no workers.
    pub(super) fn remove_retired(&mut self, epoll: &Descriptor, has_workers: impl Fn(u64) -> bool) {
        let is_done = |server: &ForkServer| {
            server.is_retired && server.requests.is_empty() && !has_workers(server.id)
        };
        while let Some(index) = self.servers.iter().position(is_done) {
            stop_listening_to(epoll, &self.servers.remove(index).process);
        }
    }

    /// The requested workers are not needed any more. A fork server that is ready must answer
    /// within a second, or it is killed; one that is not ready is killed now.
    pub(super) fn expedite(&mut self) {
        let since = Instant::now().checked_sub(ANSWER_TIMEOUT - ANSWER_TIMEOUT_AT_STOP);
        for server in self.servers.iter_mut().filter(|server| !server.requests.is_empty()) {
            match since.filter(|_| server.is_ready) {
                Some(since) => server.unanswered = Some((since, LOOKS - 1)),
                None => server.process.kill(),
            }
        }
    }

    /// Kills the fork servers with unanswered requests.
    pub(super) fn kill_awaited(&self) {
        for server in self.servers.iter().filter(|server| !server.requests.is_empty()) {
            server.process.kill();
        }
    }

    /// When to check the unanswered requests, and to send what could not be sent.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let unanswered = self.servers.iter().filter_map(|server| server.unanswered);
        let looks = unanswered.map(|(since, _)| since + ANSWER_TIMEOUT);
        looks.chain(self.servers.iter().filter_map(|server| server.resend_at)).min()
    }

    /// Kills the fork servers that have not answered for too long; sends to the others what could
    /// not be sent.
    pub(super) fn look(&mut self, now: Instant) {
        for server in &mut self.servers {
            if server.resend_at.is_some_and(|at| at <= now) {
                server.resend_at = None;
                server.send_requests();
                server.reap();
            }
            if let Some((since, looks)) = &mut server.unanswered
                && now.duration_since(*since) >= ANSWER_TIMEOUT
            {
                (*since, *looks) = (now, *looks + 1);
                if *looks >= LOOKS {
                    server.process.kill();
                }
            }
        }
    }

    /// Whether the descriptors of all fork servers are still the pool's own.
    pub(super) fn own_descriptors(&self) -> bool {
        self.servers.iter().all(|ForkServer { process, .. }| {
            process.handle().is_ours() && process.channel().is_none_or(|it| it.own().is_ok())
        })
    }

    /// Ends all fork servers, and waits for their exits. They have no workers.
    pub(super) fn close(&mut self, epoll: &Descriptor) {
        for server in self.servers.drain(..) {
            stop_listening_to(epoll, &server.process);
            if !server.is_ready {
                server.process.kill();
            }
        }
    }
}

fn stop_listening_to(epoll: &Descriptor, process: &ForkServerProcess) {
    stop_listening(epoll, process.handle().own());
    if let Some(channel) = process.channel() {
        stop_listening(epoll, channel.own());
    }
}

fn start_server(
    config: &ProcessConfig,
    start: &WorkerStart<'_>,
    image: Image,
) -> Result<ForkServerProcess> {
    match config.start {
        StartMethod::Fork { with_threads: false } => {
            let message = "the copy of the caller that workers were forked from is gone, and cannot be made again as it was";
            Err(Error::new(Status::POOL_ERR_BROKEN, message))
        }
        StartMethod::Fork { with_threads: true } => {
            spawn::fork_server(start.name, config, start.region)
        }
        StartMethod::Forkserver | StartMethod::Spawn => {
            spawn::execute_fork_server(start, config, image)
        }
    }
}

impl ForkServer {
    fn receive(&mut self, epoll: &Descriptor) -> Vec<ForkEvent> {
        let mut events = Vec::new();
        // Some, if there are many: others wait for theirs to be received.
        for _ in 0..MESSAGES_AT_ONCE {
            let Some(channel) = self.process.channel() else { break };
            match channel.try_receive() {
                Received::Message(message, file) => events.extend(self.on_message(message, file)),
                Received::Nothing => break,
                Received::Garbage => {
                    let _ = epoll::delete(epoll, channel);
                    self.process.kill();
                    break;
                }
                Received::End => {
                    // Its exit is detected by its pidfd.
                    stop_listening(epoll, channel.own());
                    break;
                }
            }
        }
        self.send_requests();
        self.reap();
        events
    }

    fn on_message(&mut self, message: Message, handle: Option<Descriptor>) -> Option<ForkEvent> {
        match message {
            Message::Ready => {
                self.is_ready = true;
                None
            }
            Message::StartFailed { status, errno, message } => {
                self.start_error = Some(Error::from_peer(status, errno, message));
                None
            }
            Message::Forked { seat, pid } => {
                let pid = Pid::from_raw(pid).filter(|_| pid > 1);
                let seat = self.answered(seat)?;
                match (handle, pid) {
                    (Some(handle), Some(pid)) => Some(ForkEvent::Forked { seat, pid, handle }),
                    // There was no descriptor left for its pidfd. Its channel will be closed, so it
                    // exits.
                    (None, _) => {
                        let error = Error::os("receiving a worker's handle", Errno::MFILE);
                        Some(ForkEvent::Failed { seat, error })
                    }
                    (Some(_), None) => {
                        let error = Error::os("fork", Errno::SRCH);
                        Some(ForkEvent::Failed { seat, error })
                    }
                }
            }
            Message::ForkFailed { seat, errno } => {
                let seat = self.answered(seat)?;
                let error = Error::os("fork", Errno::from_raw_os_error(errno));
                Some(ForkEvent::Failed { seat, error })
            }
            // Messages that a fork server does not send.
            _ => None,
        }
    }

    /// Removes the oldest request, which was answered for this seat. None: the answer is not for
    /// it, so the fork server is corrupted, and is killed.
    fn answered(&mut self, seat: u64) -> Option<usize> {
        let oldest = self.requests.front().filter(|request| request.channel.is_none());
        let oldest = oldest.map(|request| request.seat).filter(|own| *own as u64 == seat);
        let Some(seat) = oldest else {
            self.process.kill();
            return None;
        };
        self.requests.pop_front();
        let has_more = self.count_sent() > 0;
        self.unanswered = self.unanswered.map(|_| (Instant::now(), 0)).filter(|_| has_more);
        Some(seat)
    }

    fn count_sent(&self) -> usize {
        self.requests.iter().take_while(|request| request.channel.is_none()).count()
    }

    /// Sends as many requests as may be unanswered.
    fn send_requests(&mut self) {
        let Some(channel) = self.process.channel().filter(|_| self.is_ready) else { return };
        let sent = self.count_sent();
        for request in self.requests.iter_mut().take(UNANSWERED_MAX).skip(sent) {
            let Some(theirs) = &request.channel else { continue };
            let message = Message::Fork { seat: request.seat as u64, title: request.title.clone() };
            if let Err(error) = channel.send_now(&message, Some(theirs.as_fd())) {
                self.resend_at = resend_at(&error);
                break;
            }
            request.channel = None;
            self.unanswered.get_or_insert_with(|| (Instant::now(), 0));
        }
    }

    fn reap(&mut self) {
        let Some(channel) = self.process.channel() else { return };
        self.unreaped.retain(|pid| {
            let pid = pid.as_raw_nonzero().get();
            let sent = channel.send_now(&Message::Reap { pid }, None);
            if let Err(error) = &sent {
                self.resend_at = resend_at(error).or(self.resend_at);
            }
            sent.is_err()
        });
    }
}

/// When to send again after this error. None: the fork server has exited.
fn resend_at(error: &Error) -> Option<Instant> {
    error.is_shortage().then(|| Instant::now() + BACK_OFF)
}
