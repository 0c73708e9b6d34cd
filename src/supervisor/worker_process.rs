//! One worker process: sending it signals, and learning how it has exited.
//!
//! Its parent is a fork server, and the host may be allowed little: not to send it signals, when the
//! host has given up root; not to read its exit status, when the kernel hides it. So what fails here is
//! asked of the fork server, over its channel:
//!
//! ```text
//!           pidfd readable; the kernel tells the status
//!   running ──────────────────────────────────────────────▶ exited, status known
//!      │                                                      ▲
//!      └── it does not, or says 0 ──▶ asked ── Exited ────────┘
//!                                       │ the fork server exits, or is silent for `ANSWER_TIMEOUT`
//!                                       └─────────────────▶ exited, status unknown
//! ```
//!
//! The kernel says 0 also where it hides the status, so that is believed only of a worker that has
//! announced its exit. The answer of the fork server is: workers have no channel to it.

use super::exit_status::{has_exited, orphan_status, wait_for, zombie_status};
use crate::fd::Descriptor;
use crate::process;
use crate::worker::Channel;
use crate::worker::protocol::Message;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a fork server may take to tell how a worker has exited. It forks, or executes a program,
/// at most; a stopped one must not hold up the news.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct StartedProcess {
    pub(super) pid: Pid,
    /// A pidfd: readable when the process has exited.
    pub(super) handle: Arc<Descriptor>,
    /// The id of the fork server that has started it.
    pub(super) fork_server: u64,
    /// The channel to that fork server.
    server_channel: Arc<Channel>,
    exit: ExitKnowledge,
    /// The program has closed the pidfd, and no other one can be had.
    is_lost: bool,
}

/// What is known of an exit.
#[derive(Debug, Clone, Copy)]
enum ExitKnowledge {
    None,
    /// The fork server was asked, and answers until then.
    Asked(Instant),
    /// None: it cannot be known.
    Status(Option<ExitStatus>),
}

/// The outcome of [`StartedProcess::exit`].
pub(super) enum ProcessState {
    Running,
    /// It has exited, and the fork server will tell how.
    Asked,
    Exited(Option<ExitStatus>),
    /// The same; a debugger keeps it from being waited for.
    Traced(Option<ExitStatus>),
}

impl StartedProcess {
    pub(super) fn new(
        pid: Pid,
        handle: Descriptor,
        fork_server: u64,
        server_channel: Arc<Channel>,
    ) -> Self {
        let (handle, exit) = (Arc::new(handle), ExitKnowledge::None);
        StartedProcess { pid, handle, fork_server, server_channel, exit, is_lost: false }
    }

    /// Kills the process, with all that its tasks have started in its process group. The process id of
    /// an exited worker is not reused until the fork server has reaped it. If the fork server has
    /// exited, the first call shows whether the process still exists.
    ///
    /// `channel`: that of the worker, whose end ends the worker where nobody can kill it.
    pub(super) fn kill(&self, channel: &Channel) {
        match self.send(Signal::KILL) {
            Ok(()) => {
                let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
            }
            Err(Errno::PERM) if !self.send_by_server(Signal::KILL, true) => channel.shut_down(),
            Err(_) => {}
        }
    }

    /// Sends SIGTERM to a process that has not exited, and to its process group.
    pub(super) fn terminate(&self) {
        if has_exited(&self.handle) || !self.handle.is_ours() {
            return;
        }
        let sent = rustix::process::kill_process_group(self.pid, Signal::TERM);
        if sent == Err(Errno::PERM) {
            self.send_by_server(Signal::TERM, true);
            return;
        }
        // The worker may have moved to another process group.
        if rustix::process::getpgid(Some(self.pid)) != Ok(self.pid) {
            self.signal(Signal::TERM);
        }
    }

    /// Sends a signal to the process, but not to its process group.
    pub(super) fn signal(&self, signal: Signal) {
        if self.send(signal) == Err(Errno::PERM) {
            self.send_by_server(signal, false);
        }
    }

    fn send(&self, signal: Signal) -> rustix::io::Result<()> {
        rustix::process::pidfd_send_signal(self.handle.own()?, signal)
    }

    fn send_by_server(&self, signal: Signal, group: bool) -> bool {
        let pid = self.pid.as_raw_nonzero().get();
        let message = Message::Signal { pid, signal: signal.as_raw(), group };
        self.server_channel.send_now(&message, None).is_ok()
    }

    /// Whether it has exited, as far as that can be known.
    pub(super) fn has_exited(&self) -> bool {
        match self.handle.is_ours() {
            true => has_exited(&self.handle),
            false => self.is_lost || !process::is_running(self.pid),
        }
    }

    /// Opens the pidfd again if the program has closed it.
    pub(super) fn renew_handle(&mut self) {
        if let Some(handle) = Arc::get_mut(&mut self.handle) {
            handle.renew_pidfd(self.pid);
        }
        self.is_lost = !self.handle.is_ours();
    }

    /// Whether the process has exited, and how. `now`: from when an unanswered question is unknown.
    /// `is_announced`: the worker has said that it exits; then the kernel's 0 is believed.
    pub(super) fn exit(&mut self, now: Instant, is_announced: bool) -> ProcessState {
        match self.exit {
            ExitKnowledge::Status(status) => {
                return ProcessState::Exited(status.or_else(|| self.status_without_server()));
            }
            ExitKnowledge::Asked(until) if now < until => return ProcessState::Asked,
            ExitKnowledge::Asked(_) => return ProcessState::Exited(None),
            ExitKnowledge::None => {}
        }
        if !self.has_exited() {
            return ProcessState::Running;
        }
        if !self.handle.is_ours() {
            return ProcessState::Exited(None);
        }
        // Where the host adopts orphans, it has become its parent when the fork server died.
        let adopted = wait_for(&self.handle);
        if let Ok(Some(status)) = adopted {
            return ProcessState::Exited(Some(status));
        }
        let shown = zombie_status(self.pid).filter(|status| is_announced || !status.success());
        match adopted {
            Ok(None) => ProcessState::Traced(shown),
            _ if shown.is_some() => ProcessState::Exited(shown),
            _ if self.ask() => {
                self.exit = ExitKnowledge::Asked(now + ANSWER_TIMEOUT);
                ProcessState::Asked
            }
            _ => ProcessState::Exited(self.status_without_server()),
        }
    }

    fn status_without_server(&self) -> Option<ExitStatus> {
        orphan_status(self.pid, &self.handle)
    }

    fn ask(&self) -> bool {
        let pid = self.pid.as_raw_nonzero().get();
        self.server_channel.send_now(&Message::Wait { pid }, None).is_ok()
    }

    /// The fork server has told how it has exited, or has exited itself.
    pub(super) fn set_exit(&mut self, status: Option<ExitStatus>) {
        if matches!(self.exit, ExitKnowledge::Asked(_)) {
            self.exit = ExitKnowledge::Status(status);
        }
    }

    /// Whether the fork server, once asked, has told, or will not.
    pub(super) fn is_told(&self, now: Instant) -> bool {
        match self.exit {
            ExitKnowledge::None => false,
            ExitKnowledge::Asked(until) => until <= now,
            ExitKnowledge::Status(_) => true,
        }
    }

    /// Until when the fork server is waited for.
    pub(super) fn asked_until(&self) -> Option<Instant> {
        match self.exit {
            ExitKnowledge::Asked(until) => Some(until),
            ExitKnowledge::None | ExitKnowledge::Status(_) => None,
        }
    }
}
