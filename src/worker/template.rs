//! Making a template process, the parent's end: a program that is executed, or a copy of the caller.
//!
//! The copy is made in the caller's thread, in pool_new. It keeps what the caller had in memory, and
//! little else: its thread, no handler of signals, no line of another pool, nothing that is to be done
//! at exit.

use super::line::{Channel, close_lines_of_parent};
use super::loader::{self, ForkGuard};
use super::resolve::Resolver;
use super::start::{
    self, Image, ProcessConfig, ProcessRole, SpawnedProcess, StartMethod, WorkerStart,
};
use super::wire::{Leave, Message};
use super::{boot, home, serve, threads};
use crate::board::Region;
use crate::cells;
use crate::error::{Error, Result, Status};
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
    line: Option<Channel>,
    process: SpawnedProcess,
}

/// One that has not left so long after it was told to is killed.
const LEAVING: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

impl ForkServerProcess {
    pub(crate) fn line(&self) -> Option<&Channel> {
        self.line.as_ref()
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
        drop(self.line.take());
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
    recipe: &ProcessConfig,
    image: Image,
) -> Result<ForkServerProcess> {
    let (line, theirs) = Channel::pair()?;
    let process =
        start::execute(place, recipe, image, &line, &theirs, ProcessRole::ForkServerProcess)?;
    let template = ForkServerProcess { line: Some(line), process };
    if let Some(line) = template.line() {
        line.send(&Message::Preload { modules: recipe.preload.join("\0") }, None)?;
    }
    Ok(template)
}

/// Forks a template off the caller's thread. What the caller has printed is written before, or copies would
/// write it too.
pub(crate) fn fork_caller(
    name: &str,
    recipe: &ProcessConfig,
    region: &Arc<Region>,
) -> Result<ForkServerProcess> {
    serve::flush_streams();
    fork(name, recipe, region)
}

/// Forks a template off this thread. Refused where other threads could be holding something.
pub(crate) fn fork(
    name: &str,
    recipe: &ProcessConfig,
    region: &Arc<Region>,
) -> Result<ForkServerProcess> {
    if recipe.start != (StartMethod::Fork { with_threads: true }) && threads::count_others()? > 0 {
        let words = "POOL_FORK: this process has other threads, and a copy of it could find locked for ever what they hold; make the pool before them, use POOL_FORKSERVER, or set fork_with_threads";
        return Err(Error::new(Status::POOL_ERR_STATE, words));
    }
    let (line, theirs) = Channel::pair()?;
    let host = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
        .map(serve::above_standard)
        .map_err(|errno| Error::os("pidfd_open", errno))?;
    let copy = CallerCopy { name, recipe, region, host };
    cells::note_forks();
    let forking = ForkGuard::begin();
    let pid = super::threads::signals_blocked(|| {
        // SAFETY: the child goes on in `live`, which never returns; of other threads see above.
        match unsafe { libc::fork() } {
            0 => copy.live(theirs),
            -1 => Err(Error::os("fork", serve::last_errno())),
            pid => Ok(pid),
        }
    })?;
    drop(forking);
    let pid = Pid::from_raw(pid).ok_or(Status::POOL_ERR_OS)?;
    Ok(ForkServerProcess { line: Some(line), process: start::with_handle(pid)? })
}

/// What the copy knows of the caller.
struct CallerCopy<'a> {
    name: &'a str,
    recipe: &'a ProcessConfig,
    region: &'a Arc<Region>,
    /// The caller's process.
    host: OwnedFd,
}

impl CallerCopy<'_> {
    /// The life of the template, and of each worker that it forks.
    fn live(self, line: Channel) -> ! {
        let work = || {
            let mut line = settle(line, self.name);
            let mut resolver = Resolver::new(true);
            die_with_host(&line, true);
            let made_ready = prepare(self.recipe, &mut resolver);
            die_with_host(&line, false);
            match made_ready.and_then(|()| serve::serve(&line, &self.host)) {
                Ok(own) => line = own,
                Err(error) => return boot::say_goodbye(&line, Err(error)),
            }
            let line = Arc::new(line);
            let outcome: Result<Leave> =
                boot::work_when_welcome(&line, self.region.clone(), resolver, self.host);
            boot::say_goodbye(&line, outcome)
        };
        // Nobody below us on the stack may go on in this process.
        let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(boot::EXIT_NO_START);
        end(code)
    }
}

/// Leaves what is the caller's; answers the line.
fn settle(line: Channel, name: &str) -> Channel {
    let own = line.as_fd().try_clone_to_owned();
    let own = own.map(serve::above_standard);
    std::mem::forget(line);
    loader::begin_anew();
    close_lines_of_parent();
    let Ok(own) = own else { end(boot::EXIT_NO_START) };
    let _ = rustix::process::setpgid(None, None);
    if let Ok(name) = CString::new(format!("{name}/template")) {
        boot::forget_name();
        boot::change_name(&name);
    }
    home::leave_all();
    discard_output();
    keep_exit_handlers_out();
    clean_signals();
    Channel::from_fd(own)
}

/// While modules are opened nobody looks after the host. Its end closes the line, and the kernel then
/// sends a signal, which ends the process. (fcntl(2): O_ASYNC.)
fn die_with_host(line: &Channel, is_on: bool) {
    let line = line.as_fd().as_raw_fd();
    // SAFETY: asks for the process's number.
    let own = unsafe { libc::getpid() };
    // SAFETY: says who gets the signal.
    unsafe { libc::fcntl(line, libc::F_SETOWN, own) };
    // SAFETY: asks for the flags of a descriptor.
    let flags = unsafe { libc::fcntl(line, libc::F_GETFL) };
    let flags = if is_on { flags | libc::O_ASYNC } else { flags & !libc::O_ASYNC };
    // SAFETY: sets the flags of a descriptor of ours.
    unsafe { libc::fcntl(line, libc::F_SETFL, flags) };
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
fn prepare(recipe: &ProcessConfig, resolver: &mut Resolver) -> Result<()> {
    if let Some(stdin) = recipe.inherited.open_stdin()? {
        // SAFETY: makes number 0 another name of a descriptor of ours; nobody owns number 0 here.
        if unsafe { libc::dup2(stdin.as_raw_fd(), 0) } < 0 {
            return Err(Error::os("dup2", serve::last_errno()));
        }
        if stdin.as_raw_fd() == 0 {
            std::mem::forget(stdin);
        }
    }
    if let Some(directory) = &recipe.directory {
        let failed =
            |errno| Error::os(&format!("changing to {}", directory.to_string_lossy()), errno);
        rustix::process::chdir(directory).map_err(failed)?;
    }
    if let Some(environment) = &recipe.environment {
        set_environment(environment);
    }
    for path in &recipe.modules {
        resolver.open(path)?;
    }
    resolver.open_where_possible(recipe.preload.iter().map(String::as_str));
    Ok(())
}

/// No handler of the caller's is called, and no signal blocked; interrupts are the host's matter.
fn clean_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: sets a disposition; those that cannot be set are refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    boot::ignore_interrupts();
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
fn keep_exit_handlers_out() {
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
    cells::run_exit_handler();
    serve::flush_streams();
    // SAFETY: ends the process without running anything of the caller's.
    unsafe { libc::_exit(code) }
}
