//! Starting a worker process, the child's end: from its first instruction to its loop.
//!
//! Order: the channel to the parent, the parent's pidfd, the death signal, the Init message, the check
//! that the fork server is still alive, the board, the modules, the execution context with the parent
//! monitor between its first two phases, the initializer, the sandbox, the Ready message. A failure is
//! reported to the parent, which decides what follows; the process then exits.
//!
//! The kernel's parent of a worker is a fork server. While the worker starts, it dies with that, by the
//! death signal; the fork server exits when the parent does, which it sees by a pidfd. From the parent
//! monitor on, the worker sees that itself, and outlives its fork server.
//!
//! A forked worker has most of that from its fork server: it begins with an Init message of its
//! own.

use super::exec_context::{ExecContext, ExecPhase};
use super::forkserver::Start;
use super::inherit_fds::InheritedFds;
use super::protocol::{
    CHANNEL_FD, EXIT_PARENT_GONE, EXIT_START_FAILED, ExitReason, Init, Message, PRELOAD_VARIABLE,
    Role, WORKER_ARGUMENT,
};
use super::resolve::Resolver;
use super::threads::{self, OwnThread};
use super::{Channel, Received, Worker, executable, forkserver, modules};
use crate::board::Region;
use crate::board::functions::IDENTITY_LEN;
use crate::board::region::Geometry;
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::fd::Descriptor;
use crate::sync::Ordering::Relaxed;
use crate::sync::plain::{AtomicBool, AtomicPtr, AtomicU32};
use crate::{fd, process};
use crossbeam_channel::Receiver;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::{Arc, OnceLock};

/// Whether this process was started as a worker.
static STARTED: AtomicBool = AtomicBool::new(false);
/// The depth in the worker's configuration; 0: this process is not a worker.
static DEPTH: AtomicU32 = AtomicU32::new(0);
/// Whether [`worker_main`] has begun to run a worker.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// The worker's board, which lives until the process exits: threads that tasks have left behind may
/// use it.
static BOARD: OnceLock<Arc<Region>> = OnceLock::new();

/// Records that this process was started as a worker. False: that was recorded before.
pub(crate) fn mark_as_worker() -> bool {
    !STARTED.swap(true, Relaxed)
}

/// Whether this process was started as a worker, but runs its program's own main.
pub(crate) fn entered_main() -> bool {
    STARTED.load(Relaxed) && !ENTERED.load(Relaxed)
}

/// The descriptor of the channel, if these are a worker's arguments.
pub(crate) fn channel_fd(argc: c_int, argv: *const *const c_char) -> Option<c_int> {
    if argc != 3 || argv.is_null() {
        return None;
    }
    let argument = |index: usize| {
        let entry = argv.wrapping_add(index);
        // SAFETY: a program's arguments are `argc` pointers, which is 3, and `index` is below that.
        let argument = unsafe { *entry };
        // SAFETY: each argument is a string that ends with NUL.
        unsafe { CStr::from_ptr(argument) }
    };
    if argument(1) != WORKER_ARGUMENT || has_gained_rights() {
        return None;
    }
    argument(2).to_str().ok()?.parse().ok().filter(|fd| *fd >= CHANNEL_FD)
}

/// Whether this process has rights that the process that executed it may not have: it was executed
/// setuid, setgid or with file capabilities. It then believes none of its arguments. (getauxval(3):
/// AT_SECURE.)
fn has_gained_rights() -> bool {
    // SAFETY: the call only reads the auxiliary vector, which the kernel has written.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Whether the descriptor is a channel that a process of this user has made.
fn is_channel(fd: BorrowedFd<'_>) -> bool {
    let is_socket = rustix::net::sockopt::socket_type(fd)
        .is_ok_and(|kind| kind == rustix::net::SocketType::SEQPACKET);
    let peer = rustix::net::sockopt::socket_peercred(fd);
    is_socket && peer.is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

/// Runs the worker, if these are a worker's arguments. Returns its exit code; -1: they are not, or
/// a worker runs already.
pub(crate) fn worker_main(argc: c_int, argv: *const *const c_char) -> c_int {
    let Some(fd) = channel_fd(argc, argv) else { return -1 };
    process::silence_panics();
    mark_as_worker();
    if ENTERED.swap(true, Relaxed) {
        return -1;
    }
    // SAFETY: nothing closes it meanwhile; if it is not open, what is asked of it fails.
    if !is_channel(unsafe { BorrowedFd::borrow_raw(fd) }) {
        eprintln!("carpool: worker processes are started by a pool");
        return EXIT_START_FAILED;
    }
    // SAFETY: the parent has opened the channel under this number, and nothing else owns it here.
    let mut channel = Arc::new(Channel::from_fd(unsafe { OwnedFd::from_raw_fd(fd) }.into()));
    let _ = rustix::io::fcntl_setfd(&channel, rustix::io::FdFlags::CLOEXEC);
    set_process_name(argv);
    let outcome = run(&mut channel);
    send_exit(&channel, outcome)
}

/// Sends the last message to the parent; returns the exit code that goes with it.
pub(super) fn send_exit(channel: &Channel, outcome: Result<ExitReason>) -> c_int {
    match outcome {
        Ok(reason) => {
            let _ = channel.send_patiently(&Message::Exiting { reason }, None);
            0
        }
        Err(error) => {
            let _ = channel.send_patiently(&Message::start_failed(&error), None);
            EXIT_START_FAILED
        }
    }
}

/// Runs a process that was executed. If that is a fork server, `channel` becomes the worker's own
/// in each worker that it forks.
fn run(channel: &mut Arc<Channel>) -> Result<ExitReason> {
    ignore_terminal();
    let (role, parent) = receive_parent(channel)?;
    match role {
        Role::Worker => die_with_starter(true),
        // It is an orphan.
        Role::ForkServer => forkserver::enable_exit_with_parent(channel),
        // It opens no modules, and may get messages from the start.
        Role::SpawnServer => {}
    }
    wait_for_message(channel, &parent);
    let (init, file) = receive_init(channel)?;
    if role == Role::Worker {
        check_starter(init.starter);
    }
    remove_preload_entry();
    if role == Role::SpawnServer {
        return serve_programs(channel, &parent, &init);
    }
    // Before modules are opened: their constructors may make pools.
    DEPTH.store(init.worker_config.depth, Relaxed);
    // The fork server of isolated workers maps no board.
    let maps_board = role == Role::Worker || init.worker_config.isolated_seat.is_none();
    let region = maps_board.then(|| attach_board(&init, file)).transpose()?;
    let mut resolver = Resolver::new(init.is_main_program);
    let count = listed(&init.modules).count();
    let identities = channel.receive_bytes(count * IDENTITY_LEN)?;
    let (identities, _) = identities.as_chunks::<IDENTITY_LEN>();
    for (path, identity) in listed(&init.modules).zip(identities) {
        resolver.open_at_start(path, identity)?;
    }
    if let (Role::Worker, Some(region)) = (role, &region) {
        return work(channel, region.clone(), resolver, parent, &init);
    }
    if let Received::Message(Message::Preload { modules }, _) = channel.receive() {
        resolver.open_where_possible(listed(&modules));
    }
    forkserver::disable_exit_with_parent(channel);
    *channel = Arc::new(forkserver::serve(channel, &parent, &Start::Fork)?);
    work_when_initialized(channel, region, resolver, parent)
}

/// The life of a fork server that executes a program for each worker.
fn serve_programs(channel: &Channel, parent: &Descriptor, init: &Init) -> Result<ExitReason> {
    let bytes = channel.receive_bytes(init.bytes_len as usize)?;
    let inherited = InheritedFds::decode(&bytes).ok_or(Status::POOL_ERR_VERSION)??;
    executable::close_all_on_exec();
    forkserver::serve(channel, parent, &Start::Execute(inherited)).map(|_| ExitReason::Requested)
}

/// What this process is for, and a pidfd of the parent.
fn receive_parent(channel: &Channel) -> Result<(Role, Descriptor)> {
    match channel.receive() {
        Received::Message(Message::Parent { role }, Some(parent)) => Ok((role, parent)),
        Received::Message(Message::Parent { .. }, None) => {
            Err(Error::os("receiving the handle of the parent", Errno::MFILE))
        }
        Received::Message(..) | Received::Garbage | Received::Nothing => {
            let message = "the parent's first message is not of this version of the library; install both together";
            Err(Error::new(Status::POOL_ERR_VERSION, message))
        }
        Received::End => exit_without_parent(),
    }
}

/// Whether the kernel kills this worker when its fork server dies.
fn die_with_starter(dies: bool) {
    let _ = rustix::process::set_parent_process_death_signal(dies.then_some(Signal::KILL));
}

/// Exits if the fork server that has started this worker is gone: no death signal is sent for one that
/// has died before the signal was requested.
fn check_starter(expected: i32) {
    if rustix::process::getppid().map(|it| it.as_raw_nonzero().get()) != Some(expected) {
        exit_without_parent();
    }
}

/// The entries of a list that is separated by NULs.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split('\0').filter(|entry| !entry.is_empty())
}

fn receive_init(channel: &Channel) -> Result<(Init, Option<Descriptor>)> {
    let Received::Message(Message::Init(init), file) = channel.receive() else {
        return Err(Error::new(
            Status::POOL_ERR_VERSION,
            "the parent has sent another message than Init",
        ));
    };
    if init.version != super::version() {
        let message = "the worker is of another version than the library in the parent; install both together";
        return Err(Error::new(Status::POOL_ERR_VERSION, message));
    }
    let own = modules::library_build();
    if own != 0 && init.library != 0 && own != init.library {
        let path = modules::own().map(|own| own.path).unwrap_or_default();
        let message = format!(
            "{} in the worker is another build than in the parent; restart the program after installing it",
            path.display()
        );
        return Err(Error::new(Status::POOL_ERR_VERSION, message));
    }
    Ok((init, file))
}

/// Maps the board that a process was sent.
fn attach_board(init: &Init, file: Option<Descriptor>) -> Result<Arc<Region>> {
    let Some(file) = file else {
        // The message is complete, so it was this process that had no descriptor left.
        return Err(Error::os("receiving the shared memory", Errno::MFILE));
    };
    let geometry = Geometry::from_numbers(init.geometry).ok_or(Status::POOL_ERR_VERSION)?;
    Region::attach(file, geometry).map(Arc::new)
}

/// The life of a forked worker. The parent sends Init when it has the worker's pidfd, so it knows
/// of every worker that runs tasks. `region`: the board that its fork server has mapped; None: it is
/// sent one of its own.
pub(super) fn work_when_initialized(
    channel: &Arc<Channel>,
    region: Option<Arc<Region>>,
    resolver: Resolver,
    parent: Descriptor,
) -> Result<ExitReason> {
    wait_for_message(channel, &parent);
    let (init, file) = receive_init(channel)?;
    work(channel, region.map_or_else(|| attach_board(&init, file), Ok)?, resolver, parent, &init)
}

/// The life of a worker process whose board is mapped and whose modules are open.
fn work(
    channel: &Arc<Channel>,
    region: Arc<Region>,
    resolver: Resolver,
    parent: Descriptor,
    init: &Init,
) -> Result<ExitReason> {
    // From here on the parent knows this process, and kills it with what its tasks start.
    let _ = rustix::process::setpgid(None, None);
    threads::refuse_cancellation();
    let config = init.worker_config;
    DEPTH.store(config.depth, Relaxed);
    let exec_context = channel.receive_bytes(init.bytes_len as usize)?;
    let exec_context = ExecContext::decode(&exec_context).ok_or(Status::POOL_ERR_VERSION)?;
    let own = [Some(channel.as_fd()), Some(parent.as_fd()), region.file()];
    let own: Vec<_> = own.into_iter().flatten().map(|fd| fd.as_raw_fd()).collect();
    exec_context.close_descriptors_of_caller(&own)?;
    let apply = |phase| exec_context.apply(init.seat, phase, channel.as_fd());
    apply(ExecPhase::Scheduling)?;
    let monitor_started = start_parent_monitor(channel, parent)?;
    die_with_starter(false);
    apply(ExecPhase::Limits)?;
    let _ = BOARD.set(region.clone());
    let send_file = super::send_over(channel);
    let seat = SeatIndex(if config.isolated_seat.is_some() { 0 } else { init.seat });
    let worker = Worker::new(region, seat, config, resolver, send_file);
    super::live(&worker, channel, || {
        worker.limit_memory()?;
        if exec_context.filters() {
            // A starting thread makes system calls that the filter may not allow.
            let _ = monitor_started.recv();
            worker.keep_file_limit();
            fd::trust_all();
            // Finding the main program may read links and files.
            worker.open_main_program();
        }
        apply(ExecPhase::Sandbox)?;
        channel.send_patiently(&Message::Ready, None)
    })
}

/// Sets the process name, which `ps -e` and `top` show, to the first argument.
fn set_process_name(argv: *const *const c_char) {
    // SAFETY: the arguments of a program; `channel_fd` has checked that there are three.
    let name = unsafe { *argv };
    COMMAND.store(name.cast_mut(), Relaxed);
    // SAFETY: a string that ends with NUL, of which the kernel copies 15 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, name) };
}

/// The first argument of an executed program; NULL in a copy of the caller.
static COMMAND: AtomicPtr<c_char> = AtomicPtr::new(std::ptr::null_mut());

/// Keeps [`rename_process`] from changing the command line. Called in a copy of the caller, which
/// may be a worker itself.
pub(super) fn forget_command_line() {
    COMMAND.store(std::ptr::null_mut(), Relaxed);
}

/// Renames a forked process. If its program was executed as a worker, `ps` shows the new name, too.
pub(super) fn rename_process(name: &CStr) {
    // SAFETY: a string that ends with NUL, of which the kernel copies 15 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    let command = COMMAND.load(Relaxed);
    if command.is_null() {
        return;
    }
    // SAFETY: `set_process_name` has stored a program's argument, which ends with NUL.
    let len = unsafe { CStr::from_ptr(command) }.count_bytes();
    // A longer name is cut, a shorter one is filled with NULs.
    for index in 0..len {
        let byte = name.to_bytes().get(index).copied().unwrap_or(0);
        // SAFETY: the argument's `len` bytes are writable, and nothing else writes to them.
        unsafe { command.wrapping_add(index).write(byte as c_char) };
    }
}

/// Called in a copy of the caller.
pub(super) fn descend() {
    DEPTH.fetch_add(1, Relaxed);
}

/// The number of workers among this process and its ancestors.
pub(crate) fn depth() -> u32 {
    DEPTH.load(Relaxed)
}

/// Ignores what the terminal sends. The parent decides what an interrupt means. And a worker is in
/// a process group in the background of its terminal, where printing and reading would stop it:
/// now it may print, and reading fails.
pub(super) fn ignore_terminal() {
    for signal in [libc::SIGINT, libc::SIGTTOU, libc::SIGTTIN] {
        // SAFETY: only sets a disposition, without a handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Removes the library's own entry from LD_PRELOAD, before a task starts a program.
fn remove_preload_entry() {
    let Some(own) = modules::own() else { return };
    let Some(value) = std::env::var_os(PRELOAD_VARIABLE) else { return };
    let entries = value.to_string_lossy().into_owned();
    let Some((first, rest)) = entries.split_once(':').or(Some((&entries, ""))) else { return };
    if own.path.as_os_str() != first {
        return;
    }
    // SAFETY: the process still has a single thread.
    unsafe { set_or_remove(PRELOAD_VARIABLE, rest) };
}

/// # Safety
/// No other thread of the process may use the environment.
unsafe fn set_or_remove(name: &str, value: &str) {
    if value.is_empty() {
        // SAFETY: the caller guarantees that no other thread uses the environment.
        unsafe { std::env::remove_var(name) };
    } else {
        // SAFETY: the caller guarantees that no other thread uses the environment.
        unsafe { std::env::set_var(name, OsString::from(value)) };
    }
}

/// Sleeps until the channel has a message; exits the process if the parent has exited.
pub(super) fn wait_for_message(channel: &Channel, parent: &Descriptor) {
    wait_for_message_for(channel, parent, None);
}

/// Like [`wait_for_message`], but for this long.
pub(super) fn wait_for_message_for(
    channel: &Channel,
    parent: &Descriptor,
    timeout: Option<&Timespec>,
) {
    loop {
        let mut ends = [PollFd::new(channel, PollFlags::IN), PollFd::new(parent, PollFlags::IN)];
        match rustix::event::poll(&mut ends, timeout) {
            Ok(0) => return,
            Ok(_) => {}
            Err(_) => continue,
        }
        if !ends[1].revents().is_empty() {
            exit_without_parent();
        }
        if !ends[0].revents().is_empty() {
            return;
        }
    }
}

/// Exits the process if the parent has exited.
pub(super) fn exit_without(parent: &Descriptor) {
    let mut end = [PollFd::new(parent, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if matches!(rustix::event::poll(&mut end, Some(&now)), Ok(1..)) {
        exit_without_parent();
    }
}

/// Starts a thread that sleeps until the parent has exited, and then ends the process, whatever the
/// task is doing. The channel that is returned disconnects when the thread has completed its start.
fn start_parent_monitor(channel: &Channel, parent: Descriptor) -> Result<Receiver<()>> {
    let channel = fd::duplicate(channel, fd::ABOVE_STDIO).map_err(|_| {
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

/// The monitor calls poll and kill, nothing deeper; the stack also holds the thread-local data of
/// large modules.
const MONITOR_STACK: usize = 128 << 10;

/// Exits at once, and kills everything that tasks have started in the worker's process group.
fn exit_without_parent() -> ! {
    let own: Pid = rustix::process::getpid();
    if rustix::process::getpgrp() == own {
        let _ = rustix::process::kill_current_process_group(Signal::KILL);
    }
    // SAFETY: the call only ends the process.
    unsafe { libc::_exit(EXIT_PARENT_GONE) }
}
