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
use crate::process;
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
    process::count_forks();
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
