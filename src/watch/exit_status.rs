//! How processes end: killing them, and what the kernel tells of their ends.

use crate::error::Detail;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::os::fd::{AsFd, OwnedFd};

/// What the kernel tells of a process that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    pub(crate) pid: i64,
    pub(crate) how: How,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    Signal(i32),
    Exit(i32),
    /// Somebody else in this process has waited for it.
    Unknown,
}

/// Kills a worker process, with all that its tasks have started in its group. The number of one that has
/// ended is kept as long as it is in somebody's books: the watch's, or its template's. Where the template
/// is gone the first call tells whether it is still its own.
pub(super) fn kill(pid: Pid, handle: &OwnedFd) {
    if rustix::process::pidfd_send_signal(handle, Signal::KILL).is_ok() {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}

/// Asks a worker process that has not ended, and all in its group, to end.
pub(super) fn terminate(pid: Pid, handle: &OwnedFd) {
    if is_readable(handle) {
        return;
    }
    let _ = rustix::process::kill_process_group(pid, Signal::TERM);
    // It may have made another group its own.
    if rustix::process::getpgid(Some(pid)) != Ok(pid) {
        let _ = rustix::process::pidfd_send_signal(handle, Signal::TERM);
    }
}

/// Whether the process of a handle has ended.
pub(super) fn is_readable(handle: &OwnedFd) -> bool {
    let mut end = [PollFd::new(handle, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(rustix::event::poll(&mut end, Some(&now)), Ok(1..))
}

/// How a process ended that is not waited for here, by what the kernel shows of it until its parent
/// has waited for it. (proc(5): the state is the third entry of its line, the exit code the 52nd.)
pub(super) fn zombie_status(pid: Pid) -> How {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    // The second is a name in parentheses, in which anything may stand.
    let entries = text.rsplit_once(") ").map(|(_, rest)| rest.split_ascii_whitespace());
    let Some(mut entries) = entries else { return How::Unknown };
    let state = entries.next();
    let status = entries.nth(48).and_then(|entry| entry.parse::<i32>().ok());
    match status {
        Some(status) if matches!(state, Some("Z" | "X")) => match status & 0x7f {
            0 => How::Exit(status >> 8 & 0xff),
            signal => How::Signal(signal),
        },
        _ => How::Unknown,
    }
}

/// How a process ended; None when it has not.
pub(super) fn wait_for(handle: &OwnedFd) -> rustix::io::Result<Option<How>> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    loop {
        match rustix::process::waitid(WaitId::PidFd(handle.as_fd()), options) {
            Ok(None) => return Ok(None),
            Ok(Some(status)) => {
                let signal = status.terminating_signal().map(How::Signal);
                let exit = || status.exit_status().map(How::Exit);
                return Ok(Some(signal.or_else(exit).unwrap_or(How::Unknown)));
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// A death in numbers and words; `doing` is the end of the sentence.
pub(crate) fn detail_of(death: Death, doing: &str) -> Detail {
    let message = format!("{} {doing}", describe_exit(death));
    let mut detail = Detail { worker_pid: death.pid, message, ..Detail::default() };
    match death.how {
        How::Signal(signal) => detail.signal = signal,
        How::Exit(code) => detail.exit_code = code,
        How::Unknown => {}
    }
    detail
}

/// A death in words: the beginning of a sentence.
pub(crate) fn describe_exit(death: Death) -> String {
    format!("worker process {} {}", death.pid, describe_status(death.how))
}

/// How a process ended.
pub(crate) fn describe_status(how: How) -> String {
    match how {
        How::Signal(signal) => match signal_name(signal) {
            Some(name) => format!("was killed by signal {signal} ({name})"),
            None => format!("was killed by signal {signal}"),
        },
        How::Exit(code) => format!("left with exit code {code}"),
        How::Unknown => "is gone".to_owned(),
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
