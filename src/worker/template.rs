//! Making a template process, the parent's end: a program that is executed, or a copy of the caller.
//!
//! The copy is made in the caller's thread, in pool_new. It keeps what the caller had in memory, and
//! little else: its thread, no handler of signals, no line of another pool, nothing that is to be done
//! at exit.

use super::channel::{Channel, close_inherited_channels};
use super::dl_lock::{self, ForkGuard};
use super::protocol::{Leave, Message};
use super::resolve::Resolver;
use super::start::{
    self, Image, ProcessConfig, ProcessRole, SpawnedProcess, StartMethod, WorkerStart,
};
use super::{child, current, forkserver, threads};
use crate::board::Region;
use crate::error::{Error, Result, Status};
use crate::handle_table;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use std::ffi::{CStr, CString, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A template process that was started. It leaves when this is dropped, and is waited for.
pub(crate) struct ForkServerProcess {
    /// None: it is to leave.
    channel: Option<Channel>,
    process: SpawnedProcess,
}

/// One that has not left so long after it was told to is killed.
const LEAVING: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

impl ForkServerProcess {
    pub(crate) fn channel(&self) -> Option<&Channel> {
        self.channel.as_ref()
    }

    pub(crate) fn handle(&self) -> &OwnedFd {
        &self.process.handle
    }

    pub(crate) fn pid(&self) -> Pid {
        self.process.pid
    }

    pub(crate) fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.process.handle, Signal::KILL);
    }
}

impl Drop for ForkServerProcess {
    fn drop(&mut self) {
        drop(self.channel.take());
        let mut end = [PollFd::new(&self.process.handle, PollFlags::IN)];
        if !matches!(rustix::event::poll(&mut end, Some(&LEAVING)), Ok(1..)) {
            self.kill();
        }
        let handle = self.process.handle.as_fd();
        while let Err(rustix::io::Errno::INTR) =
            rustix::process::waitid(WaitId::PidFd(handle), WaitIdOptions::EXITED)
        {}
    }
}

/// Executes a program that becomes a template. It says so when it is ready.
pub(crate) fn execute(
    place: &WorkerStart<'_>,
    process_config: &ProcessConfig,
    image: Image,
) -> Result<ForkServerProcess> {
    let (channel, theirs) = Channel::pair()?;
    let process = start::execute(
        place,
        process_config,
        image,
        &channel,
        &theirs,
        ProcessRole::ForkServerProcess,
    )?;
    let template = ForkServerProcess { channel: Some(channel), process };
    if let Some(channel) = template.channel() {
        channel.send(&Message::Preload { modules: process_config.preload.join("\0") }, None)?;
    }
    Ok(template)
}

/// Forks a template off the caller's thread. What the caller has printed is written before, or copies would
/// write it too.
pub(crate) fn fork_caller(
    name: &str,
    process_config: &ProcessConfig,
    region: &Arc<Region>,
) -> Result<ForkServerProcess> {
    forkserver::flush_streams();
    fork(name, process_config, region)
}

/// Forks a template off this thread. Refused where other threads could be holding something.
pub(crate) fn fork(
    name: &str,
    process_config: &ProcessConfig,
    region: &Arc<Region>,
) -> Result<ForkServerProcess> {
    if process_config.start != (StartMethod::Fork { with_threads: true })
        && threads::count_others()? > 0
    {
        let words = "POOL_FORK: this process has other threads, and a copy of it could find locked for ever what they hold; make the pool before them, use POOL_FORKSERVER, or set fork_with_threads";
        return Err(Error::new(Status::POOL_ERR_STATE, words));
    }
    let (channel, theirs) = Channel::pair()?;
    let host = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
        .map(forkserver::above_stdio)
        .map_err(|errno| Error::os("pidfd_open", errno))?;
    let copy = CallerCopy { name, process_config, region, host };
    handle_table::note_forks();
    let forking = ForkGuard::begin();
    let pid = super::threads::signals_blocked(|| {
        // SAFETY: the child goes on in `live`, which never returns; of other threads see above.
        match unsafe { libc::fork() } {
            0 => copy.live(theirs),
            -1 => Err(Error::os("fork", forkserver::last_errno())),
            pid => Ok(pid),
        }
    })?;
    drop(forking);
    let pid = Pid::from_raw(pid).ok_or(Status::POOL_ERR_OS)?;
    Ok(ForkServerProcess { channel: Some(channel), process: start::with_handle(pid)? })
}

/// What the copy knows of the caller.
struct CallerCopy<'a> {
    name: &'a str,
    process_config: &'a ProcessConfig,
    region: &'a Arc<Region>,
    /// The caller's process.
    host: OwnedFd,
}

impl CallerCopy<'_> {
    /// The life of the template, and of each worker that it forks.
    fn live(self, channel: Channel) -> ! {
        let work = || {
            let mut channel = settle(channel, self.name);
            let mut resolver = Resolver::new(true);
            exit_with_host(&channel, true);
            let made_ready = prepare(self.process_config, &mut resolver);
            exit_with_host(&channel, false);
            match made_ready.and_then(|()| forkserver::serve(&channel, &self.host)) {
                Ok(own) => channel = own,
                Err(error) => return child::send_exit(&channel, Err(error)),
            }
            let channel = Arc::new(channel);
            let outcome: Result<Leave> =
                child::work_when_initialized(&channel, self.region.clone(), resolver, self.host);
            child::send_exit(&channel, outcome)
        };
        // Nobody below us on the stack may go on in this process.
        let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(child::EXIT_NO_START);
        end(code)
    }
}

/// Leaves what is the caller's; answers the line.
fn settle(channel: Channel, name: &str) -> Channel {
    let own = channel.as_fd().try_clone_to_owned();
    let own = own.map(forkserver::above_stdio);
    std::mem::forget(channel);
    dl_lock::reset();
    close_inherited_channels();
    let Ok(own) = own else { end(child::EXIT_NO_START) };
    let _ = rustix::process::setpgid(None, None);
    if let Ok(name) = CString::new(format!("{name}/template")) {
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
            return Err(Error::os("dup2", forkserver::last_errno()));
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
    handle_table::run_exit_handler();
    forkserver::flush_streams();
    // SAFETY: ends the process without running anything of the caller's.
    unsafe { libc::_exit(code) }
}
