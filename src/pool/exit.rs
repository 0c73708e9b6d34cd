//! What happens to pools that are still open when the program exits.
//!
//! The C library runs [`on_exit`] in the thread that calls exit, or returns from main: first the
//! caller's handlers, in the order in which they were added, then each pool is shut down as its option
//! says. A pool that this very thread works for cannot be waited for; it ends with the process.

use super::handles::PoolScan;
use super::shutdown;
use crate::error::{Result, Status};
use crate::process;
use crate::sync::{Deadline, Ordering::*, plain::AtomicU32, plain::AtomicU64};
use crate::watch::state::StopMode;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a caller wants to have called at exit.
pub(crate) type ExitHandler = Box<dyn FnOnce() + Send>;

static HANDLERS: Mutex<VecDeque<(u64, u32, ExitHandler)>> = Mutex::new(VecDeque::new());

/// Of which copy of the process anything here is: see [`process::fork_generation`].
static USED_IN: AtomicU32 = AtomicU32::new(u32::MAX);

/// Makes sure that [`on_exit`] is called.
pub(super) fn prepare() {
    process::count_forks();
    USED_IN.store(process::fork_generation(), Relaxed);
    static PREPARED: OnceLock<()> = OnceLock::new();
    PREPARED.get_or_init(|| process::call_at_exit(on_exit));
}

extern "C" fn on_exit() {
    // A forked child that has made nothing leaves the locks alone, which could be held in it for ever.
    if USED_IN.load(Relaxed) != process::fork_generation() {
        return;
    }
    // What fails here has nobody to be told.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        while let Some(handler) = next_handler() {
            handler();
        }
        let scan = PoolScan::begin();
        for pool in scan.open_pools() {
            if let Ok(Some(mode)) = pool.pool().map(|pool| pool.config.at_exit) {
                let _ = shutdown::shutdown_until(pool, mode, Deadline::Never);
            }
        }
    }));
}

/// Handlers that were added before a fork are the parent's.
fn next_handler() -> Option<ExitHandler> {
    let mut handlers = lock();
    handlers.retain(|(_, forks, _)| *forks == process::fork_generation());
    handlers.pop_front().map(|(_, _, handler)| handler)
}

/// Adds a handler; answers its number.
pub(crate) fn add_exit_handler(handler: ExitHandler) -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    process::count_forks();
    prepare();
    let number = NUMBERS.fetch_add(1, Relaxed);
    lock().push_back((number, process::fork_generation(), handler));
    number
}

pub(crate) fn remove_exit_handler(number: u64) -> Result<()> {
    let mut handlers = lock();
    let place = handlers.iter().position(|(own, ..)| *own == number);
    let handler = place.and_then(|place| handlers.remove(place));
    // Dropped when no lock is held: that calls the caller.
    drop(handlers);
    handler.map(drop).ok_or(Status::POOL_ERR_INVALID.into())
}

/// Shuts all open pools of this process down, at the same time.
pub(crate) fn shutdown_all(mode: StopMode, timeout_ms: i64) -> Result<()> {
    let deadline = Deadline::from_ms(timeout_ms);
    let scan = PoolScan::begin();
    let pools = scan.open_pools();
    let mut outcome = Ok(());
    for is_waiting in [false, true] {
        for pool in &pools {
            let until = if is_waiting { deadline } else { Deadline::from_ms(0) };
            let stopped = shutdown::shutdown_until(*pool, mode, until);
            // It is no failure that a pool has been shut down before, or freed meanwhile.
            let is_fine = stopped.as_ref().err().is_none_or(|error| {
                matches!(error.status, Status::POOL_ERR_CLOSED | Status::POOL_ERR_INVALID)
            });
            if is_waiting && !is_fine && outcome.is_ok() {
                outcome = stopped;
            }
        }
    }
    outcome
}

fn lock() -> MutexGuard<'static, VecDeque<(u64, u32, ExitHandler)>> {
    HANDLERS.lock().unwrap_or_else(PoisonError::into_inner)
}
