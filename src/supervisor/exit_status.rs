//! Killing processes, and reading and describing their exit statuses.

use crate::error::Detail;
use crate::fd::Descriptor;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// A process that has exited.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProcessExit {
    pub(super) pid: i64,
    /// None: unknown, because the process was not a child of this one, or because other code of
    /// this process has waited for it.
    pub(super) status: Option<ExitStatus>,
}

impl ProcessExit {
    /// Nothing is known about the exit.
    pub(super) const UNKNOWN: ProcessExit = ProcessExit { pid: 0, status: None };

    /// As the detail of an error; `doing` is the end of its sentence.
    pub(super) fn to_detail(self, doing: &str) -> Detail {
        Detail {
            worker_pid: self.pid,
            signal: self.status.and_then(|status| status.signal()).unwrap_or(0),
            exit_code: self.status.and_then(|status| status.code()).unwrap_or(0),
            message: format!("{} {doing}", self.describe()),
            ..Detail::default()
        }
    }

    /// Subject and predicate of a sentence.
    pub(super) fn describe(self) -> String {
        format!("worker process {} {}", self.pid, describe_status(self.status))
    }

    pub(super) fn is_success(self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// An exit status as the predicate of a sentence.
pub(super) fn describe_status(status: Option<ExitStatus>) -> String {
    let Some(status) = status else { return "is gone".to_owned() };
    match (status.signal(), status.code()) {
        (Some(signal), _) => match signal_name(signal) {
            Some(name) => format!("was killed by signal {signal} ({name})"),
            None => format!("was killed by signal {signal}"),
        },
        (None, Some(code)) => format!("left with exit code {code}"),
        (None, None) => "is gone".to_owned(),
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        _ => return None,
    })
}

/// Kills a worker process, with all that its tasks have started in its process group. The process
/// id of an exited worker is not reused until the supervisor or the fork server has reaped it. If
/// the fork server has exited, the first call shows whether the process still exists.
pub(super) fn kill(pid: Pid, handle: &Descriptor) {
    if send_signal(handle, Signal::KILL).is_ok() {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}

pub(super) fn send_signal(handle: &Descriptor, signal: Signal) -> rustix::io::Result<()> {
    rustix::process::pidfd_send_signal(handle.own()?, signal)
}

/// Sends SIGTERM to a worker process that has not exited, and to its process group.
pub(super) fn terminate(pid: Pid, handle: &Descriptor) {
    if has_exited(handle) || !handle.is_ours() {
        return;
    }
    let _ = rustix::process::kill_process_group(pid, Signal::TERM);
    // The worker may have moved to another process group.
    if rustix::process::getpgid(Some(pid)) != Ok(pid) {
        let _ = send_signal(handle, Signal::TERM);
    }
}

/// Whether the process of this pidfd has exited.
pub(super) fn has_exited(handle: &Descriptor) -> bool {
    let Ok(handle) = handle.own() else { return false };
    let mut end = [PollFd::new(&handle, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(rustix::event::poll(&mut end, Some(&now)), Ok(1..))
}

/// The exit status of a zombie that is not our child. The kernel shows it until the parent has
/// waited for the process. (proc(5), /proc/pid/stat: the state is the third field, the exit code
/// the 52nd.)
pub(super) fn zombie_status(pid: Pid) -> Option<ExitStatus> {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    // The second field is a name in parentheses, which may contain anything.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next();
    let status = fields.nth(48).and_then(|field| field.parse::<i32>().ok());
    status.filter(|_| matches!(state, Some("Z" | "X"))).map(ExitStatus::from_raw)
}

/// Exited children that cannot be waited for yet: a debugger traces them, and is notified first.
/// Their exits are handled without that; here they are waited for later, so that no zombie stays.
#[derive(Default)]
pub(super) struct TracedZombies {
    handles: Vec<Descriptor>,
    next_check: Option<Instant>,
}

/// How often the debugger may have let go of one.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

impl TracedZombies {
    pub(super) fn add(&mut self, handle: Descriptor) {
        self.handles.push(handle);
        self.next_check = Some(Instant::now() + CHECK_INTERVAL);
    }

    /// When to call [`TracedZombies::reap`]; None: there are none.
    pub(super) fn next_check(&self) -> Option<Instant> {
        self.next_check
    }

    pub(super) fn reap(&mut self, now: Instant) {
        if self.next_check.is_some_and(|at| at <= now) {
            self.handles.retain(|handle| matches!(wait_for(handle), Ok(None)));
            self.next_check = (!self.handles.is_empty()).then(|| now + CHECK_INTERVAL);
        }
    }
}

/// Waits for a child that may have exited. `Ok(None)`: it has not.
pub(super) fn wait_for(handle: &Descriptor) -> rustix::io::Result<Option<ExitStatus>> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    loop {
        match rustix::process::waitid(WaitId::PidFd(handle.own()?), options) {
            Ok(None) => return Ok(None),
            Ok(Some(status)) => {
                // The encoding of wait(2): the signal, or the code above it.
                let signal = status.terminating_signal();
                let code = status.exit_status().map(|code| (code & 0xff) << 8);
                return Ok(Some(ExitStatus::from_raw(signal.or(code).unwrap_or(0))));
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
