//! An event loop of the caller's: when it has to call, and the call.

use super::PoolHandle;
use crate::error::Result;

/// A descriptor that is readable while callbacks are due; None: the library calls them itself.
pub(crate) fn events_fd(pool: PoolHandle) -> Result<Option<i32>> {
    Ok(pool.pool()?.state.callbacks.fd())
}

/// Whether callbacks are due that the caller has to run.
pub(crate) fn has_events(pool: PoolHandle) -> Result<bool> {
    let callbacks = &pool.pool()?.state.callbacks;
    Ok(callbacks.is_external() && callbacks.has_pending())
}

/// Runs the callbacks that are due; how many.
pub(crate) fn process_events(pool: PoolHandle) -> Result<u32> {
    pool.pool()?.state.callbacks.run_due()
}
