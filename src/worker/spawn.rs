//! Starting workers, the parent's end: a thread, a program that is executed, or a fork server.
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
use super::forkserver::{self, CallerCopy};
use super::inherit_fds::FdAction;
use super::protocol::{Init, Message, PRELOAD_VARIABLE, WORKER_ARGUMENT};
use super::resolve::Resolver;
use super::{Worker, child, main_hook, modules, threads};
use crate::board::Region;
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::fd::Descriptor;
use crate::{clock, fd, process};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::thread::JoinHandle;

/// A worker that is about to start.
pub(crate) struct WorkerStart<'a> {
    /// The pool's name.
    pub(crate) name: &'a str,
    pub(crate) region: &'a Arc<Region>,
    pub(crate) seat: SeatIndex,
    pub(crate) worker_config: WorkerConfig,
}

impl WorkerStart<'_> {
    /// The name of a worker's thread, and the title of its process.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.name, self.seat.0)
    }

    /// The message for a worker that runs the main program.
    fn init(&self) -> Init {
        Init {
            version: super::version(),
            seat: self.seat.0,
            parent: std::process::id(),
            is_main_program: true,
            is_fork_server: false,
            geometry: self.region.geometry.to_numbers(),
            worker_config: WorkerConfig {
                depth: child::depth() + 1,
                scale: clock::scale(),
                ..self.worker_config
            },
            exec_context_len: 0,
            modules: String::new(),
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

/// A child process.
pub(crate) struct SpawnedProcess {
    pub(crate) pid: Pid,
    /// A pidfd: readable when the process has exited.
    pub(crate) handle: Descriptor,
}

impl SpawnedProcess {
    /// A child that was just started. Only the caller reaps it, so its process id is not reused.
    fn new(pid: Pid) -> Result<SpawnedProcess> {
        match fd::pidfd(pid) {
            Ok(handle) => Ok(SpawnedProcess { pid, handle }),
            Err(errno) => {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
                Err(Error::os("pidfd_open", errno))
            }
        }
    }
}

/// Ends a child whose pidfd the program has closed. Until a child is waited for, its process id is
/// not reused. None: it is no child any more.
pub(crate) fn end_child(pid: Pid) -> Option<ExitStatus> {
    let id = WaitId::Pid(pid);
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    rustix::io::retry_on_intr(|| rustix::process::waitid(id.clone(), look)).ok()?;
    let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    let _ = rustix::process::kill_process(pid, Signal::KILL);
    let wait = || rustix::process::waitpid(Some(pid), WaitOptions::empty());
    let (_, status) = rustix::io::retry_on_intr(wait).ok()??;
    Some(ExitStatus::from_raw(status.as_raw()))
}

/// The two ends of a channel to a process that is about to be executed.
pub(crate) struct ChannelEnds<'a> {
    pub(crate) ours: &'a Channel,
    pub(crate) theirs: &'a Channel,
}

/// Executes a program as a worker. Its first message is already in the channel.
pub(crate) fn execute_worker(
    start: &WorkerStart<'_>,
    process_config: &ProcessConfig,
    image: Image,
    channel: ChannelEnds<'_>,
) -> Result<SpawnedProcess> {
    let exec_context = process_config.exec_context.encode();
    let exec_context_len = exec_context.len() as u32;
    let program = program(process_config, image)?;
    let init = Init {
        is_main_program: program.is_main_program,
        modules: process_config.modules.join("\0"),
        exec_context_len,
        ..start.init()
    };
    start.region.write_magic();
    channel.ours.send(&Message::Init(init), start.region.file())?;
    channel.ours.send_bytes(&exec_context)?;
    execute(&program, &start.title(), process_config, channel.theirs)
}

/// Sends a forked worker its first message.
pub(crate) fn send_init(
    start: &WorkerStart<'_>,
    process_config: &ProcessConfig,
    channel: &Channel,
) -> Result<()> {
    let exec_context = process_config.exec_context.encode();
    let init = Init { exec_context_len: exec_context.len() as u32, ..start.init() };
    channel.send(&Message::Init(init), None)?;
    channel.send_bytes(&exec_context)
}

fn execute(
    program: &WorkerProgram,
    title: &str,
    process_config: &ProcessConfig,
    channel: &Channel,
) -> Result<SpawnedProcess> {
    let environment = environment(process_config, program)?;
    let title = CString::new(title).map_err(|_| Status::POOL_ERR_INVALID)?;
    let pid = spawn(&program.path, &title, &environment, process_config, channel)?;
    SpawnedProcess::new(Pid::from_raw(pid).ok_or(Status::POOL_ERR_OS)?)
}

/// What a worker process executes.
struct WorkerProgram {
    path: CString,
    is_main_program: bool,
    /// The path of the library, if it must be preloaded.
    preload: Option<PathBuf>,
}

fn program(process_config: &ProcessConfig, image: Image) -> Result<WorkerProgram> {
    if let Some(path) = &process_config.executable {
        // Functions of the main program are looked up in it, and refused if its identity differs.
        return Ok(WorkerProgram { path: path.clone(), is_main_program: true, preload: None });
    }
    if image == Image::Helper
        && let Some(path) = helper()
    {
        return Ok(WorkerProgram { path, is_main_program: false, preload: None });
    }
    let own = modules::own().ok_or(Status::POOL_ERR_OS)?;
    let is_linked = own.is_main || main_hook::main_program_needs(SONAME);
    let preload = (!is_linked).then_some(own.path);
    let separators =
        |path: &PathBuf| path.as_os_str().as_bytes().iter().any(|it| b" :".contains(it));
    if preload.as_ref().is_some_and(separators) {
        let message = "functions of a main program that is not linked with libcarpool.so cannot run in worker processes while the library's path has a space or a colon in it; link the program with the library";
        return Err(Error::new(Status::POOL_ERR_FUNCTION, message));
    }
    // The same program, even if its file was replaced meanwhile.
    Ok(WorkerProgram { path: c"/proc/self/exe".into(), is_main_program: true, preload })
}

/// The soname of this library, which the Makefile sets.
const SONAME: &CStr = c"libcarpool.so.0";

/// The path of the helper program, found from the folder of the library or of the statically linked
/// program: an install prefix's lib, a folder in its lib, or its bin.
fn helper() -> Option<CString> {
    let own = modules::own()?.path;
    let folder = own.parent()?;
    let found = ["../libexec", "../../libexec"].iter().find_map(|libexec| {
        let path = folder.join(libexec).join("carpool/carpool-worker");
        rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).is_ok().then_some(path)
    });
    CString::new(found?.into_os_string().into_vec()).ok()
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

/// Fails when worker processes cannot run functions of the main program.
pub(crate) fn check_main_program(process_config: &ProcessConfig) -> Result<()> {
    if matches!(process_config.start, StartMethod::Fork { .. }) {
        return Ok(());
    }
    program(process_config, Image::MainProgram).map(drop)
}

/// The environment of the worker, with the library in LD_PRELOAD if it must be preloaded.
fn environment(process_config: &ProcessConfig, program: &WorkerProgram) -> Result<Vec<CString>> {
    let mut entries = process_config.environment.clone().unwrap_or_default();
    let Some(library) = &program.preload else { return Ok(entries) };
    let prefix = joined(PRELOAD_VARIABLE.into(), OsString::new()).into_vec();
    let before = entries.iter().position(|entry| entry.as_bytes().starts_with(&prefix));
    let mut value = library.clone().into_os_string();
    if let Some(index) = before {
        value.push(":");
        value.push(OsStr::from_bytes(&entries.remove(index).as_bytes()[prefix.len()..]));
    }
    let entry = CString::new(joined(PRELOAD_VARIABLE.into(), value).into_vec());
    entries.push(entry.map_err(|_| Status::POOL_ERR_INVALID)?);
    Ok(entries)
}

fn joined(mut name: OsString, value: OsString) -> OsString {
    name.push("=");
    name.push(value);
    name
}

/// Executes a program in a process group of its own, with no signal blocked or handled, with
/// standard input empty or as set, and with no other descriptors than the inherited ones and the
/// channel. The child runs none of our code before the new program, and the memory of a large
/// parent is not copied.
fn spawn(
    path: &CStr,
    title: &CStr,
    environment: &[CString],
    process_config: &ProcessConfig,
    channel: &Channel,
) -> Result<libc::pid_t> {
    let mut child = SpawnAttributes::new()?;
    child.own_group_and_clean_signals()?;
    // Their current numbers may be those of inherited descriptors in the child.
    let inherited = &process_config.inherited_fds;
    inherited.check()?;
    let moved = |fd: BorrowedFd<'_>| {
        fd::duplicate(fd, inherited.first_free())
            .map_err(|errno| Error::os("duplicating a descriptor", errno))
    };
    let channel = moved(channel.as_fd())?;
    let stdin = inherited.open_stdin()?.map(|stdin| moved(stdin.as_fd())).transpose()?;
    let steps = inherited.steps(channel.as_raw_fd(), stdin.as_ref().map(AsRawFd::as_raw_fd));
    child.descriptors(&steps)?;
    child.directory(process_config.directory.as_deref())?;
    let number = CString::new(inherited.channel_number().to_string())
        .map_err(|_| Status::POOL_ERR_INVALID)?;
    let arguments = [title.as_ptr(), WORKER_ARGUMENT.as_ptr(), number.as_ptr(), std::ptr::null()];
    let environment: Vec<*const c_char> =
        environment.iter().map(|entry| entry.as_ptr()).chain([std::ptr::null()]).collect();
    let mut pid = 0;
    // SAFETY: initialised attributes, and lists of strings that end with NULL and outlive the call.
    let errno = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            &raw const child.actions,
            &raw const child.attributes,
            arguments.as_ptr().cast(),
            environment.as_ptr().cast(),
        )
    };
    check(errno, &format!("starting {}", path.to_string_lossy())).map(|()| pid)
}

/// What posix_spawn does to the child.
struct SpawnAttributes {
    actions: libc::posix_spawn_file_actions_t,
    attributes: libc::posix_spawnattr_t,
}

impl SpawnAttributes {
    fn new() -> Result<SpawnAttributes> {
        let mut actions = MaybeUninit::uninit();
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: initialises the struct.
        let errno = unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) };
        check(errno, "posix_spawn_file_actions_init")?;
        // SAFETY: initialises the struct. In glibc this one cannot fail and leak the other.
        let errno = unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) };
        check(errno, "posix_spawnattr_init")?;
        Ok(SpawnAttributes {
            // SAFETY: initialised above.
            actions: unsafe { actions.assume_init() },
            // SAFETY: initialised above.
            attributes: unsafe { attributes.assume_init() },
        })
    }

    fn own_group_and_clean_signals(&mut self) -> Result<()> {
        let mut none = MaybeUninit::uninit();
        let mut all = MaybeUninit::uninit();
        // SAFETY: fills in the set.
        unsafe { libc::sigemptyset(none.as_mut_ptr()) };
        // SAFETY: fills in the set.
        unsafe { libc::sigfillset(all.as_mut_ptr()) };
        let attributes = &raw mut self.attributes;
        // SAFETY: initialised attributes and a set that was filled in.
        let errno = unsafe { libc::posix_spawnattr_setsigmask(attributes, none.as_ptr()) };
        check(errno, "posix_spawnattr_setsigmask")?;
        // SAFETY: initialised attributes and a set that was filled in.
        let errno = unsafe { libc::posix_spawnattr_setsigdefault(attributes, all.as_ptr()) };
        check(errno, "posix_spawnattr_setsigdefault")?;
        // SAFETY: initialised attributes.
        let errno = unsafe { libc::posix_spawnattr_setpgroup(attributes, 0) };
        check(errno, "posix_spawnattr_setpgroup")?;
        let flags = libc::POSIX_SPAWN_SETPGROUP
            | libc::POSIX_SPAWN_SETSIGMASK
            | libc::POSIX_SPAWN_SETSIGDEF;
        // SAFETY: initialised attributes.
        let errno = unsafe { libc::posix_spawnattr_setflags(attributes, flags as libc::c_short) };
        check(errno, "posix_spawnattr_setflags")
    }

    fn descriptors(&mut self, steps: &[FdAction]) -> Result<()> {
        let actions = &raw mut self.actions;
        for step in steps {
            let errno = match *step {
                // SAFETY: initialised actions.
                FdAction::Copy(from, to) => unsafe {
                    libc::posix_spawn_file_actions_adddup2(actions, from, to)
                },
                // SAFETY: initialised actions.
                FdAction::CloseFrom(first) => unsafe {
                    libc::posix_spawn_file_actions_addclosefrom_np(actions, first)
                },
                // SAFETY: initialised actions.
                FdAction::Close(number) => unsafe {
                    libc::posix_spawn_file_actions_addclose(actions, number)
                },
            };
            check(errno, "posix_spawn_file_actions")?;
        }
        Ok(())
    }

    fn directory(&mut self, directory: Option<&CStr>) -> Result<()> {
        let Some(directory) = directory else { return Ok(()) };
        let actions = &raw mut self.actions;
        // SAFETY: initialised actions; the path is copied.
        let errno =
            unsafe { libc::posix_spawn_file_actions_addchdir_np(actions, directory.as_ptr()) };
        check(errno, "posix_spawn_file_actions_addchdir_np")
    }
}

impl Drop for SpawnAttributes {
    fn drop(&mut self) {
        // SAFETY: initialised, and not used again.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.actions) };
        // SAFETY: initialised, and not used again.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.attributes) };
    }
}

fn check(errno: i32, doing: &str) -> Result<()> {
    match errno {
        0 => Ok(()),
        errno => Err(Error::os(doing, Errno::from_raw_os_error(errno))),
    }
}

// ---- fork servers -----------------------------------------------------------------------------------

/// A fork server. Dropping it ends the process and waits for that.
pub(crate) struct ForkServerProcess {
    /// None: closed, so that the process exits.
    channel: Option<Channel>,
    process: SpawnedProcess,
}

/// A fork server that has not exited this long after its channel was closed is killed.
const EXIT_TIMEOUT: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

impl ForkServerProcess {
    pub(crate) fn channel(&self) -> Option<&Channel> {
        self.channel.as_ref()
    }

    pub(crate) fn handle(&self) -> &Descriptor {
        &self.process.handle
    }

    pub(crate) fn pid(&self) -> Pid {
        self.process.pid
    }

    pub(crate) fn kill(&self) {
        let handle = self.process.handle.own();
        let _ = handle.and_then(|handle| rustix::process::pidfd_send_signal(handle, Signal::KILL));
    }
}

impl Drop for ForkServerProcess {
    fn drop(&mut self) {
        drop(self.channel.take());
        if !self.process.handle.is_ours() {
            end_child(self.process.pid);
            return;
        }
        let mut end = [PollFd::new(&self.process.handle, PollFlags::IN)];
        if !matches!(rustix::event::poll(&mut end, Some(&EXIT_TIMEOUT)), Ok(1..)) {
            self.kill();
        }
        let handle = self.process.handle.as_fd();
        while let Err(rustix::io::Errno::INTR) =
            rustix::process::waitid(WaitId::PidFd(handle), WaitIdOptions::EXITED)
        {}
    }
}

/// Executes a program that becomes a fork server. It reports when it is ready.
pub(crate) fn execute_fork_server(
    start: &WorkerStart<'_>,
    process_config: &ProcessConfig,
    image: Image,
) -> Result<ForkServerProcess> {
    let (ours, theirs) = Channel::pair()?;
    let program = program(process_config, image)?;
    let init = Init {
        is_main_program: program.is_main_program,
        is_fork_server: true,
        modules: process_config.modules.join("\0"),
        ..start.init()
    };
    start.region.write_magic();
    ours.send(&Message::Init(init), start.region.file())?;
    let title = format!("{}/forkserver", start.name);
    let process = execute(&program, &title, process_config, &theirs)?;
    // From here on an error ends the process.
    let server = ForkServerProcess { channel: Some(ours), process };
    if let Some(channel) = server.channel() {
        channel.send(&Message::Preload { modules: process_config.preload.join("\0") }, None)?;
    }
    Ok(server)
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
    let copy = CallerCopy { name, process_config, region, parent };
    process::count_forks();
    let forking = ForkGuard::begin();
    let pid = threads::signals_blocked(|| {
        // SAFETY: the child continues in `CallerCopy::live`, which never returns. There are no
        // other threads, or the user has accepted that they may hold locks.
        match unsafe { libc::fork() } {
            0 => copy.live(theirs),
            -1 => Err(Error::os("fork", forkserver::last_errno())),
            pid => Ok(pid),
        }
    })?;
    drop(forking);
    let pid = Pid::from_raw(pid).ok_or(Status::POOL_ERR_OS)?;
    Ok(ForkServerProcess { channel: Some(channel), process: SpawnedProcess::new(pid)? })
}
