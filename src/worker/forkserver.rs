//! A template process: it has one thread, has made ready all that workers have in common, and forks
//! workers when it is asked to.
//!
//! ```text
//!   made ready ── Up ──▶ waits ── Fork ──▶ forks ──▶ answers ──┐
//!                          ▲ │                │                │
//!                          │ └── Reap ──┐     └─▶ a worker     │
//!                          └────────────┴──────────────────────┘
//! ```
//!
//! It is the parent of the workers, but the host watches them: it gets a handle of each. A worker that
//! has ended keeps its number until the host says that nobody needs it, so that nobody else is hit by
//! what is meant for it.

use super::channel::{Channel, Received};
use super::child;
use super::protocol::Message;
use crate::error::Result;
use crate::process;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

/// Forks workers as long as the host wants any. It comes back in the workers only, each with its line;
/// the template itself leaves.
pub(super) fn serve(channel: &Channel, host: &OwnedFd) -> Result<Channel> {
    process::count_forks();
    flush_streams();
    channel.send(&Message::Ready, None)?;
    loop {
        child::wait_for_message(channel, host);
        match channel.receive(false) {
            Received::Message(Message::Fork { seat, title }, Some(theirs)) => {
                if let Some(own) = fork_worker(channel, seat, &title, theirs) {
                    return Ok(own);
                }
            }
            // There is no descriptor left that its line could have here.
            Received::Message(Message::Fork { seat, .. }, None) => {
                let errno = Errno::MFILE.raw_os_error();
                channel.send(&Message::ForkFailed { seat, errno }, None)?;
            }
            Received::Message(Message::Reap { pid }, _) => reap(pid),
            Received::Message(..) | Received::Nothing => {}
            Received::End => leave(),
        }
    }
}

/// In the worker, its line. None: this is the template, and it has answered.
fn fork_worker(channel: &Channel, seat: u64, title: &str, theirs: OwnedFd) -> Option<Channel> {
    let answer = match fork() {
        Ok(None) => return Some(begin(title, theirs)),
        Ok(Some((pid, handle))) => {
            let pid = pid.as_raw_nonzero().get();
            channel.send(&Message::Forked { seat, pid }, Some(handle.as_fd()))
        }
        Err(errno) => {
            let errno = errno.raw_os_error();
            channel.send(&Message::ForkFailed { seat, errno }, None)
        }
    };
    // The host is gone.
    if answer.is_err() {
        leave();
    }
    None
}

/// None in the child; else its number and its handle.
fn fork() -> rustix::io::Result<Option<(Pid, OwnedFd)>> {
    // SAFETY: the template has one thread, so the child finds nothing half done.
    let pid = match unsafe { libc::fork() } {
        0 => return Ok(None),
        pid => Pid::from_raw(pid).filter(|_| pid > 0),
    };
    let Some(pid) = pid else {
        return Err(last_errno());
    };
    // Nobody else waits for the process, so its number is still its own.
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => Ok(Some((pid, handle))),
        Err(errno) => {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
            Err(errno)
        }
    }
}

pub(super) fn last_errno() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// The first that a worker does: a group and a name of its own.
fn begin(title: &str, theirs: OwnedFd) -> Channel {
    let _ = rustix::process::setpgid(None, None);
    if let Ok(title) = CString::new(title) {
        child::rename_process(&title);
    }
    Channel::from_fd(above_stdio(theirs))
}

/// Not one of the standard three, which the program may have closed: what it prints would go here.
pub(super) fn above_stdio(fd: OwnedFd) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(&fd, 3).unwrap_or(fd)
}

/// What is left in the buffers of streams would be written by every copy.
pub(super) fn flush_streams() {
    // SAFETY: NULL means all streams for output.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

fn reap(pid: i32) {
    let pid = Pid::from_raw(pid).filter(|_| pid > 0);
    if pid.is_some() {
        let _ = rustix::process::waitpid(pid, WaitOptions::NOHANG);
    }
}

/// The host wants no more workers. Those that have ended are not left to others.
fn leave() -> ! {
    while let Ok(Some(_)) = rustix::process::waitpid(None, WaitOptions::NOHANG) {}
    // SAFETY: ends the process without running anything.
    unsafe { libc::_exit(0) }
}
