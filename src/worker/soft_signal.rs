//! The signal of a soft limit, which a worker process receives only while a task's function runs.
//!
//! ```text
//!   blocked ──── open ────▶ unblocked: the function runs ──── close ────▶ blocked
//!            one that came              one that comes                 one that comes is
//!            too late is discarded      runs the task's handler        left for the next open
//! ```
//!
//! The parent sends the signal when a limit has passed, and the task may return at the same time: then
//! the next task must not get it.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::{from_ref, null, null_mut};

/// The time in which a function may receive the signal.
pub(super) struct SignalWindow {
    signal: libc::sigset_t,
    /// It runs inside another one of this worker, which may receive the signal afterwards.
    is_nested: bool,
}

impl SignalWindow {
    /// Before the function is called.
    #[cold]
    pub(super) fn open(signal: c_int) -> Box<SignalWindow> {
        let set = set_of(signal);
        let before = change_mask(None, &set);
        // SAFETY: a set that was filled in.
        let is_blocked = unsafe { libc::sigismember(&before, signal) } == 1;
        let window = Box::new(SignalWindow { signal: set, is_nested: !is_blocked });
        if is_blocked {
            window.let_in();
        }
        window
    }

    /// After the function has returned.
    #[cold]
    pub(super) fn close(&self) {
        change_mask(Some(libc::SIG_BLOCK), &self.signal);
    }

    /// After the task was finished: its signal was sent, or never will be.
    #[cold]
    pub(super) fn end(&self) {
        if self.is_nested {
            self.let_in();
        }
    }

    /// Unblocks the signal, after what came too late was discarded.
    fn let_in(&self) {
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: a set that was filled in; no information is wanted.
        while unsafe { libc::sigtimedwait(&self.signal, null_mut(), &now) } > 0 {}
        change_mask(Some(libc::SIG_UNBLOCK), &self.signal);
    }
}

/// Blocks the signal, in a worker that has not run a task yet.
pub(super) fn block(signal: c_int) {
    change_mask(Some(libc::SIG_BLOCK), &set_of(signal));
}

fn set_of(signal: c_int) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: fills in the set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: a set that was filled in, and the number of a signal.
    unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    // SAFETY: as above.
    unsafe { set.assume_init() }
}

/// Changes the calling thread's mask; None: only reads it. Returns it as it was.
fn change_mask(how: Option<c_int>, signal: &libc::sigset_t) -> libc::sigset_t {
    let mut before = MaybeUninit::uninit();
    let change = if how.is_some() { from_ref(signal) } else { null() };
    // SAFETY: reads a set that was filled in, if any, and fills in the other one.
    unsafe { libc::pthread_sigmask(how.unwrap_or(0), change, before.as_mut_ptr()) };
    // SAFETY: as above; it fails only for other numbers than these.
    unsafe { before.assume_init() }
}
