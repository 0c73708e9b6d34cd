//! The fork server process: it starts workers on request.
//!
//! It has one thread, and has prepared what all workers have in common. It forks itself for each
//! worker, or executes a program (`POOL_SPAWN`): then it is there so that the host has no children.
//!
//! ```text
//!   prepared ── Ready ──▶ waits ── Fork ──▶ forks ──▶ Forked, or ForkFailed ──┐
//!                          ▲ │                │                               │
//!                          │ ├── Signal ──┐   └─▶ a worker                    │
//!                          │ ├── Wait ────┼─▶ Exited                          │
//!                          │ └── Reap ────┤                                   │
//!                          └──────────────┴───────────────────────────────────┘
//! ```
//!
//! The kernel's parent of the workers is the fork server; the parent in this file is the process of
//! the pool. Its supervisor gets a pidfd of each worker, and waits for its exit. The fork server
//! reaps a worker only when the supervisor sends Reap: until then its process id is not reused, so
//! no other process gets a signal that is meant for the worker.
//!
//! A worker is in the process group of its fork server until the supervisor knows of it, and has sent
//! Init. So a host that adopts orphans, as a subreaper or as init, finds those that it knows nothing of
//! by that group, when the fork server dies.
//!
//! As the parent it knows how each worker has exited, which the kernel does not tell everybody, and it
//! may send signals to workers where the host may no longer do so, because the host has given up root.

use super::channel::{Channel, Received, take_inherited_channel};
use super::config::{ModuleFile, ProcessConfig};
use super::executable::last_errno;
use super::inherit_fds::InheritedFds;
use super::protocol::{EXIT_START_FAILED, ExitReason, Message};
use super::resolve::Resolver;
use super::unseen::RseqArea;
use super::{child, current, dl_lock, executable};
use crate::board::Region;
use crate::error::{Error, Result};
use crate::fd::Descriptor;
use crate::{fd, process};
use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, WaitOptions};
use std::ffi::{CStr, CString, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// How often a debugger may have let go of a worker.
const TRACED_CHECK_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// How a fork server starts a worker.
pub(super) enum Start {
    /// By forking itself.
    Fork,
    /// By executing a program, which inherits these descriptors.
    Execute(InheritedFds),
}

/// Starts workers until the parent closes the channel. Returns in forked workers only, in each with
/// its channel; the fork server itself exits.
pub(super) fn serve(channel: &Channel, parent: &Descriptor, start: &Start) -> Result<Channel> {
    process::count_forks();
    flush_streams();
    channel.send_patiently(&Message::Ready, None)?;
    // Those that a debugger traces can be reaped only when it has let go.
    let mut exited = Vec::new();
    loop {
        let timeout = (!exited.is_empty()).then_some(&TRACED_CHECK_INTERVAL);
        child::wait_for_message_for(channel, parent, timeout);
        match channel.try_receive() {
            Received::Message(Message::Fork { seat, title }, Some(theirs)) => {
                if let Some(own) = start_worker(channel, seat, &title, theirs, start) {
                    return Ok(own);
                }
            }
            // This process had no descriptor left for the worker's channel.
            Received::Message(Message::Fork { seat, .. }, None) => {
                let error = Error::os("receiving the channel of a worker", Errno::MFILE);
                send_or_exit(channel, &Message::fork_failed(seat, &error));
            }
            Received::Message(Message::Signal { pid, signal, group }, _) => {
                send_signal(pid, signal, group);
            }
            Received::Message(Message::Wait { pid }, _) => {
                let status = exit_status(pid);
                send_or_exit(channel, &Message::Exited { pid, status });
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

/// Sends a message; exits if the parent has exited, or has closed the channel.
fn send_or_exit(channel: &Channel, message: &Message) {
    if channel.send_patiently(message, None).is_err() {
        exit();
    }
}

/// Starts a worker, and replies to the parent. Returns the channel in a forked worker, None in the
/// fork server.
fn start_worker(
    channel: &Channel,
    seat: u64,
    title: &str,
    theirs: Descriptor,
    start: &Start,
) -> Option<Channel> {
    let started = match start {
        Start::Fork => match fork() {
            Ok(None) => return Some(begin(title, theirs)),
            Ok(Some(pid)) => Ok(pid),
            Err(errno) => Err(Error::os("fork", errno)),
        },
        Start::Execute(inherited) => {
            executable::execute_requested(title, inherited, &Channel::from_fd(theirs))
        }
    };
    // The parent has exited.
    if tell_started(channel, seat, started).is_err() {
        exit();
    }
    None
}

/// Tells the parent of a worker that was started, or was not.
pub(super) fn tell_started(channel: &Channel, seat: u64, started: Result<Pid>) -> Result<()> {
    match started.and_then(with_handle) {
        Ok((pid, handle)) => {
            let pid = pid.as_raw_nonzero().get();
            channel.send_patiently(&Message::Forked { seat, pid }, Some(handle.as_fd()))
        }
        Err(error) => channel.send_patiently(&Message::fork_failed(seat, &error), None),
    }
}

/// A worker that was just started, with its pidfd. Only this thread reaps it, so its process id is not
/// reused.
fn with_handle(pid: Pid) -> Result<(Pid, Descriptor)> {
    fd::pidfd(pid).map(|handle| (pid, handle)).map_err(|errno| {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
        Error::os("pidfd_open", errno)
    })
}

/// Sends a signal to a worker, while it is a child of this process: not to a stranger.
fn send_signal(pid: i32, signal: i32, group: bool) {
    let Some(child) = positive(pid).filter(|pid| is_child(*pid)) else { return };
    let child = child.as_raw_nonzero().get();
    // SAFETY: the call only sends a signal, to a child that was not reaped.
    unsafe { libc::kill(child, signal) };
    if group {
        // SAFETY: the same, to the process group that the child has made.
        unsafe { libc::kill(-child, signal) };
    }
}

fn is_child(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    rustix::process::waitid(WaitId::Pid(pid), options).is_ok()
}

/// How a worker has exited, which stays to be reaped. None: it is no child, or a debugger traces it.
fn exit_status(pid: i32) -> Option<i32> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let status = rustix::process::waitid(WaitId::Pid(positive(pid)?), options).ok()??;
    Some(raw_status(&status))
}

/// The status in the encoding of wait(2): the signal, or the code above it.
pub(crate) fn raw_status(status: &WaitIdStatus) -> i32 {
    let code = status.exit_status().map(|code| (code & 0xff) << 8);
    status.terminating_signal().or(code).unwrap_or(0)
}

/// Forks. Returns None in the child.
fn fork() -> rustix::io::Result<Option<Pid>> {
    // SAFETY: the fork server has one thread, so no other one has left anything half done or
    // locked.
    match unsafe { libc::fork() } {
        0 => Ok(None),
        pid => positive(pid).map(Some).ok_or_else(last_errno),
    }
}

/// The first steps of a worker.
fn begin(title: &str, theirs: Descriptor) -> Channel {
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
    pub(super) rseq: Option<RseqArea>,
}

impl CallerCopy<'_> {
    /// The life of the fork server, and of each worker that it forks.
    pub(super) fn live(&self, channel: &Channel) -> ! {
        if let Some(rseq) = self.rseq {
            rseq.register();
        }
        let work = || {
            let mut channel = detach_from_parent(channel, &self.parent, self.name);
            let mut resolver = Resolver::in_main_program();
            let prepared = prepare(self.process_config, &mut resolver);
            disable_exit_with_parent(&channel);
            match prepared.and_then(|()| serve(&channel, &self.parent, &Start::Fork)) {
                Ok(own) => channel = own,
                Err(error) => return child::send_exit(&channel, Err(error)),
            }
            let channel = Arc::new(channel);
            let is_isolated = self.process_config.is_isolated;
            let region = (!is_isolated).then(|| self.region.clone());
            let outcome: Result<ExitReason> = self.own_parent().and_then(|parent| {
                child::work_when_initialized(&channel, region, resolver, parent)
            });
            child::send_exit(&channel, outcome)
        };
        // The callers on this stack must not continue in this process.
        let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(EXIT_START_FAILED);
        end(code)
    }

    fn own_parent(&self) -> Result<Descriptor> {
        fd::duplicate(&self.parent, fd::ABOVE_STDIO)
            .map_err(|errno| Error::os("duplicating a descriptor", errno))
    }
}

/// Detaches the copy from the caller, whose objects it leaves alone. Returns the channel to the parent.
fn detach_from_parent(channel: &Channel, parent: &Descriptor, name: &str) -> Channel {
    dl_lock::reset();
    let Ok(own) = take_inherited_channel(channel) else { exit_at_once() };
    reset_signals();
    // From here on, because the rest may wait for ever for a lock that another thread of the caller held.
    enable_exit_with_parent(&own);
    child::exit_without(parent);
    let _ = rustix::process::setpgid(None, None);
    if let Ok(name) = CString::new(format!("{name}/forkserver")) {
        child::forget_command_line();
        child::rename_process(&name);
    }
    current::clear();
    child::descend();
    discard_output();
    replace_exit_handlers();
    own
}

fn exit_at_once() -> ! {
    // SAFETY: the call only ends the process.
    unsafe { libc::_exit(EXIT_START_FAILED) }
}

/// Makes the kernel end this process when the parent exits. It is enabled while modules are opened,
/// because nothing checks the parent then: its exit closes the channel, which sends this process
/// SIGIO. (fcntl(2): O_ASYNC.)
pub(super) fn enable_exit_with_parent(channel: &Channel) {
    // SAFETY: the call only returns a number.
    let own = unsafe { libc::getpid() };
    // SAFETY: sets which process gets the signal of an open descriptor.
    unsafe { libc::fcntl(channel.as_fd().as_raw_fd(), libc::F_SETOWN, own) };
    update_flags(channel, |flags| flags | libc::O_ASYNC);
}

pub(super) fn disable_exit_with_parent(channel: &Channel) {
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
    for ModuleFile { path, identity } in &process_config.modules {
        resolver.open_at_start(path, identity)?;
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
