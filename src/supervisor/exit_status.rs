//! Reading and describing exit statuses, and waiting for orphans.

use crate::error::Detail;
use crate::fd::Descriptor;
use crate::worker::{raw_status, status_after_reaping};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A process that has exited.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProcessExit {
    pub(super) pid: i64,
    /// None: unknown, because the fork server that has started the process is gone, or silent.
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

/// Whether the process of this pidfd has exited.
pub(super) fn has_exited(handle: &Descriptor) -> bool {
    let Ok(handle) = handle.own() else { return false };
    let mut end = [PollFd::new(&handle, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(rustix::event::poll(&mut end, Some(&now)), Ok(1..))
}

/// The exit status of a zombie that is not our child, as the kernel shows it until the parent has
/// waited for the process: 0 also where this process may not see it. (proc(5), /proc/pid/stat: the
/// state is the third field, the exit code the 52nd.)
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

/// How a process has exited that may be a child of this one, and whose parent is not asked. Success is
/// not believed where the kernel could hide the status.
pub(super) fn orphan_status(pid: Pid, handle: &Descriptor) -> Option<ExitStatus> {
    let own = wait_for(handle).ok().flatten();
    let shown = || zombie_status(pid).filter(|status| !status.success());
    own.or_else(shown).or_else(|| status_after_reaping(handle).map(ExitStatus::from_raw))
}

/// Processes that have exited, and that this process may have to wait for: orphans that it has adopted,
/// as a subreaper or as init. They are waited for so that no zombie stays. Those that a debugger traces
/// can be waited for only when it has let go.
#[derive(Default)]
pub(super) struct Orphans {
    handles: Vec<Arc<Descriptor>>,
    /// The process groups of fork servers that have exited, in which are the workers that they had
    /// started and not told of.
    groups: Vec<Pid>,
    next_check: Option<Instant>,
}

/// How often the debugger may have let go of one.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

impl Orphans {
    /// Waits for an orphan; later, where that is not possible yet.
    pub(super) fn add(&mut self, handle: Arc<Descriptor>) {
        if matches!(wait_for(&handle), Ok(None)) {
            self.handles.push(handle);
            self.next_check = Some(Instant::now() + CHECK_INTERVAL);
        }
    }

    /// Waits for the orphans of a fork server that has exited.
    pub(super) fn add_group(&mut self, server: Pid) {
        if has_children_in(server) {
            self.groups.push(server);
            self.next_check = Some(Instant::now() + CHECK_INTERVAL);
        }
    }

    /// Waits for those that are about to exit: nobody does so later.
    pub(super) fn finish(&mut self) {
        for _ in 0..FINISH_CHECKS {
            self.groups.retain(|server| has_children_in(*server));
            if self.groups.is_empty() {
                return;
            }
            std::thread::sleep(FINISH_PAUSE);
        }
    }

    /// When to call [`Orphans::reap`]; None: there are none.
    pub(super) fn next_check(&self) -> Option<Instant> {
        self.next_check
    }

    pub(super) fn reap(&mut self, now: Instant) {
        if self.next_check.is_some_and(|at| at <= now) {
            self.handles.retain(|handle| matches!(wait_for(handle), Ok(None)));
            self.groups.retain(|server| has_children_in(*server));
            let is_done = self.handles.is_empty() && self.groups.is_empty();
            self.next_check = (!is_done).then(|| now + CHECK_INTERVAL);
        }
    }
}

/// How long a worker takes to exit whose fork server has died: it gets SIGKILL.
const FINISH_CHECKS: u32 = 500;
const FINISH_PAUSE: Duration = Duration::from_millis(1);

/// Waits for the children of this process in a group that have exited. Whether there are others. The
/// group's number is not used again while there are.
fn has_children_in(group: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    loop {
        match rustix::process::waitid(WaitId::Pgid(Some(group)), options) {
            Ok(None) => return true,
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Err(_) => return false,
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
                return Ok(Some(ExitStatus::from_raw(raw_status(&status))));
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
