//! The future whose callback runs on this thread: there its handle is good, though it may have been freed.

use super::FutureHandle;
use crate::sync::Ordering::Relaxed;
use crate::sync::plain::AtomicU32;
use std::cell::Cell;

#[derive(Clone, Copy)]
struct CurrentCallback {
    future: FutureHandle,
    /// It is told at once, by whoever asked, and nothing is listed.
    is_at_once: bool,
    is_freed: bool,
}

thread_local! {
    static PRESENT: Cell<Option<CurrentCallback>> = const { Cell::new(None) };
}

/// How many callbacks run at once in all threads. While there are none, nobody asks for what the thread
/// has: that costs as much as all else that is done to free a future.
static AT_ONCE: AtomicU32 = AtomicU32::new(0);

/// Whether this freed future is the one whose callback is running on this thread.
pub(super) fn is_present(future: FutureHandle) -> bool {
    PRESENT.get().is_some_and(|present| present.future == future)
}

/// Whether the future, which was just freed, is still to be used by the callback that runs on this
/// thread: then its slot goes back behind that.
#[inline]
pub(super) fn is_freed_later(future: FutureHandle) -> bool {
    // Relaxed: a thread sees its own.
    AT_ONCE.load(Relaxed) > 0 && is_marked_freed(future)
}

#[cold]
fn is_marked_freed(future: FutureHandle) -> bool {
    match PRESENT.get() {
        Some(present) if present.is_at_once && present.future == future => {
            PRESENT.set(Some(CurrentCallback { is_freed: true, ..present }));
            true
        }
        _ => false,
    }
}

/// Runs callbacks of a future that is listed: its slot is kept as long as that.
pub(super) fn call(future: FutureHandle, call: impl FnOnce()) {
    let outer =
        PRESENT.replace(Some(CurrentCallback { future, is_at_once: false, is_freed: false }));
    call();
    PRESENT.set(outer);
}

/// Runs a callback of a future that is not listed. True: the future was freed meanwhile, and its slot is to
/// be given back.
pub(super) fn call_at_once(future: FutureHandle, call: impl FnOnce()) -> bool {
    let outer =
        PRESENT.replace(Some(CurrentCallback { future, is_at_once: true, is_freed: false }));
    AT_ONCE.fetch_add(1, Relaxed);
    call();
    AT_ONCE.fetch_sub(1, Relaxed);
    let is_freed = PRESENT.replace(outer).is_some_and(|present| present.is_freed);
    // Where this was called by another callback of the future, that one still uses it.
    is_freed && !(is_present(future) && is_freed_later(future))
}
