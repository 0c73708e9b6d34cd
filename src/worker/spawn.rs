//! Executing a program as a worker process: what posix_spawn is asked to do to the child.

use super::channel::Channel;
use super::child;
use super::inherit_fds::FdAction;
use super::start::ProcessConfig;
use crate::error::{Error, Result, Status};
use rustix::io::Errno;
use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Executes a program as a worker: a group of its own, no signal blocked or handled, standard input at its
/// end or as chosen, the line where it is told, and no descriptor beside but what it is to keep. The child
/// runs no code of ours before it is the new program, and the memory of a large parent is not copied.
pub(super) fn spawn(
    path: &CStr,
    title: &CStr,
    environment: &[CString],
    process_config: &ProcessConfig,
    channel: &Channel,
) -> Result<libc::pid_t> {
    let mut wishes = SpawnAttributes::new()?;
    wishes.own_group_and_clean_signals()?;
    // They may have any numbers, also some of those that are about to be given away.
    let inherited = &process_config.inherited_fds;
    let moved = |fd: BorrowedFd<'_>| {
        rustix::io::fcntl_dupfd_cloexec(fd, inherited.first_free())
            .map_err(|errno| Error::os("duplicating a descriptor", errno))
    };
    let channel = moved(channel.as_fd())?;
    let stdin = inherited.open_stdin()?.map(|stdin| moved(stdin.as_fd())).transpose()?;
    let steps = inherited.steps(channel.as_raw_fd(), stdin.as_ref().map(AsRawFd::as_raw_fd));
    wishes.descriptors(&steps)?;
    wishes.directory(process_config.directory.as_deref())?;
    let number = CString::new(inherited.channel_number().to_string())
        .map_err(|_| Status::POOL_ERR_INVALID)?;
    let arguments = [title.as_ptr(), child::MARK.as_ptr(), number.as_ptr(), std::ptr::null()];
    let environment: Vec<*const c_char> =
        environment.iter().map(|entry| entry.as_ptr()).chain([std::ptr::null()]).collect();
    let mut pid = 0;
    // SAFETY: initialised wishes, and lists of strings that end with NULL and outlive the call.
    let errno = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            &raw const wishes.actions,
            &raw const wishes.attributes,
            arguments.as_ptr().cast(),
            environment.as_ptr().cast(),
        )
    };
    check(errno, &format!("starting {}", path.to_string_lossy())).map(|()| pid)
}

/// What posix_spawn is asked to do to the child.
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
        // SAFETY: as above.
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
