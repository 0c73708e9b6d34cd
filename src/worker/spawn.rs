//! Starting workers, the parent's end: a thread, or a fork server that starts processes.
//!
//! All processes are started by a fork server. It forks itself, or it executes a program for each
//! worker: then it runs the helper program, where that is installed, whatever its workers run. So the
//! host has no children and gets no signals (see [`super::unseen`]), and there is always a process that
//! is told how a worker exited.
//!
//! A worker process runs one of three programs. The helper program, which is installed beside the
//! library, opens modules on demand and knows nothing of the main program. The main program,
//! executed again, has its own functions too (see [`super::main_hook`]). Or a program that the user
//! names.
//!
//! A fork server is made in two ways: a program is executed, or the caller's thread is forked, in
//! pool_new. The copy of the caller is in [`super::forkserver`].

use super::channel::Channel;
use super::config::{Image, ProcessConfig, StartMethod, WorkerConfig};
use super::dl_lock::ForkGuard;
use super::executable::{ExecMemory, Executable, environment, joined, last_errno};
use super::forkserver::{self, CallerCopy};
use super::program::{OWN_PROGRAM, WorkerProgram, program, server_program};
use super::protocol::{Init, Message, Role};
use super::resolve::Resolver;
use super::unseen::{RseqArea, execute_unseen, start_unseen};
use super::{Worker, child, executable, modules, threads};
use crate::board::Region;
use crate::board::region::Geometry;
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::fd::Descriptor;
use crate::{clock, fd, process};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A worker that is about to start.
pub(crate) struct WorkerStart<'a> {
    /// The pool's name.
    pub(crate) name: &'a str,
    /// The board of the pool.
    pub(crate) region: &'a Arc<Region>,
    /// That of the board that the worker works on.
    pub(crate) geometry: Geometry,
    pub(crate) seat: SeatIndex,
    pub(crate) worker_config: WorkerConfig,
    /// The file of the board that is the worker's own.
    pub(crate) own_board: Option<BorrowedFd<'a>>,
}

impl WorkerStart<'_> {
    /// The name of a worker's thread, and the title of its process.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.name, self.seat.0)
    }

    /// The message for a worker that was forked from this fork server and runs the main program.
    fn init(&self, starter: i32) -> Init {
        Init {
            version: super::version(),
            seat: self.seat.0,
            starter,
            is_main_program: true,
            geometry: self.geometry.to_numbers(),
            worker_config: WorkerConfig {
                depth: child::depth() + 1,
                scale: clock::scale(),
                ..self.worker_config
            },
            bytes_len: 0,
            modules: String::new(),
            library: modules::library_build(),
        }
    }
}

// ---- threads ----------------------------------------------------------------------------------------

/// Starts a worker thread with its end of a channel, which closes when the thread ends.
pub(crate) fn start_thread(start: &WorkerStart<'_>, channel: Channel) -> Result<JoinHandle<()>> {
    let WorkerStart { region, seat, worker_config, .. } = *start;
    let (region, channel) = (region.clone(), Arc::new(channel));
    let work = move || {
        let send_file = super::send_over(&channel);
        let worker =
            Worker::new(region, seat, worker_config, Resolver::in_main_program(), send_file);
        let reason = super::live(&worker, &channel, || {
            // Without an initializer it counts as ready from the start.
            if worker.has_initializer() {
                channel.send_patiently(&Message::Ready, None)?;
            }
            Ok(())
        });
        let reason = reason.unwrap_or_default();
        let _ = channel.send_patiently(&Message::Exiting { reason }, None);
    };
    threads::start(start.title(), threads::stack_size(), Box::new(work))
}

// ---- executed programs ------------------------------------------------------------------------------

/// Sends a worker that is about to be executed, and its fork server, what they need before it runs:
/// the program, and the parent's pidfd.
pub(crate) fn send_program(
    process_config: &ProcessConfig,
    image: Image,
    channel: &Channel,
) -> Result<()> {
    let program = program(process_config, image)?;
    // What the fork server runs itself, it executes again; it has the path of no other one.
    let is_same = server_program(process_config)?.path == program.path;
    let path = if is_same { OWN_PROGRAM } else { &program.path };
    let opened = (!is_same && path == OWN_PROGRAM).then(|| open_program(path)).transpose()?;
    let file = opened.as_ref().or(program.file.filter(|_| !is_same));
    let file = file.and_then(|file| file.own().ok());
    let mut loaded = Vec::new();
    program.loaded.iter().for_each(|entry| loaded.extend_from_slice(entry.to_bytes_with_nul()));
    let preload = program.preload.unwrap_or_default().into_os_string().into_vec();
    let message = Message::Program {
        path_len: path.count_bytes() as u32,
        loaded_len: loaded.len() as u32,
        preload_len: preload.len() as u32,
        has_file: file.is_some(),
    };
    channel.send(&message, file)?;
    channel.send_bytes(path.to_bytes())?;
    channel.send_bytes(&loaded)?;
    channel.send_bytes(&preload)?;
    send_parent(channel, Role::Worker)
}

fn open_program(path: &CStr) -> Result<Descriptor> {
    fd::open(path, OFlags::PATH)
        .map_err(|errno| Error::os(&format!("opening {}", path.to_string_lossy()), errno))
}

/// Sends a process that is executed a pidfd of this one, by which it sees its exit.
fn send_parent(channel: &Channel, role: Role) -> Result<()> {
    let own = fd::pidfd(rustix::process::getpid());
    let own = own.map_err(|errno| Error::os("pidfd_open", errno))?;
    channel.send(&Message::Parent { role }, Some(own.as_fd()))
}

/// Sends a worker that was started, by the fork server `starter`, what it needs to work.
pub(crate) fn send_init(
    start: &WorkerStart<'_>,
    process_config: &ProcessConfig,
    image: Image,
    starter: Pid,
    channel: &Channel,
) -> Result<()> {
    let exec_context = process_config.exec_context.encode();
    let starter = starter.as_raw_nonzero().get();
    let init = Init { bytes_len: exec_context.len() as u32, ..start.init(starter) };
    if process_config.start == StartMethod::Spawn {
        let init = Init {
            is_main_program: program(process_config, image)?.is_main_program,
            modules: process_config.module_paths(),
            ..init
        };
        start.region.write_magic();
        channel.send(&Message::Init(init), start.own_board.or(start.region.file()))?;
        channel.send_bytes(&process_config.module_identities())?;
    } else {
        channel.send(&Message::Init(init), start.own_board)?;
    }
    channel.send_bytes(&exec_context)
}

/// The environment of this process, as it is now.
pub(crate) fn own_environment() -> Vec<CString> {
    std::env::vars_os()
        .map(|(name, value)| joined(name, value))
        .filter_map(|entry| CString::new(entry.into_vec()).ok())
        .collect()
}

/// Fails when a worker process would not believe its arguments: the kernel treats a program that is
/// executed with different real and effective ids as one that has gained rights. A forked worker has
/// no arguments.
pub(crate) fn check_identity(process_config: &ProcessConfig) -> Result<()> {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    let is_forked = matches!(process_config.start, StartMethod::Fork { .. });
    if is_forked || (getuid() == geteuid() && getgid() == getegid()) {
        return Ok(());
    }
    let message = "the real and the effective user or group of this process differ, and a worker process would not trust it; make them equal, or use POOL_FORK";
    Err(Error::new(Status::POOL_ERR_STATE, message))
}

// ---- fork servers -----------------------------------------------------------------------------------

/// A fork server. Dropping it ends the process and waits for that.
pub(crate) struct ForkServerProcess {
    channel: Arc<Channel>,
    pid: Pid,
    /// A pidfd: readable when the process has exited.
    handle: Descriptor,
}

/// How often it is looked whether a fork server has exited.
const PAUSE: Duration = Duration::from_millis(10);

/// A fork server that has not exited this long after its channel was closed is killed; and is left
/// alone after another such time, if it cannot be killed.
const EXIT_TIMEOUT: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

impl ForkServerProcess {
    /// The channel; it outlives the process, for the workers that were started by it.
    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    pub(crate) fn handle(&self) -> &Descriptor {
        &self.handle
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Opens the pidfd again if the program has closed it.
    pub(crate) fn renew_handle(&mut self) {
        self.handle.renew_pidfd(self.pid);
    }

    pub(crate) fn kill(&self) {
        let send = |handle| rustix::process::pidfd_send_signal(handle, Signal::KILL);
        let killed = self.handle.own().and_then(send);
        // The host has given up the right to kill it.
        if killed == Err(Errno::PERM) {
            self.channel.shut_down();
        }
    }

    /// The same for one whose pidfd the program has closed.
    fn vanishes_in_time(&self) -> bool {
        let end = Instant::now() + EXIT_TIMEOUT_WHEN_LOST;
        while process::is_running(self.pid) {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        true
    }

    fn exits_in_time(&self) -> bool {
        let Ok(handle) = self.handle.own() else { return self.vanishes_in_time() };
        let mut end = [PollFd::new(&handle, PollFlags::IN)];
        matches!(rustix::event::poll(&mut end, Some(&EXIT_TIMEOUT)), Ok(1..))
    }
}

/// How long a process may take to exit whose descriptors the program has closed: the end of its channel
/// ends it.
pub(crate) const EXIT_TIMEOUT_WHEN_LOST: Duration = Duration::from_millis(500);

impl Drop for ForkServerProcess {
    fn drop(&mut self) {
        self.channel.shut_down();
        if !self.exits_in_time() {
            self.renew_handle();
            self.kill();
            self.exits_in_time();
        }
        // Where this process has become the parent of its orphans.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let wait = |handle| rustix::process::waitid(WaitId::PidFd(handle), options);
        while let Err(Errno::INTR) = self.handle.own().and_then(wait) {}
    }
}

/// Executes a program that becomes a fork server. It reports when it is ready. `first`: the worker
/// that it starts without being asked.
pub(crate) fn execute_fork_server(
    start: &WorkerStart<'_>,
    process_config: &ProcessConfig,
    image: Image,
    first: Option<FirstWorker<'_>>,
) -> Result<ForkServerProcess> {
    // Again, because they may have changed since the pool was made.
    check_identity(process_config)?;
    let (ours, theirs) = Channel::pair()?;
    let executes = process_config.start == StartMethod::Spawn;
    let (program, role, title) = match executes {
        true => (server_program(process_config)?, Role::SpawnServer, "spawnserver"),
        false => (program(process_config, image)?, Role::ForkServer, "forkserver"),
    };
    let bytes = if executes { process_config.inherited_fds.encode() } else { Vec::new() };
    let init = Init {
        is_main_program: program.is_main_program,
        modules: if executes { String::new() } else { process_config.module_paths() },
        bytes_len: bytes.len() as u32,
        ..start.init(0)
    };
    start.region.write_magic();
    send_parent(&ours, role)?;
    ours.send(&Message::Init(init), start.region.file().filter(|_| !executes))?;
    ours.send_bytes(&bytes)?;
    if !executes {
        ours.send_bytes(&process_config.module_identities())?;
        // Now, because what arrives while it opens modules would end it, as the end of the channel does.
        ours.send(&Message::Preload { modules: process_config.preload.join("\0") }, None)?;
    }
    let title = CString::new(format!("{}/{title}", start.name));
    let title = title.map_err(|_| Status::POOL_ERR_INVALID)?;
    let server = executable_of(process_config, &program, &title, &theirs)?;
    let first = first.map(|first| first.prepare(process_config, image)).transpose()?;
    let mut memory = ExecMemory::default();
    let (pid, handle) = execute_unseen(|| {
        executable::close_all_on_exec();
        let _ = rustix::process::setpgid(None, None);
        if let Some((program, title, channel)) = &first {
            let started = executable_of(process_config, program, title, channel);
            let started = started.and_then(|worker| worker.spawn());
            let _ = forkserver::tell_started(&theirs, start.seat.0.into(), started);
        }
        // SAFETY: the process shares its memory with this one, and nothing else; it ends if this
        // returns.
        unsafe { server.replace_process(&mut memory) }
    })?;
    Ok(ForkServerProcess { channel: Arc::new(ours), pid, handle })
}

fn executable_of<'a>(
    process_config: &'a ProcessConfig,
    program: &'a WorkerProgram<'_>,
    title: &'a CStr,
    channel: &'a Channel,
) -> Result<Executable<'a>> {
    let entries = process_config.environment.clone().unwrap_or_default();
    Ok(Executable {
        path: &program.path,
        file: program.file.and_then(|file| file.own().ok()),
        loaded: &program.loaded,
        name: program.name(),
        title,
        environment: environment(entries, program.preload.as_deref())?,
        directory: process_config.directory.as_deref(),
        inherited: &process_config.inherited_fds,
        channel,
    })
}

/// The worker that a fork server which executes programs starts first: before its own program runs, so
/// that the two load at the same time. It is told of over the fork server's channel, as if by that.
pub(crate) struct FirstWorker<'a> {
    pub(crate) title: &'a str,
    pub(crate) channel: ChannelEnds<'a>,
}

/// The two ends of a channel to a process that is about to be executed.
pub(crate) struct ChannelEnds<'a> {
    pub(crate) ours: &'a Channel,
    pub(crate) theirs: &'a Channel,
}

impl<'a> FirstWorker<'a> {
    fn prepare(
        self,
        process_config: &ProcessConfig,
        image: Image,
    ) -> Result<(WorkerProgram<'_>, CString, &'a Channel)> {
        send_parent(self.channel.ours, Role::Worker)?;
        let title = CString::new(self.title).map_err(|_| Status::POOL_ERR_INVALID)?;
        Ok((program(process_config, image)?, title, self.channel.theirs))
    }
}

/// Forks a fork server off the caller's thread. Writes first what the caller has printed, because
/// each copy would write it too.
pub(crate) fn fork_caller(
    name: &str,
    process_config: &ProcessConfig,
    region: &Arc<Region>,
) -> Result<ForkServerProcess> {
    forkserver::flush_streams();
    fork_server(name, process_config, region)
}

/// Forks a fork server off this thread. Refused if other threads could hold a lock.
pub(crate) fn fork_server(
    name: &str,
    process_config: &ProcessConfig,
    region: &Arc<Region>,
) -> Result<ForkServerProcess> {
    if process_config.start != (StartMethod::Fork { with_threads: true })
        && threads::count_others()? > 0
    {
        let message = "POOL_FORK: this process has other threads, and a copy of it could find locked for ever what they hold; make the pool before them, use POOL_FORKSERVER, or set fork_with_threads";
        return Err(Error::new(Status::POOL_ERR_STATE, message));
    }
    let (channel, theirs) = Channel::pair()?;
    let parent =
        fd::pidfd(rustix::process::getpid()).map_err(|errno| Error::os("pidfd_open", errno))?;
    let copy = CallerCopy { name, process_config, region, parent, rseq: RseqArea::find() };
    process::count_forks();
    let _forking = ForkGuard::begin();
    let (pid, handle) = start_unseen(|| {
        // SAFETY: the child continues in `CallerCopy::live`, which never returns. There are no
        // other threads, or the user has accepted that they may hold locks.
        match unsafe { libc::fork() } {
            0 => copy.live(&theirs),
            pid => Pid::from_raw(pid)
                .filter(|_| pid > 0)
                .ok_or_else(|| Error::os("fork", last_errno())),
        }
    })?;
    Ok(ForkServerProcess { channel: Arc::new(channel), pid, handle })
}
