//! The copy of the caller that workers are forked from.

use super::channel::{Channel, close_inherited_channels};
use super::config::ProcessConfig;
use super::resolve::Resolver;
use super::protocol::Leave;
use super::{child, current, dl_lock, forkserver};
use crate::board::Region;
use crate::error::{Error, Result};
use crate::process;
use std::ffi::{CStr, CString, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

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
    process::run_exit_handler();
    forkserver::flush_streams();
    // SAFETY: ends the process without running anything of the caller's.
    unsafe { libc::_exit(code) }
}
