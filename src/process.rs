//! Process-wide state: how often the process was forked, its exit handler, panics, and thread identities.

use crate::sync::Ordering::Relaxed;
use crate::sync::plain::AtomicU32;
use std::any::Any;
use std::sync::{Once, OnceLock};

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
    }
    COUNTING.get_or_init(|| {
        // SAFETY: the handler only changes an atomic number, and the library is never unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

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
