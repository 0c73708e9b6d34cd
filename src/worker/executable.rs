//! A program that is about to be executed, in a child or in place of a process.
//!
//! It gets no signal blocked or handled, standard input empty or as set, and no other descriptors than
//! the inherited ones and the channel.

use super::channel::{Channel, Received};
use super::inherit_fds::{FdAction, InheritedFds};
use super::protocol::{Message, PRELOAD_VARIABLE, WORKER_ARGUMENT};
use crate::error::{Error, Result, Status};
use crate::fd::{self, Descriptor};
use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

pub(super) struct Executable<'a> {
    pub(super) path: &'a CStr,
    /// The program, if it is executed as it was opened.
    pub(super) file: Option<BorrowedFd<'a>>,
    /// What the loader gets, if that is what is executed: its options, and the program to load.
    pub(super) loaded: &'a [CString],
    /// What messages call it.
    pub(super) name: &'a CStr,
    pub(super) title: &'a CStr,
    pub(super) environment: Vec<CString>,
    pub(super) directory: Option<&'a CStr>,
    pub(super) inherited: &'a InheritedFds,
    pub(super) channel: &'a Channel,
}

/// What is made ready for the system calls.
struct Prepared {
    /// The descriptors that the steps copy, and the program.
    open: (Descriptor, Option<Descriptor>, Option<Descriptor>),
    steps: Vec<FdAction>,
    path: CString,
    arguments: Vec<CString>,
}

/// Memory that [`Executable::replace_process`] needs until the new program runs. A process that shares
/// it with its parent leaves it to the parent to be freed.
#[derive(Default)]
pub(super) struct ExecMemory {
    steps: Vec<FdAction>,
    path: CString,
    /// What the first list points to.
    _arguments: Vec<CString>,
    /// The arguments and the environment, as the kernel takes them.
    lists: [Vec<*const c_char>; 2],
}

impl Executable<'_> {
    fn prepare(&self) -> Result<Prepared> {
        self.inherited.check()?;
        // Their current numbers may be those of inherited descriptors in the child.
        let moved = |fd: BorrowedFd<'_>| {
            fd::duplicate(fd, self.inherited.first_free())
                .map_err(|errno| Error::os("duplicating a descriptor", errno))
        };
        let channel = moved(self.channel.as_fd())?;
        let stdin = self.inherited.open_stdin()?.map(|stdin| moved(stdin.as_fd())).transpose()?;
        let stdin_number = stdin.as_ref().map(AsRawFd::as_raw_fd);
        let steps = self.inherited.steps(channel.as_raw_fd(), stdin_number);
        let file = self.file.map(|file| self.inherited.duplicate_beside(file)).transpose()?;
        let path = file.as_ref().and_then(path_of).unwrap_or_else(|| self.path.to_owned());
        let arguments = self.arguments()?;
        Ok(Prepared { open: (channel, stdin, file), steps, path, arguments })
    }

    fn arguments(&self) -> Result<Vec<CString>> {
        let number = CString::new(self.inherited.channel_number().to_string())
            .map_err(|_| Status::POOL_ERR_INVALID)?;
        let mut arguments = vec![self.title.to_owned()];
        if let Some((program, options)) = self.loaded.split_last() {
            // The loader's own name is not the program's.
            arguments.extend([c"--argv0".to_owned(), self.title.to_owned()]);
            arguments.extend(options.iter().chain([program]).cloned());
        }
        arguments.extend([WORKER_ARGUMENT.to_owned(), number]);
        Ok(arguments)
    }

    fn starting(&self) -> String {
        format!("starting {}", self.name.to_string_lossy())
    }

    /// Executes it in a child. All descriptors of this process are close-on-exec. The child runs none of our code before the new program, and the memory
    /// of a large parent is not copied.
    pub(super) fn spawn(&self) -> Result<Pid> {
        let prepared = self.prepare()?;
        let mut child = SpawnAttributes::new()?;
        child.clean_signals()?;
        child.descriptors(&prepared.steps)?;
        child.directory(self.directory)?;
        let (arguments, environment) = (list(&prepared.arguments), list(&self.environment));
        let mut pid = 0;
        // SAFETY: initialised attributes, and lists of strings that end with NULL and outlive the call.
        let errno = unsafe {
            libc::posix_spawn(
                &raw mut pid,
                prepared.path.as_ptr(),
                &raw const child.actions,
                &raw const child.attributes,
                arguments.as_ptr().cast(),
                environment.as_ptr().cast(),
            )
        };
        check(errno, &self.starting())?;
        Pid::from_raw(pid).ok_or_else(|| Status::POOL_ERR_OS.into())
    }

    /// Executes it in place of this process. Returns only if that fails. What `memory` owns afterwards
    /// must not be freed before.
    ///
    /// # Safety
    /// The process must have descriptors, signal handlers and a working directory of its own, and must
    /// end if this returns. All descriptors are close-on-exec.
    pub(super) unsafe fn replace_process(&self, memory: &mut ExecMemory) -> Error {
        let Prepared { open, steps, path, arguments } = match self.prepare() {
            Ok(prepared) => prepared,
            Err(error) => return error,
        };
        // They end with the process, or when it executes the program. They are none of the parent's.
        std::mem::forget(open);
        let lists = [list(&arguments), list(&self.environment)];
        *memory = ExecMemory { steps, path, _arguments: arguments, lists };
        let ExecMemory { steps, path, lists: [arguments, environment], .. } = memory;
        for signal in 1..=libc::SIGRTMAX() {
            // SAFETY: sets a disposition without a handler; the kernel refuses those that cannot be
            // set.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        let failed = |errno| Error::os(&self.starting(), errno);
        for step in steps {
            // SAFETY: the caller's promise: no other code of the process uses its descriptors.
            if unsafe { take_step(*step) } < 0 {
                return failed(last_errno());
            }
        }
        if let Some(directory) = self.directory
            && let Err(errno) = rustix::process::chdir(directory)
        {
            return failed(errno);
        }
        let mut none = MaybeUninit::uninit();
        // SAFETY: fills in the set.
        unsafe { libc::sigemptyset(none.as_mut_ptr()) };
        // SAFETY: a set that was filled in. No signal has a handler.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) };
        // The program outlives its parent, and sees to it itself that it ends with the host.
        let _ = rustix::process::set_parent_process_death_signal(None);
        // SAFETY: lists of strings that end with NULL.
        unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        failed(last_errno())
    }
}

/// The path of an open program, which the kernel resolves before it closes the descriptor. None: there
/// is no /proc.
fn path_of(file: &Descriptor) -> Option<CString> {
    let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    rustix::fs::access(&path, rustix::fs::Access::EXISTS).is_ok().then_some(path)
}

/// The strings as the kernel takes them, as long as they live.
fn list(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Takes a step in this process. Below 0: it has failed.
///
/// # Safety
/// Nothing else may use the descriptors that it closes or overwrites.
unsafe fn take_step(step: FdAction) -> c_int {
    match step {
        // SAFETY: the caller's promise.
        FdAction::Copy(from, to) => unsafe { libc::dup2(from, to) },
        FdAction::Close(number) => {
            // SAFETY: the caller's promise.
            unsafe { libc::close(number) };
            0
        }
    }
}

pub(super) fn last_errno() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// Makes all descriptors of this process but the standard three close when a program is executed.
/// (close_range(2): the flag is as old as Linux 5.11.)
pub(super) fn close_all_on_exec() {
    let flag = libc::CLOSE_RANGE_CLOEXEC as c_int;
    // SAFETY: only sets flags of descriptors.
    if unsafe { libc::close_range(fd::ABOVE_STDIO as u32, u32::MAX, flag) } == 0 {
        return;
    }
    for entry in std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        if let Some(number) = number.filter(|number| *number >= fd::ABOVE_STDIO) {
            // SAFETY: sets a flag; the call fails where the descriptor is closed by now.
            unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
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

    /// No signal is blocked or handled.
    fn clean_signals(&mut self) -> Result<()> {
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
        let flags = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
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

// ---- in a fork server -------------------------------------------------------------------------------

/// Executes the program of a worker, in a fork server. The message that names it is in the channel.
pub(super) fn execute_requested(
    title: &str,
    inherited: &InheritedFds,
    channel: &Channel,
) -> Result<Pid> {
    let received = channel.try_receive();
    let Received::Message(message, file) = received else {
        return Err(Status::POOL_ERR_VERSION.into());
    };
    let Message::Program { path_len, loaded_len, preload_len, has_file } = message else {
        return Err(Status::POOL_ERR_VERSION.into());
    };
    if has_file && file.is_none() {
        return Err(Error::os("receiving the program of a worker", Errno::MFILE));
    }
    let path = channel.receive_bytes(path_len as usize)?;
    let loaded = channel.receive_bytes(loaded_len as usize)?;
    let preload = channel.receive_bytes(preload_len as usize)?;
    let preload = (!preload.is_empty()).then(|| PathBuf::from(OsString::from_vec(preload)));
    let path = CString::new(path).map_err(|_| Status::POOL_ERR_INVALID)?;
    let loaded: Vec<CString> = loaded
        .split_inclusive(|byte| *byte == 0)
        .filter_map(|entry| CStr::from_bytes_with_nul(entry).ok().map(CStr::to_owned))
        .collect();
    let executable = Executable {
        path: &path,
        file: file.as_ref().map(AsFd::as_fd),
        loaded: &loaded,
        name: loaded.last().unwrap_or(&path),
        title: &CString::new(title).map_err(|_| Status::POOL_ERR_INVALID)?,
        environment: environment(environ(), preload.as_deref())?,
        directory: None,
        inherited,
        channel,
    };
    executable.spawn()
}

/// The environment of this process, which is a fork server, entry by entry as it was made.
fn environ() -> Vec<CString> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: the C library has set it, and the process has one thread.
    let entries = unsafe { environ };
    if entries.is_null() {
        return Vec::new();
    }
    let entries = (0..).map(|index| entries.wrapping_add(index)).map_while(|entry| {
        // SAFETY: the list ends with NULL, and is not read beyond it.
        let entry = unsafe { *entry };
        // SAFETY: an entry that is not NULL is a string.
        (!entry.is_null()).then(|| unsafe { CStr::from_ptr(entry) }.to_owned())
    });
    entries.collect()
}

/// The environment of a process, with the library in LD_PRELOAD if it must be preloaded.
pub(super) fn environment(
    mut entries: Vec<CString>,
    preload: Option<&Path>,
) -> Result<Vec<CString>> {
    let Some(library) = preload else { return Ok(entries) };
    let prefix = joined(PRELOAD_VARIABLE.into(), OsString::new()).into_vec();
    let before = entries.iter().position(|entry| entry.as_bytes().starts_with(&prefix));
    let mut value = library.as_os_str().to_owned();
    if let Some(index) = before {
        value.push(":");
        value.push(OsStr::from_bytes(&entries.remove(index).as_bytes()[prefix.len()..]));
    }
    let entry = CString::new(joined(PRELOAD_VARIABLE.into(), value).into_vec());
    entries.push(entry.map_err(|_| Status::POOL_ERR_INVALID)?);
    Ok(entries)
}

pub(super) fn joined(mut name: OsString, value: OsString) -> OsString {
    name.push("=");
    name.push(value);
    name
}
