//! The fork server process: it forks workers on request.
//!
//! It has one thread, and has prepared what all workers have in common.
//!
//! ```text
//!   prepared ── Ready ──▶ waits ── Fork ──▶ forks ──▶ Forked, or ForkFailed ──┐
//!                          ▲ │                │                               │
//!                          │ └── Reap ──┐     └─▶ a worker                    │
//!                          └────────────┴─────────────────────────────────────┘
//! ```
//!
//! The kernel's parent of the workers is the fork server; the parent in this file is the process of
//! the pool. Its supervisor gets a pidfd of each worker, and waits for its exit. The fork server
//! reaps a worker only when the supervisor sends Reap: until then its process id is not reused, so
//! no other process gets a signal that is meant for the worker.

use super::channel::{Channel, Received, close_inherited_channels};
use super::config::ProcessConfig;
use super::protocol::{EXIT_START_FAILED, ExitReason, Message};
use super::resolve::Resolver;
use super::{child, current, dl_lock};
use crate::board::Region;
use crate::error::{Error, Result};
use crate::fd::Descriptor;
use crate::{fd, process};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};
use std::ffi::{CStr, CString, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Forks workers until the parent closes the channel. Returns in the workers only, in each with its
/// channel; the fork server itself exits.
pub(super) fn serve(channel: &Channel, parent: &Descriptor) -> Result<Channel> {
    process::count_forks();
    flush_streams();
    channel.send_patiently(&Message::Ready, None)?;
    // Those that a debugger traces can be reaped only when it has let go.
    let mut exited = Vec::new();
    loop {
        child::wait_for_message(channel, parent);
        match channel.try_receive() {
            Received::Message(Message::Fork { seat, title }, Some(theirs)) => {
                if let Some(own) = fork_worker(channel, seat, &title, theirs) {
                    return Ok(own);
                }
            }
            // This process had no descriptor left for the worker's channel.
            Received::Message(Message::Fork { seat, .. }, None) => {
                let errno = Errno::MFILE.raw_os_error();
                channel.send_patiently(&Message::ForkFailed { seat, errno }, None)?;
            }
            Received::Message(Message::Reap { pid }, _) => exited.extend(positive(pid)),
            Received::Message(..) | Received::Nothing => {}
            Received::Garbage | Received::End => exit(),
        }
        exited.retain(|pid| {
            matches!(rustix::process::waitpid(Some(*pid), WaitOptions::NOHANG), Ok(None))
        });
    }
}

/// Forks a worker, and replies to the parent. Returns the channel in the worker, None in the fork
/// server.
fn fork_worker(channel: &Channel, seat: u64, title: &str, theirs: Descriptor) -> Option<Channel> {
    let sent = match fork() {
        Ok(None) => return Some(begin(title, theirs)),
        Ok(Some((pid, handle))) => {
            let pid = pid.as_raw_nonzero().get();
            channel.send_patiently(&Message::Forked { seat, pid }, Some(handle.as_fd()))
        }
        Err(errno) => {
            let errno = errno.raw_os_error();
            channel.send_patiently(&Message::ForkFailed { seat, errno }, None)
        }
    };
    // The parent has exited.
    if sent.is_err() {
        exit();
    }
    None
}

/// Forks. Returns None in the child; in the fork server the child's process id and pidfd.
fn fork() -> rustix::io::Result<Option<(Pid, Descriptor)>> {
    // SAFETY: the fork server has one thread, so no other one has left anything half done or
    // locked.
    let pid = match unsafe { libc::fork() } {
        0 => return Ok(None),
        pid => positive(pid),
    };
    let Some(pid) = pid else {
        return Err(last_errno());
    };
    // Only this thread reaps the process, so its process id is not reused.
    match fd::pidfd(pid) {
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

/// The first steps of a worker: a process group and a name of its own.
fn begin(title: &str, theirs: Descriptor) -> Channel {
    let _ = rustix::process::setpgid(None, None);
    if let Ok(title) = CString::new(title) {
        child::rename_process(&title);
    }
    Channel::from_fd(theirs)
}

/// Flushes all output streams: each copy of the process would write what is left in their buffers.
pub(super) fn flush_streams() {
    // SAFETY: NULL means all streams for output.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

fn positive(pid: i32) -> Option<Pid> {
    Pid::from_raw(pid).filter(|_| pid > 0)
}

/// Exits: the parent needs no more workers. Reaps those that have exited.
fn exit() -> ! {
    while let Ok(Some(_)) = rustix::process::waitpid(None, WaitOptions::NOHANG) {}
    // SAFETY: the call only ends the process.
    unsafe { libc::_exit(0) }
}

/// What a fork server that is a copy of the caller needs.
pub(super) struct CallerCopy<'a> {
    pub(super) name: &'a str,
    pub(super) process_config: &'a ProcessConfig,
    pub(super) region: &'a Arc<Region>,
    /// A pidfd of the caller's process.
    pub(super) parent: Descriptor,
}

impl CallerCopy<'_> {
    /// The life of the fork server, and of each worker that it forks.
    pub(super) fn live(self, channel: Channel) -> ! {
        let work = || {
            let mut channel = detach_from_parent(channel, self.name);
            let mut resolver = Resolver::in_main_program();
            enable_exit_with_parent(&channel);
            let prepared = prepare(self.process_config, &mut resolver);
            disable_exit_with_parent(&channel);
            match prepared.and_then(|()| serve(&channel, &self.parent)) {
                Ok(own) => channel = own,
                Err(error) => return child::send_exit(&channel, Err(error)),
            }
            let channel = Arc::new(channel);
            let outcome: Result<ExitReason> =
                child::work_when_initialized(&channel, self.region.clone(), resolver, self.parent);
            child::send_exit(&channel, outcome)
        };
        // The callers on this stack must not continue in this process.
        let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(EXIT_START_FAILED);
        end(code)
    }
}

/// Detaches the copy from the caller. Returns the channel to the parent.
fn detach_from_parent(channel: Channel, name: &str) -> Channel {
    let own = fd::duplicate(&channel, fd::ABOVE_STDIO);
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
    child::descend();
    discard_output();
    replace_exit_handlers();
    reset_signals();
    Channel::from_fd(own)
}

/// Makes the kernel end this process when the parent exits. It is enabled while modules are opened,
/// because nothing checks the parent then: its exit closes the channel, which sends this process
/// SIGIO. (fcntl(2): O_ASYNC.)
fn enable_exit_with_parent(channel: &Channel) {
    // SAFETY: the call only returns a number.
    let own = unsafe { libc::getpid() };
    // SAFETY: sets which process gets the signal of an open descriptor.
    unsafe { libc::fcntl(channel.as_fd().as_raw_fd(), libc::F_SETOWN, own) };
    update_flags(channel, |flags| flags | libc::O_ASYNC);
}

fn disable_exit_with_parent(channel: &Channel) {
    update_flags(channel, |flags| flags & !libc::O_ASYNC);
}

fn update_flags(channel: &Channel, update: impl FnOnce(c_int) -> c_int) {
    let fd = channel.as_fd().as_raw_fd();
    // SAFETY: reads the flags of an open descriptor.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    // SAFETY: sets the flags of an open descriptor.
    unsafe { libc::fcntl(fd, libc::F_SETFL, update(flags)) };
}

/// Discards the output that the caller has printed and not written yet: the caller writes it.
fn discard_output() {
    unsafe extern "C" {
        static stdout: *mut libc::FILE;
        /// glibc: discards the buffer of a stream.
        fn __fpurge(stream: *mut libc::FILE);
    }
    // SAFETY: the C library has initialised its stream, and no other thread changes it.
    let stream = unsafe { stdout };
    // SAFETY: an open stream, and the process has one thread.
    unsafe { __fpurge(stream) };
}

/// Prepares what all workers have in common.
fn prepare(process_config: &ProcessConfig, resolver: &mut Resolver) -> Result<()> {
    if let Some(stdin) = process_config.inherited_fds.open_stdin()? {
        // SAFETY: `stdin` is open, and nothing in this process owns descriptor 0.
        if unsafe { libc::dup2(stdin.as_raw_fd(), 0) } < 0 {
            return Err(Error::os("dup2", last_errno()));
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
        resolver.open_at_start(path)?;
    }
    resolver.open_where_possible(process_config.preload.iter().map(String::as_str));
    Ok(())
}

/// Resets the caller's signal handlers, and unblocks all signals. Those of the terminal are
/// ignored.
fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: sets a disposition without a handler; the kernel refuses those that cannot be
        // set.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    child::ignore_terminal();
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
        // Never freed: it becomes part of the environment.
        let entry: &'static CStr = Box::leak(entry.clone().into_boxed_c_str());
        // SAFETY: the process has one thread, and the string is never freed.
        unsafe { libc::putenv(entry.as_ptr().cast_mut()) };
    }
}

/// Prevents the caller's exit handlers from running when a task exits: the handler that was added
/// last is called first, and this one ends the process.
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

/// Ends this copy, after the library's own exit handler; writes what was printed.
fn end(code: c_int) -> ! {
    process::run_exit_handler();
    flush_streams();
    // SAFETY: the call only ends the process.
    unsafe { libc::_exit(code) }
}
