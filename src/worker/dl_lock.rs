//! Who of us is in the dynamic loader. It has a lock that a forked copy finds held for ever, where another
//! thread held it at the fork. So a fork waits until none of ours does, and nobody begins meanwhile.
//!
//! Both wait for a while only: a constructor that the loader runs may call us, and the user's own threads
//! are not ours to stop.

use crate::sync::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::sync::fence;
use crate::sync::plain::AtomicU32;
use std::time::{Duration, Instant};

static INSIDE: AtomicU32 = AtomicU32::new(0);
static FORKING: AtomicU32 = AtomicU32::new(0);

/// The longest that somebody waits. Being in the loader takes some microseconds, a fork some milliseconds.
const PATIENCE: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_micros(50);

/// While it lives, this thread may be in the loader.
pub(super) struct DlGuard(());

impl DlGuard {
    pub(super) fn enter() -> DlGuard {
        let begun = Instant::now();
        loop {
            INSIDE.fetch_add(1, Relaxed);
            // Pairs with the one in `begin`: a fork sees us, or we see it.
            fence(SeqCst);
            if FORKING.load(Relaxed) == 0 || begun.elapsed() > PATIENCE {
                return DlGuard(());
            }
            INSIDE.fetch_sub(1, Relaxed);
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for DlGuard {
    fn drop(&mut self) {
        // Release; pairs with the load in `begin`: who sees us gone sees the loader's lock given back.
        INSIDE.fetch_sub(1, Release);
    }
}

/// While it lives, a thread is about to fork.
pub(super) struct ForkGuard(());

impl ForkGuard {
    pub(super) fn begin() -> ForkGuard {
        let begun = Instant::now();
        FORKING.fetch_add(1, Relaxed);
        // Pairs with the one in `enter`.
        fence(SeqCst);
        while INSIDE.load(Acquire) != 0 && begun.elapsed() < PATIENCE {
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

/// In a forked copy there is nobody else.
pub(super) fn reset() {
    INSIDE.store(0, Relaxed);
    FORKING.store(0, Relaxed);
}
