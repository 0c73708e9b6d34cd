//! Starting a process that the host does not see: no signal tells of its end, and no wait finds it.
//!
//! The kernel sends SIGCHLD to the parent of a process that ends, and every program that is executed
//! is made to end in that way (execve(2)), however it was started. So what the library starts must not
//! be a child of the host. It is a grandchild:
//!
//! ```text
//!   host ──clone(CLONE_VM | CLONE_VFORK, no signal)──▶ intermediate ──fork, or the same and exec──▶ process
//!     ▲                                                  │
//!     └── a message: the process id and a pidfd ─────────┘ exits, and is waited for by its id
//! ```
//!
//! The intermediate is to the kernel what a vfork makes: it runs in the memory of the host and on the
//! stack of the thread that made it, which stands still until it has exited. It ends without a signal,
//! and only a wait with `__WCLONE` finds it, so neither a handler nor a wait of the host does. Being the
//! thread in all but its process id, it may do what the thread may do: allocate, take locks, call fork
//! of the C library with its handlers.
//!
//! Its child is then an orphan, and goes to init; or to the host, if that is init itself or a subreaper
//! (prctl(2)), where it is waited for by its pidfd.
//!
//! Not a process that shares the host's memory for longer (clone without CLONE_VFORK), although it
//! would need no program: valgrind refuses it, debuggers take it for a thread, and the host's memory
//! would live until it ends.
//!
//! The message is sent over a pair of sockets, and not left in the memory: under valgrind the
//! intermediate has a copy of the memory.

use super::channel::{Channel, Received};
use super::dl_lock::DlGuard;
use super::protocol::Message;
use super::threads;
use crate::error::{Error, Result, Status};
use crate::fd::{self, Descriptor};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::ffi::{CStr, c_int, c_void};
use std::os::fd::{AsFd, AsRawFd};

/// Starts a process by a function that runs in an intermediate process; it returns the process id of
/// its child. Returns that and a pidfd. All signals are blocked in the function.
pub(super) fn start_unseen(start: impl FnOnce() -> Result<Pid>) -> Result<(Pid, Descriptor)> {
    let (ours, theirs) = Channel::pair()?;
    let begun = threads::signals_blocked(|| {
        let report = || {
            let (message, handle) = match start().and_then(with_handle) {
                Ok((pid, handle)) => {
                    let pid = pid.as_raw_nonzero().get();
                    (Message::Forked { seat: 0, pid }, Some(handle))
                }
                Err(error) => (Message::start_failed(&error), None),
            };
            let _ = theirs.send_patiently(&message, handle.as_ref().map(AsFd::as_fd));
        };
        let intermediate = vfork(report)?;
        wait_for(intermediate);
        Ok::<(), Error>(())
    });
    begun?;
    match ours.try_receive() {
        Received::Message(Message::Forked { pid, .. }, Some(handle)) => {
            let pid = Pid::from_raw(pid).ok_or(Status::POOL_ERR_OS)?;
            Ok((pid, handle))
        }
        Received::Message(Message::Forked { .. }, None) => {
            // It finds its channel closed, and exits.
            Err(Error::os("receiving the handle of a process", Errno::MFILE))
        }
        Received::Message(Message::StartFailed { status, errno, message }, _) => {
            Err(Error::from_peer(status, errno, message))
        }
        _ => Err(Error::os("starting a process", Errno::CHILD)),
    }
}

/// Starts a process that shares this one's memory until it executes a program. Nothing else is shared:
/// descriptors, handlers and the working directory are copies. An error is what the function returns.
pub(super) fn execute_unseen(run: impl FnOnce() -> Error) -> Result<(Pid, Descriptor)> {
    start_unseen(|| {
        let mut failure = None;
        let pid = vfork(|| failure = Some(run()))?;
        if let Some(error) = failure {
            wait_for(pid);
            return Err(error);
        }
        Pid::from_raw(pid).ok_or_else(|| Status::POOL_ERR_OS.into())
    })
}

/// A child that was just started, with a pidfd. Only the caller waits for it, so its process id is not
/// reused.
fn with_handle(pid: Pid) -> Result<(Pid, Descriptor)> {
    match fd::pidfd(pid) {
        Ok(handle) => Ok((pid, handle)),
        Err(errno) => {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            Err(Error::os("pidfd_open", errno))
        }
    }
}

/// Runs a function in a process that shares this one's memory and the thread's stack, and then ends. The
/// thread goes on when it has ended. If the thread ends meanwhile, the process is killed: it may wait for
/// a lock that another thread held, and that nobody releases any more.
fn vfork<F: FnOnce()>(work: F) -> Result<c_int> {
    let parent = rustix::process::getpid();
    let work = move || {
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
        // It may have ended before.
        if rustix::process::getppid() == Some(parent) {
            work();
        }
    };
    run_in_child(work)
}

/// [`vfork`], without an end that comes with the parent's.
fn run_in_child<F: FnOnce()>(work: F) -> Result<c_int> {
    unsafe extern "C" fn run<F: FnOnce()>(work: *mut c_void) -> ! {
        // SAFETY: `run_in_child` passes the address of its `Some`, which nothing else uses meanwhile.
        if let Some(work) = unsafe { &mut *work.cast::<Option<F>>() }.take() {
            work();
        }
        // SAFETY: the call only ends the process.
        unsafe { libc::_exit(0) }
    }
    let mut work = Some(work);
    let run: unsafe extern "C" fn(*mut c_void) -> ! = run::<F>;
    // SAFETY: `run` gets the address that it expects, which is valid until this thread goes on.
    let outcome = unsafe { clone_on_this_stack(run, (&raw mut work).cast()) };
    // The child has dropped it in the memory of both; under valgrind in its copy.
    std::mem::forget(work);
    match c_int::try_from(outcome) {
        Ok(pid) if pid > 0 => Ok(pid),
        _ => Err(Error::os("clone", Errno::from_raw_os_error(outcome.unsigned_abs() as i32))),
    }
}

/// As vfork(2), without a signal at the child's end. The child never returns from here: it calls `run`.
/// What it pushes lies below the frame of the parent, which has kept its registers.
///
/// # Safety
/// `run` may be called with `argument` while the calling thread stands still.
#[inline(never)]
unsafe fn clone_on_this_stack(
    run: unsafe extern "C" fn(*mut c_void) -> !,
    argument: *mut c_void,
) -> isize {
    const FLAGS: usize = (libc::CLONE_VM | libc::CLONE_VFORK) as usize;
    let mut outcome = libc::SYS_clone as isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the parent gets the result of the system call, and has lost only what is named here. The
    // child calls the function, on a stack that is aligned for a call, and does not come back.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") outcome,
            in("rdi") FLAGS,
            in("rsi") 0,
            in("rdx") 0,
            in("r10") 0,
            in("r8") 0,
            in("r12") argument,
            in("r13") run,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            in("x8") outcome,
            inlateout("x0") FLAGS => outcome,
            in("x1") 0,
            in("x2") 0,
            in("x3") 0,
            in("x4") 0,
            in("x20") argument,
            in("x21") run,
        );
    }
    outcome
}

/// Waits for the intermediate process, which ends or has ended.
fn wait_for(intermediate: c_int) {
    // SAFETY: the status is not asked for.
    while unsafe { libc::waitpid(intermediate, std::ptr::null_mut(), libc::__WCLONE) } < 0
        && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
    {}
}

/// Where the C library has registered each thread's restartable sequences (rseq(2)). The kernel drops
/// the registration in the intermediate, which shares the memory, so in what that forks the number of
/// the CPU that the thread reads there would stay as it was. glibc registers it from 2.35 on.
#[derive(Clone, Copy)]
pub(super) struct RseqArea {
    /// From the thread pointer.
    offset: isize,
    size: u32,
}

impl RseqArea {
    /// Asked for before the fork: another thread could hold the lock of the dynamic loader.
    pub(super) fn find() -> Option<RseqArea> {
        let symbol = |name: &CStr| {
            let _inside = DlGuard::enter();
            // SAFETY: looks up a name that ends with NUL.
            unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
        };
        let (offset, size) = (symbol(c"__rseq_offset"), symbol(c"__rseq_size"));
        if offset.is_null() || size.is_null() {
            return None;
        }
        // SAFETY: glibc's constant of that name is a ptrdiff_t.
        let offset = unsafe { *offset.cast::<isize>() };
        // SAFETY: glibc's constant of that name is an unsigned int; 0: it has registered nothing.
        let size = unsafe { *size.cast::<u32>() };
        (size > 0).then_some(RseqArea { offset, size })
    }

    /// Registers that of this thread again.
    #[expect(clippy::disallowed_methods, reason = "the C library has no function for it")]
    pub(super) fn register(self) {
        const SIGNATURE: u32 = if cfg!(target_arch = "x86_64") { 0x5305_3053 } else { 0xd428_bc00 };
        // The kernel takes no smaller area, and glibc has none.
        let size = self.size.max(32);
        // SAFETY: the area of that size belongs to this thread, and lives as long as the thread.
        unsafe {
            libc::syscall(libc::SYS_rseq, thread_pointer() + self.offset, size, 0, SIGNATURE)
        };
    }
}

fn thread_pointer() -> isize {
    let pointer: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the thread's control block begins with its own address (System V ABI, x86-64, TLS).
    unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) pointer);
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: reads a register that every thread may read.
    unsafe {
        std::arch::asm!("mrs {}, tpidr_el0", out(reg) pointer);
    }
    pointer
}

/// How a process has exited that was reaped by its parent, if the kernel tells: from Linux 6.15 on.
/// (ioctl PIDFD_GET_INFO of linux/pidfd.h.)
pub(crate) fn status_after_reaping(handle: &Descriptor) -> Option<i32> {
    /// `struct pidfd_info`, as it was first.
    #[derive(Default)]
    #[repr(C)]
    struct PidfdInfo {
        mask: u64,
        cgroup: u64,
        ids: [u32; 11],
        exit_code: i32,
    }
    const GET_INFO: libc::Ioctl = 0xc040_ff0b;
    const EXIT: u64 = 1 << 3;
    let mut info = PidfdInfo { mask: EXIT, ..PidfdInfo::default() };
    // SAFETY: the kernel fills in a struct of the size that is part of the number.
    let answer = unsafe { libc::ioctl(handle.own().ok()?.as_raw_fd(), GET_INFO, &raw mut info) };
    (answer == 0 && info.mask & EXIT != 0).then_some(info.exit_code)
}
