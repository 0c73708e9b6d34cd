//! Process-wide state: how often the process was forked, its exit handler, panics, and thread identities.

use crate::fd;
use crate::sync::Ordering::Relaxed;
use crate::sync::plain::{AtomicU32, AtomicU64};
use rustix::process::Pid;
use std::any::Any;
use std::sync::{Once, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// The number of forks since the process that loaded the library.
static FORK_GENERATION: AtomicU32 = AtomicU32::new(0);

/// The number of forks since the process that loaded the library. A value that differs from an
/// earlier one was read in a forked child. Relaxed: the child has a single thread when it changes.
#[inline]
pub(crate) fn fork_generation() -> u32 {
    FORK_GENERATION.load(Relaxed)
}

/// Makes [`fork_generation`] count the forks from here on. Calling it again does nothing.
pub(crate) fn count_forks() {
    static COUNTING: OnceLock<()> = OnceLock::new();
    unsafe extern "C" fn in_child() {
        FORK_GENERATION.fetch_add(1, Relaxed);
        UNWIPED.store(0, Relaxed);
        fd::close_inherited_events();
    }
    COUNTING.get_or_init(|| {
        // SAFETY: the handler only changes numbers and closes descriptors, and the library is never
        // unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

/// Recognizes copies of this process, also those that were made without the C library's fork, and so
/// without its handlers: by _Fork or clone.
#[derive(Clone, Copy)]
pub(crate) struct ProcessMark {
    /// A word that is 0 in a copy until the copy makes a mark of its own.
    word: &'static AtomicU64,
    own: u64,
}

impl ProcessMark {
    /// The mark of this process. Threads that race for the first one agree.
    pub(crate) fn new() -> ProcessMark {
        let word = marked_word();
        // A copy never has the id of a living ancestor; the time tells it from one that has exited.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let fresh = (u64::from(std::process::id()) << 40 ^ now.as_nanos() as u64).max(1);
        let own = match word.compare_exchange(0, fresh, Relaxed, Relaxed) {
            Ok(_) => fresh,
            Err(own) => own,
        };
        ProcessMark { word, own }
    }

    /// Whether the mark was made in this process. False in a copy. Relaxed: a copy has one thread when
    /// the word changes.
    #[inline]
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.word.load(Relaxed) == self.own
    }
}

/// In place of the page, where the kernel does not know the advice.
static UNWIPED: AtomicU64 = AtomicU64::new(0);

/// A word in a page that the kernel clears in every copy of the process (madvise(2):
/// MADV_WIPEONFORK). Where it does not, only copies made by fork are recognized.
fn marked_word() -> &'static AtomicU64 {
    static WORD: OnceLock<&'static AtomicU64> = OnceLock::new();
    WORD.get_or_init(|| wiped_word().unwrap_or(&UNWIPED))
}

fn wiped_word() -> Option<&'static AtomicU64> {
    let access = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
    let flags = rustix::mm::MapFlags::PRIVATE;
    // SAFETY: the kernel chooses the address, so no existing mapping is replaced.
    let page = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), PAGE, access, flags) };
    let page = page.ok()?;
    // SAFETY: the advice is for the mapping just made, and changes nothing in this process.
    unsafe { rustix::mm::madvise(page, PAGE, rustix::mm::Advice::LinuxWipeOnFork) }.ok()?;
    // SAFETY: the mapping is never unmapped, is aligned to its size, and zeros are an atomic number.
    Some(unsafe { &*page.cast::<AtomicU64>() })
}

/// The smallest page of both architectures.
const PAGE: usize = 4096;

/// Keeps the message of a panic off the host's stderr: every panic is caught, and becomes an error.
/// Only the library's own copy of the standard library is concerned. Calling it again does nothing.
pub(crate) fn silence_panics() {
    static SILENCED: Once = Once::new();
    // Those of unit tests are for their reader.
    if !cfg!(test) {
        SILENCED.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    }
}

/// The message of a caught panic, if it has one.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> Option<&str> {
    let formatted = || panic.downcast_ref::<String>().map(String::as_str);
    panic.downcast_ref::<&str>().copied().or_else(formatted)
}

/// Whether there is a process with this id that is no zombie. It opens no file: what tells is that a
/// zombie has no memory. (process_vm_readv(2).)
pub(crate) fn is_running(pid: Pid) -> bool {
    let mut byte = 0_u8;
    let own = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // Nothing is mapped there.
    let other = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 1 };
    let pid = pid.as_raw_nonzero().get();
    // SAFETY: writes to one byte at most, which `own` describes.
    let read = unsafe { libc::process_vm_readv(pid, &raw const own, 1, &raw const other, 1, 0) };
    read >= 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// Whether /proc names processes by the same ids as this process does: it may be that of another
/// PID namespace.
pub(crate) fn has_own_proc() -> bool {
    let own = std::fs::read_link("/proc/self");
    own.is_ok_and(|own| own.as_os_str() == std::process::id().to_string().as_str())
}

static EXIT_HANDLER: OnceLock<extern "C" fn()> = OnceLock::new();

/// Registers the function that runs when the process exits. It runs in forked children, too.
pub(crate) fn call_at_exit(function: extern "C" fn()) {
    let _ = EXIT_HANDLER.set(function);
    // SAFETY: the function is part of the library, which is never unloaded.
    unsafe { libc::atexit(function) };
}

/// Runs the function of [`call_at_exit`] now, in a process that exits without its exit handlers.
pub(crate) fn run_exit_handler() {
    if let Some(function) = EXIT_HANDLER.get() {
        function();
    }
}

/// A thread of this process. Its identity differs from that of every other live thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThreadId(libc::pthread_t);

/// The calling thread. Unlike [`std::thread::current`] it also works in exit handlers, after the
/// thread's local data was destroyed.
pub(crate) fn this_thread() -> ThreadId {
    // SAFETY: the function has no precondition and only returns a number.
    ThreadId(unsafe { libc::pthread_self() })
}
