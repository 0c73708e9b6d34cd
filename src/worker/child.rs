//! Starting a worker process, the child's end: from its first instruction to its loop.
//!
//! Order: the line to the parent, the death signal and the check that the parent still lives, its
//! welcome, the board, the modules, the guard, the surroundings, the initializer, the word "up". Whatever fails on the way is told to
//! the parent, who decides; the process then leaves.
//!
//! A worker that was forked has most of that from its template: it begins with a welcome of its own.

use super::exec_context::{ExecContext, ExecPhase};
use super::protocol::{
    self, CHANNEL_FD, EXIT_PARENT_GONE, EXIT_START_FAILED, ExitReason, Init, Message,
    PRELOAD_VARIABLE, WORKER_ARGUMENT,
};
use super::resolve::Resolver;
use super::threads::{self, OwnThread};
use super::{Channel, Received, Worker, forkserver, modules};
use crate::board::Region;
use crate::board::region::Geometry;
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::sync::Ordering::Relaxed;
use crate::sync::plain::{AtomicBool, AtomicPtr, AtomicU32};
use crossbeam_channel::Receiver;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};
use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::sync::Arc;

/// This process was started as a worker.
static STARTED: AtomicBool = AtomicBool::new(false);
/// What the parent's terms say.
static DEPTH: AtomicU32 = AtomicU32::new(0);
/// The worker's work has begun.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Notes that this process is to be a worker. False: it was noted before.
pub(crate) fn mark_as_worker() -> bool {
    !STARTED.swap(true, Relaxed)
}

/// Whether this process was started as a worker and its program ran on into its main.
pub(crate) fn entered_main() -> bool {
    STARTED.load(Relaxed) && !ENTERED.load(Relaxed)
}

/// The descriptor of the line, if these are a worker's arguments.
pub(crate) fn channel_fd(argc: c_int, argv: *const *const c_char) -> Option<c_int> {
    if argc != 3 || argv.is_null() {
        return None;
    }
    let argument = |index: usize| {
        let place = argv.wrapping_add(index);
        // SAFETY: the arguments of a program: `argc` pointers.
        let argument = unsafe { *place };
        // SAFETY: each to a string that is ended by NUL.
        unsafe { CStr::from_ptr(argument) }
    };
    if argument(1) != WORKER_ARGUMENT {
        return None;
    }
    argument(2).to_str().ok()?.parse().ok().filter(|fd| *fd >= CHANNEL_FD)
}

/// Runs the worker, if these are a worker's arguments; answers its exit code, or -1.
pub(crate) fn worker_main(argc: c_int, argv: *const *const c_char) -> c_int {
    let Some(fd) = channel_fd(argc, argv) else { return -1 };
    mark_as_worker();
    if ENTERED.swap(true, Relaxed) {
        return -1;
    }
    // SAFETY: the parent put the line there, and nothing else in this process knows of it.
    let mut channel = Arc::new(Channel::from_fd(unsafe { OwnedFd::from_raw_fd(fd) }));
    let is_line = rustix::net::sockopt::socket_type(channel.as_fd())
        .is_ok_and(|kind| kind == rustix::net::SocketType::SEQPACKET);
    if !is_line {
        std::mem::forget(channel);
        eprintln!("carpool: worker processes are started by a pool");
        return EXIT_START_FAILED;
    }
    let _ = rustix::io::fcntl_setfd(&channel, rustix::io::FdFlags::CLOEXEC);
    set_process_name(argv);
    let outcome = run(&mut channel);
    send_exit(&channel, outcome)
}

/// The last word to the parent, and the exit code that goes with it.
pub(super) fn send_exit(channel: &Channel, outcome: Result<ExitReason>) -> c_int {
    match outcome {
        Ok(reason) => {
            let _ = channel.send(&Message::Exiting { reason }, None);
            0
        }
        Err(error) => {
            let detail = error.detail().cloned().unwrap_or_default();
            let refusal = Message::StartFailed {
                status: error.status,
                errno: detail.os_errno,
                message: protocol::clip(&detail.message),
            };
            let _ = channel.send(&refusal, None);
            EXIT_START_FAILED
        }
    }
}

/// Runs a process that was executed. In a worker that a template has forked, the line is then its own.
fn run(channel: &mut Arc<Channel>) -> Result<ExitReason> {
    ignore_interrupts();
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let (init, file) = receive_init(channel)?;
    let Some(file) = file else {
        return Err(Error::new(Status::POOL_ERR_VERSION, "the parent's welcome has no board"));
    };
    let host = parent_handle(init.parent)?;
    remove_preload_entry();
    let geometry = Geometry::from_numbers(init.geometry).ok_or(Status::POOL_ERR_VERSION)?;
    let region = Arc::new(Region::attach(file, geometry)?);
    let mut resolver = Resolver::new(init.is_main_program);
    for path in listed(&init.modules) {
        resolver.open(path)?;
    }
    if !init.is_fork_server {
        return work(channel, region, resolver, host, &init);
    }
    if let Received::Message(Message::Preload { modules }, _) = channel.receive() {
        resolver.open_where_possible(listed(&modules));
    }
    *channel = Arc::new(forkserver::serve(channel, &host)?);
    work_when_initialized(channel, region, resolver, host)
}

/// The entries of a text that are separated by NULs.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split('\0').filter(|entry| !entry.is_empty())
}

fn receive_init(channel: &Channel) -> Result<(Init, Option<OwnedFd>)> {
    let Received::Message(Message::Init(init), file) = channel.receive() else {
        return Err(Error::new(Status::POOL_ERR_VERSION, "the parent's first word is no welcome"));
    };
    if init.version != super::version() {
        let words = "the worker is of another version than the library in the parent; install both together";
        return Err(Error::new(Status::POOL_ERR_VERSION, words));
    }
    Ok((init, file))
}

/// What a worker does that was forked. It begins when the host has its handle: nobody works unseen.
pub(super) fn work_when_initialized(
    channel: &Arc<Channel>,
    region: Arc<Region>,
    resolver: Resolver,
    host: OwnedFd,
) -> Result<ExitReason> {
    wait_for_message(channel, &host);
    let (init, _) = receive_init(channel)?;
    work(channel, region, resolver, host, &init)
}

/// The life of a worker process whose board is mapped and whose modules are open.
fn work(
    channel: &Arc<Channel>,
    region: Arc<Region>,
    resolver: Resolver,
    host: OwnedFd,
    init: &Init,
) -> Result<ExitReason> {
    let config = init.worker_config;
    DEPTH.store(config.depth, Relaxed);
    let exec_context = channel.receive_bytes(init.exec_context_len as usize)?;
    let exec_context = ExecContext::decode(&exec_context).ok_or(Status::POOL_ERR_VERSION)?;
    exec_context.apply(init.seat, ExecPhase::Scheduling)?;
    let monitor_started = start_parent_monitor(channel, host)?;
    exec_context.apply(init.seat, ExecPhase::Limits)?;
    // It lives until the process ends: threads that tasks left behind may touch it.
    std::mem::forget(region.clone());
    let send_file = super::send_over(channel);
    let worker = Worker::new(region, SeatIndex(init.seat), config, resolver, send_file);
    super::live(&worker, channel, || {
        worker.limit_memory()?;
        if exec_context.filters() {
            // The start of a thread takes system calls that the filter need not allow.
            let _ = monitor_started.recv();
        }
        exec_context.apply(init.seat, ExecPhase::Sandbox)?;
        channel.send(&Message::Ready, None)
    })
}

/// Takes the name that the parent gave as the first argument, for `ps -e` and `top` to show.
fn set_process_name(argv: *const *const c_char) {
    // SAFETY: the arguments of a program; `channel_fd` has seen that there are three.
    let name = unsafe { *argv };
    COMMAND.store(name.cast_mut(), Relaxed);
    // SAFETY: a string that is ended by NUL, of which the kernel takes 15 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, name) };
}

/// The first argument of a program that was executed; NULL in a copy of the caller.
static COMMAND: AtomicPtr<c_char> = AtomicPtr::new(std::ptr::null_mut());

/// A copy of a caller that is a worker itself keeps its command line, as others do.
pub(super) fn forget_command_line() {
    COMMAND.store(std::ptr::null_mut(), Relaxed);
}

/// A worker that was forked from an executed program is named anew, in what `ps` shows too.
pub(super) fn rename_process(name: &CStr) {
    // SAFETY: a string that is ended by NUL, of which the kernel takes 15 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    let command = COMMAND.load(Relaxed);
    if command.is_null() {
        return;
    }
    // SAFETY: what `set_process_name` was given: ended by NUL.
    let room = unsafe { CStr::from_ptr(command) }.count_bytes();
    // What does not fit is cut off; what is left over is filled.
    for place in 0..room {
        let byte = name.to_bytes().get(place).copied().unwrap_or(0);
        // SAFETY: the kernel gave the process these bytes to write to, and nobody else does.
        unsafe { command.wrapping_add(place).write(byte as c_char) };
    }
}

/// How many processes stand above this one that were started by a pool, itself included.
pub(crate) fn depth() -> u32 {
    DEPTH.load(Relaxed)
}

pub(super) fn ignore_interrupts() {
    // SAFETY: sets a disposition; the parent decides what an interrupt from the terminal means.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
}

/// A handle on the parent, after making sure that it is still the one that started us: the death
/// signal is not sent for a parent that died before it was asked for.
fn parent_handle(expected: u32) -> Result<OwnedFd> {
    let parent =
        rustix::process::getppid().filter(|it| it.as_raw_nonzero().get() as u32 == expected);
    let Some(parent) = parent else { exit_without_parent() };
    let handle = rustix::process::pidfd_open(parent, PidfdFlags::empty())
        .map_err(|errno| Error::os("pidfd_open", errno))?;
    // Dead since, and its number given to somebody else?
    if rustix::process::getppid() != Some(parent) {
        exit_without_parent();
    }
    Ok(handle)
}

/// Takes the library's own entry out of the environment, before a task starts a program.
fn remove_preload_entry() {
    let Some(own) = modules::own() else { return };
    let Some(value) = std::env::var_os(PRELOAD_VARIABLE) else { return };
    let entries = value.to_string_lossy().into_owned();
    let Some((first, rest)) = entries.split_once(':').or(Some((&entries, ""))) else { return };
    if own.path.as_os_str() != first {
        return;
    }
    // SAFETY: the process has one thread as yet.
    unsafe { set_or_remove(PRELOAD_VARIABLE, rest) };
}

/// # Safety
/// No other thread of the process may use the environment.
unsafe fn set_or_remove(name: &str, value: &str) {
    if value.is_empty() {
        // SAFETY: the caller's promise.
        unsafe { std::env::remove_var(name) };
    } else {
        // SAFETY: the caller's promise.
        unsafe { std::env::set_var(name, OsString::from(value)) };
    }
}

/// Sleeps until something comes over the line; leaves when the host is gone.
pub(super) fn wait_for_message(channel: &Channel, host: &OwnedFd) {
    loop {
        let mut ends = [PollFd::new(channel, PollFlags::IN), PollFd::new(host, PollFlags::IN)];
        if rustix::event::poll(&mut ends, None).is_err() {
            continue;
        }
        if !ends[1].revents().is_empty() {
            exit_without_parent();
        }
        if !ends[0].revents().is_empty() {
            return;
        }
    }
}

/// Starts a thread that sleeps until the parent is gone, and then ends the process, whatever the task is doing.
/// It never runs otherwise. The channel that is returned disconnects when the thread has all it needs.
fn start_parent_monitor(channel: &Channel, parent: OwnedFd) -> Result<Receiver<()>> {
    let channel = channel.as_fd().try_clone_to_owned().map_err(|_| {
        Error::new(Status::POOL_ERR_OS, "no descriptor for the thread that monitors the parent")
    })?;
    let (starting, started) = crossbeam_channel::bounded(0);
    let monitor = move || {
        let _known = OwnThread::enter();
        drop(starting);
        loop {
            let mut ends =
                [PollFd::new(&channel, PollFlags::empty()), PollFd::new(&parent, PollFlags::IN)];
            let polled = rustix::event::poll(&mut ends, None);
            if polled.is_ok() && ends.iter().any(|end| !end.revents().is_empty()) {
                exit_without_parent();
            }
        }
    };
    threads::start("carpool monitor".into(), MONITOR_STACK, Box::new(monitor)).map(|_| started)
}

/// The monitor calls poll and kill, nothing deeper; thread-local data of large modules needs room too.
const MONITOR_STACK: usize = 128 << 10;

/// Leaves at once, with everything that tasks have started in the worker's group.
fn exit_without_parent() -> ! {
    let own: Pid = rustix::process::getpid();
    if rustix::process::getpgrp() == own {
        let _ = rustix::process::kill_current_process_group(Signal::KILL);
    }
    // SAFETY: ends the process without running anything.
    unsafe { libc::_exit(EXIT_PARENT_GONE) }
}
