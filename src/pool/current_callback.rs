//! The future whose callback runs on this thread. Its handle is valid there even if it was freed.

use super::handles::FutureHandle;
use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<Option<FutureHandle>> = const { Cell::new(None) };
}

pub(super) fn is_current(future: FutureHandle) -> bool {
    CURRENT.get() == Some(future)
}

/// Runs a callback of the future. Its slot must not be recycled meanwhile.
pub(super) fn run(future: FutureHandle, callback: impl FnOnce()) {
    let outer = CURRENT.replace(Some(future));
    callback();
    CURRENT.set(outer);
}
