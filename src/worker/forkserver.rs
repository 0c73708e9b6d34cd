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

use super::channel::{Channel, Received, close_inherited_channels};
use super::config::ProcessConfig;
use super::protocol::{EXIT_START_FAILED, ExitReason, Message};
use super::resolve::Resolver;
use super::{child, current, dl_lock};
use crate::board::Region;
use crate::error::{Error, Result};
use crate::process;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use std::ffi::{CStr, CString, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Forks workers as long as the host wants any. It comes back in the workers only, each with its line;
/// the template itself leaves.
pub(super) fn serve(channel: &Channel, host: &OwnedFd) -> Result<Channel> {
    process::count_forks();
    flush_streams();
    channel.send(&Message::Ready, None)?;
    loop {
        child::wait_for_message(channel, host);
        match channel.try_receive() {
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
            Received::End => exit(),
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
        exit();
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
fn exit() -> ! {
    while let Ok(Some(_)) = rustix::process::waitpid(None, WaitOptions::NOHANG) {}
    // SAFETY: ends the process without running anything.
    unsafe { libc::_exit(0) }
}

/// What the copy knows of the caller.
pub(super) struct CallerCopy<'a> {
    pub(super) name: &'a str,
    pub(super) process_config: &'a ProcessConfig,
    pub(super) region: &'a Arc<Region>,
    /// The caller's process.
    pub(super) host: OwnedFd,
}

impl CallerCopy<'_> {
    /// The life of the template, and of each worker that it forks.
    pub(super) fn live(self, channel: Channel) -> ! {
        let work = || {
            let mut channel = detach_from_parent(channel, self.name);
            let mut resolver = Resolver::in_main_program();
            exit_with_host(&channel, true);
            let made_ready = prepare(self.process_config, &mut resolver);
            exit_with_host(&channel, false);
            match made_ready.and_then(|()| serve(&channel, &self.host)) {
                Ok(own) => channel = own,
                Err(error) => return child::send_exit(&channel, Err(error)),
            }
            let channel = Arc::new(channel);
            let outcome: Result<ExitReason> =
                child::work_when_initialized(&channel, self.region.clone(), resolver, self.host);
            child::send_exit(&channel, outcome)
        };
        // Nobody below us on the stack may go on in this process.
        let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(EXIT_START_FAILED);
        end(code)
    }
}

/// Leaves what is the caller's; answers the line.
fn detach_from_parent(channel: Channel, name: &str) -> Channel {
    let own = channel.as_fd().try_clone_to_owned();
    let own = own.map(above_stdio);
    std::mem::forget(channel);
    dl_lock::reset();
    close_inherited_channels();
    let Ok(own) = own else { end(EXIT_START_FAILED) };
    let _ = rustix::process::setpgid(None, None);
    if let Ok(name) = CString::new(format!("{name}/forkserver")) {
        child::forget_command_line();
        child::rename_process(&name);
    }
    current::clear();
    discard_output();
    replace_exit_handlers();
    reset_signals();
    Channel::from_fd(own)
}

/// While modules are opened nobody looks after the host. Its end closes the line, and the kernel then
/// sends a signal, which ends the process. (fcntl(2): O_ASYNC.)
fn exit_with_host(channel: &Channel, is_on: bool) {
    let channel = channel.as_fd().as_raw_fd();
    // SAFETY: asks for the process's number.
    let own = unsafe { libc::getpid() };
    // SAFETY: says who gets the signal.
    unsafe { libc::fcntl(channel, libc::F_SETOWN, own) };
    // SAFETY: asks for the flags of a descriptor.
    let flags = unsafe { libc::fcntl(channel, libc::F_GETFL) };
    let flags = if is_on { flags | libc::O_ASYNC } else { flags & !libc::O_ASYNC };
    // SAFETY: sets the flags of a descriptor of ours.
    unsafe { libc::fcntl(channel, libc::F_SETFL, flags) };
}

/// What the caller has printed and not yet written is the caller's to write.
fn discard_output() {
    unsafe extern "C" {
        static stdout: *mut libc::FILE;
        /// glibc: forgets what is in the buffer of a stream.
        fn __fpurge(stream: *mut libc::FILE);
    }
    // SAFETY: the C library's own stream.
    let stream = unsafe { stdout };
    // SAFETY: an open stream, and the process has one thread.
    unsafe { __fpurge(stream) };
}

/// Makes ready what workers have in common.
fn prepare(process_config: &ProcessConfig, resolver: &mut Resolver) -> Result<()> {
    if let Some(stdin) = process_config.inherited_fds.open_stdin()? {
        // SAFETY: makes number 0 another name of a descriptor of ours; nobody owns number 0 here.
        if unsafe { libc::dup2(stdin.as_raw_fd(), 0) } < 0 {
            return Err(Error::os("dup2", last_errno()));
        }
        if stdin.as_raw_fd() == 0 {
            std::mem::forget(stdin);
        }
    }
    if let Some(directory) = &process_config.directory {
        let failed =
            |errno| Error::os(&format!("changing to {}", directory.to_string_lossy()), errno);
        rustix::process::chdir(directory).map_err(failed)?;
    }
    if let Some(environment) = &process_config.environment {
        set_environment(environment);
    }
    for path in &process_config.modules {
        resolver.open(path)?;
    }
    resolver.open_where_possible(process_config.preload.iter().map(String::as_str));
    Ok(())
}

/// No handler of the caller's is called, and no signal blocked; interrupts are the host's matter.
fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: sets a disposition; those that cannot be set are refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    child::ignore_interrupts();
    let mut none = MaybeUninit::uninit();
    // SAFETY: fills in the set.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: a set that was filled in.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) };
}

fn set_environment(entries: &[CString]) {
    // SAFETY: the process has one thread.
    unsafe { libc::clearenv() };
    for entry in entries {
        // It becomes part of the environment, so it is never freed.
        let entry: &'static CStr = Box::leak(entry.clone().into_boxed_c_str());
        // SAFETY: the process has one thread, and the string lives for good.
        unsafe { libc::putenv(entry.as_ptr().cast_mut()) };
    }
}

/// What the caller has to be done at its exit is not done when a task exits: handlers are called last
/// added first, and this one ends the process.
fn replace_exit_handlers() {
    unsafe extern "C" fn end_here(code: c_int, _: *mut c_void) {
        end(code)
    }
    unsafe extern "C" {
        /// glibc: like atexit, with the code that the process exits with.
        fn on_exit(
            function: unsafe extern "C" fn(c_int, *mut c_void),
            argument: *mut c_void,
        ) -> c_int;
    }
    // SAFETY: the function is part of the library, which is never unloaded.
    unsafe { on_exit(end_here, std::ptr::null_mut()) };
}

/// Ends this copy, after what the library itself has to do; what was printed is written.
fn end(code: c_int) -> ! {
    process::run_exit_handler();
    flush_streams();
    // SAFETY: ends the process without running anything of the caller's.
    unsafe { libc::_exit(code) }
}
