//! The fork servers from which worker processes are started, the parent's end.
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
use super::exit_status::{Orphans, describe_status, has_exited, orphan_status};
use super::start::BACK_OFF;
use super::worker_process::StartedProcess;
use super::workers::{EventSource, stop_listening};
use crate::board::Stage;
use crate::error::{Error, Result, Status};
use crate::fd::Descriptor;
use crate::worker::config::{Image, ProcessConfig, StartMethod};
use crate::worker::protocol::Message;
use crate::worker::spawn::{self, ChannelEnds, FirstWorker, ForkServerProcess, WorkerStart};
use crate::worker::{Channel, Received};
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::process::Pid;
use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
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
    /// Workers that have exited, and may not be reaped yet.
    zombies: Vec<(Pid, Arc<Descriptor>)>,
    /// The user and the group of this process when it started the fork server.
    identity: [u32; 4],
}

struct ForkRequest {
    seat: usize,
    title: String,
    /// The worker's end of its channel, until it is sent.
    channel: Option<Channel>,
}

/// The outcome of a request.
pub(super) enum ForkEvent {
    Forked {
        seat: usize,
        process: StartedProcess,
    },
    Failed {
        seat: usize,
        error: Error,
    },
    /// How a worker has exited; None: the fork server does not know.
    Exited {
        pid: Pid,
        status: Option<ExitStatus>,
    },
}

/// Why a worker was not forked.
enum StartFailure {
    NotBegun(Error),
    /// The fork server has exited. With how long it was waited for.
    Exited(Error, Duration),
}

/// What a fork server leaves that has exited.
struct OrphanedRequests {
    /// The seats of its unanswered requests.
    seats: Vec<usize>,
    /// Its process group.
    group: Pid,
    /// Its workers that may be zombies.
    zombies: Vec<(Pid, Arc<Descriptor>)>,
    /// Why the fork server has exited; None where there are no requests.
    error: Option<Error>,
}

impl Supervisor {
    /// Handles a message of a fork server, or its exit.
    pub(super) fn on_fork_server_event(&mut self, id: u64) {
        let failures = self.handle_fork_server_event(id);
        self.reap_told();
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
        // Asked first: what it has sent before its exit is received after that.
        let has_exited = workers.fork_servers.has_exited(id);
        for event in workers.fork_servers.receive(&workers.epoll, id) {
            let (seat, outcome) = match event {
                ForkEvent::Forked { seat, process } => {
                    (seat, workers.on_worker_forked(state, seat, process))
                }
                ForkEvent::Failed { seat, error } => (seat, Err(error)),
                ForkEvent::Exited { pid, status } => {
                    workers.set_exits(id, Some(pid), status);
                    continue;
                }
            };
            if let Err(error) = outcome {
                workers.vacate_seat(state, seat);
                failures.push(StartFailure::NotBegun(error));
            }
        }
        let orphaned =
            has_exited.then(|| workers.fork_servers.take_exited(&workers.epoll, id)).flatten();
        if let Some(OrphanedRequests { seats, group, zombies, error }) = orphaned {
            workers.set_exits(id, None, None);
            workers.orphans.add_group(group);
            zombies.into_iter().for_each(|(_, handle)| workers.orphans.add(handle));
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
        "the process that starts the workers was not ready within start_timeout_ms ({ms} ms), and was killed"
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
        let epoll = epoll.own().map_err(failed)?;
        epoll::add(epoll, process.handle(), data, flags).map_err(failed)?;
        epoll::add(epoll, &**process.channel(), data, flags).map_err(failed)?;
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
            zombies: Vec::new(),
            identity: identity(),
        });
        Ok(())
    }

    /// Requests a worker. The outcome comes as a [`ForkEvent`].
    pub(super) fn request(
        &mut self,
        epoll: &Descriptor,
        config: &ProcessConfig,
        start: &WorkerStart<'_>,
        image: Image,
        ours: &Channel,
        theirs: Channel,
    ) -> Result<()> {
        self.retire_others(config, image);
        let (seat, executes) = (usize::from(start.seat.0), config.start == StartMethod::Spawn);
        let mut channel = Some(theirs);
        if self.current().is_none() {
            // A worker that is executed starts along with the fork server.
            let theirs = channel.take_if(|_| executes);
            let process = start_server(config, start, image, ours, theirs.as_ref())?;
            self.add_server(epoll, process, image)?;
        } else if executes {
            spawn::send_program(config, image, ours)?;
        }
        let server = self.current().ok_or(Status::POOL_ERR_OS)?;
        server.requests.push_back(ForkRequest { seat, title: start.title(), channel });
        server.send_requests();
        Ok(())
    }

    fn current(&mut self) -> Option<&mut ForkServer> {
        self.servers.last_mut().filter(|server| !server.is_retired)
    }

    /// Retires a fork server that is not what the next worker needs: one that runs another program, if
    /// workers are forked from it; one of another user, if they are executed, each as the user that
    /// this process is now. A copy of the caller serves for every program.
    fn retire_others(&mut self, config: &ProcessConfig, image: Image) {
        let Some(server) = self.current() else { return };
        server.is_retired = match config.start {
            StartMethod::Spawn => server.identity != identity(),
            StartMethod::Forkserver => server.image != image,
            StartMethod::Fork { .. } => false,
        };
    }

    /// Receives the messages of a fork server.
    fn receive(&mut self, epoll: &Descriptor, id: u64) -> Vec<ForkEvent> {
        match self.servers.iter_mut().find(|server| server.id == id) {
            Some(server) => server.receive(epoll),
            None => Vec::new(),
        }
    }

    fn has_exited(&self, id: u64) -> bool {
        let server = self.servers.iter().find(|server| server.id == id);
        server.is_some_and(|server| has_exited(server.process.handle()))
    }

    /// Takes out a fork server that has exited.
    fn take_exited(&mut self, epoll: &Descriptor, id: u64) -> Option<OrphanedRequests> {
        let index = self.servers.iter().position(|server| server.id == id)?;
        let server = self.servers.remove(index);
        let pid = server.process.pid();
        let status = orphan_status(pid, server.process.handle());
        let error = match (server.is_ready, server.start_error) {
            (false, Some(error)) => Some(error),
            (true, _) if server.requests.is_empty() => None,
            (is_ready, _) => {
                let number = pid.as_raw_nonzero();
                let exit = describe_status(status);
                let when =
                    if is_ready { "while it was to fork one" } else { "before it was ready" };
                let message = format!("process {number}, which starts the workers, {exit} {when}");
                Some(Error::new(Status::POOL_ERR_OS, message))
            }
        };
        stop_listening_to(epoll, &server.process);
        let seats = server.requests.iter().map(|request| request.seat).collect();
        Some(OrphanedRequests { seats, group: pid, zombies: server.zombies, error })
    }

    /// The process id of a fork server that lives.
    pub(super) fn pid(&self, id: u64) -> Option<Pid> {
        self.servers.iter().find(|server| server.id == id).map(|server| server.process.pid())
    }

    /// Notes that a worker has exited, for [`ForkServers::send_reaps`]. False: its fork server is gone.
    pub(super) fn reap(&mut self, process: &StartedProcess) -> bool {
        let id = process.fork_server;
        let Some(server) = self.servers.iter_mut().find(|server| server.id == id) else {
            return false;
        };
        server.unreaped.push(process.pid);
        server.zombies.retain(|(pid, _)| still_exists(*pid));
        server.zombies.push((process.pid, process.handle.clone()));
        true
    }

    /// Lets the fork servers reap the workers that have exited: their process ids may be reused.
    pub(super) fn send_reaps(&mut self) {
        self.servers.iter_mut().for_each(ForkServer::reap);
    }

    /// Ends the retired fork servers that have no workers.
    pub(super) fn remove_retired(
        &mut self,
        epoll: &Descriptor,
        orphans: &mut Orphans,
        has_workers: impl Fn(u64) -> bool,
    ) {
        let is_done = |server: &ForkServer| {
            server.is_retired && server.requests.is_empty() && !has_workers(server.id)
        };
        while let Some(index) = self.servers.iter().position(is_done) {
            self.servers.remove(index).end(epoll, orphans);
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

    /// Their pidfds.
    pub(super) fn handles(&self) -> impl Iterator<Item = &Descriptor> {
        self.servers.iter().map(|server| server.process.handle())
    }

    /// Whether the descriptors of all fork servers are still the pool's own.
    pub(super) fn own_descriptors(&self) -> bool {
        self.servers.iter().all(|ForkServer { process, .. }| {
            process.handle().is_ours() && process.channel().own().is_ok()
        })
    }

    /// Kills all fork servers, whose descriptors the program has closed.
    pub(super) fn kill_all(&mut self) {
        for server in &mut self.servers {
            server.process.renew_handle();
            server.process.kill();
        }
    }

    /// Ends all fork servers, and waits for their exits. They have no workers.
    pub(super) fn close(&mut self, epoll: &Descriptor, orphans: &mut Orphans) {
        for server in self.servers.drain(..) {
            if !server.is_ready {
                server.process.kill();
            }
            server.end(epoll, orphans);
        }
        orphans.finish();
    }
}

fn stop_listening_to(epoll: &Descriptor, process: &ForkServerProcess) {
    stop_listening(epoll, process.handle().own());
    stop_listening(epoll, process.channel().own());
}

/// Whether a process exists, if only as a zombie.
fn still_exists(pid: Pid) -> bool {
    rustix::process::test_kill_process(pid) != Err(Errno::SRCH)
}

/// The user and the group of this process, real and effective.
fn identity() -> [u32; 4] {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    [getuid().as_raw(), geteuid().as_raw(), getgid().as_raw(), getegid().as_raw()]
}

fn start_server(
    config: &ProcessConfig,
    start: &WorkerStart<'_>,
    image: Image,
    ours: &Channel,
    theirs: Option<&Channel>,
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
            let title = start.title();
            let first = theirs
                .map(|theirs| FirstWorker { title: &title, channel: ChannelEnds { ours, theirs } });
            spawn::execute_fork_server(start, config, image, first)
        }
    }
}

impl ForkServer {
    /// Ends the process, and waits for what this process adopts from it.
    fn end(self, epoll: &Descriptor, orphans: &mut Orphans) {
        stop_listening_to(epoll, &self.process);
        let group = self.process.pid();
        drop(self.process);
        orphans.add_group(group);
        self.zombies.into_iter().for_each(|(_, handle)| orphans.add(handle));
    }

    fn receive(&mut self, epoll: &Descriptor) -> Vec<ForkEvent> {
        let mut events = Vec::new();
        let channel = self.process.channel().clone();
        // Some, if there are many: others wait for theirs to be received.
        for _ in 0..MESSAGES_AT_ONCE {
            match channel.try_receive() {
                Received::Message(message, file) => events.extend(self.on_message(message, file)),
                Received::Nothing => break,
                Received::Garbage => {
                    stop_listening(epoll, channel.own());
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
                    (Some(handle), Some(pid)) => {
                        let channel = self.process.channel().clone();
                        let process = StartedProcess::new(pid, handle, self.id, channel);
                        Some(ForkEvent::Forked { seat, process })
                    }
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
            Message::ForkFailed { seat, status, errno, message } => {
                let seat = self.answered(seat)?;
                let error = Error::from_peer(status, errno, message);
                Some(ForkEvent::Failed { seat, error })
            }
            Message::Exited { pid, status } => {
                let pid = Pid::from_raw(pid).filter(|_| pid > 1)?;
                Some(ForkEvent::Exited { pid, status: status.map(ExitStatus::from_raw) })
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
        if !self.is_ready {
            return;
        }
        let channel = self.process.channel();
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
        let channel = self.process.channel();
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
