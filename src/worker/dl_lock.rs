//! Keeps forks and calls of the dynamic loader apart.
//!
//! The loader has a lock. If another thread holds it during a fork, it stays locked in the child
//! for ever. So a fork waits until none of the library's threads is in the loader, and a thread
//! that is about to enter the loader waits while one forks.
//!
//! Both wait for a limited time only: a constructor that the loader runs may call the library, and
//! the library cannot stop the user's own threads.

use crate::sync::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::sync::fence;
use crate::sync::plain::AtomicU32;
use std::time::{Duration, Instant};

static INSIDE: AtomicU32 = AtomicU32::new(0);
static FORKING: AtomicU32 = AtomicU32::new(0);

/// The longest wait. A call of the loader takes some microseconds, a fork some milliseconds.
const WAIT_MAX: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_micros(50);

/// While it lives, this thread may be in the loader.
pub(super) struct DlGuard(());

impl DlGuard {
    pub(super) fn enter() -> DlGuard {
        let start = Instant::now();
        loop {
            INSIDE.fetch_add(1, Relaxed);
            // Pairs with the fence in `ForkGuard::begin`: the fork sees this thread, or this thread
            // sees the fork.
            fence(SeqCst);
            if FORKING.load(Relaxed) == 0 || start.elapsed() > WAIT_MAX {
                return DlGuard(());
            }
            INSIDE.fetch_sub(1, Relaxed);
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for DlGuard {
    fn drop(&mut self) {
        // Release; pairs with the Acquire load in `ForkGuard::begin`: a fork that sees this thread
        // leave also sees the loader's lock released.
        INSIDE.fetch_sub(1, Release);
    }
}

/// While it lives, a thread is about to fork.
pub(super) struct ForkGuard(());

impl ForkGuard {
    pub(super) fn begin() -> ForkGuard {
        let start = Instant::now();
        FORKING.fetch_add(1, Relaxed);
        // Pairs with the fence in `DlGuard::enter`.
        fence(SeqCst);
        // Acquire; pairs with `DlGuard::drop`.
        while INSIDE.load(Acquire) != 0 && start.elapsed() < WAIT_MAX {
            std::thread::sleep(PAUSE);
        }
        ForkGuard(())
    }
}

impl Drop for ForkGuard {
    fn drop(&mut self) {
        FORKING.fetch_sub(1, Relaxed);
    }
}

/// Called in a forked copy, which has no other threads.
pub(super) fn reset() {
    INSIDE.store(0, Relaxed);
    FORKING.store(0, Relaxed);
}
