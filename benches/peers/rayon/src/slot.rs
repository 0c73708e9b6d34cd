//! A minimal future: the argument, which the result replaces, and a state to wait for.
//!
//! ```text
//!   OPEN ──wait──▶ AWAITED ──run──▶ DONE     wakes the caller
//!     └──────────────run──────────▶ DONE     no thread sleeps
//! ```

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use std::thread::{self, Thread};
use std::time::Duration;

pub const NAP: u64 = u64::MAX;
const OPEN: u32 = 0;
const AWAITED: u32 = 1;
const DONE: u32 = 2;
const SPINS: u32 = 100; // before the caller parks

/// The task.
pub fn answer(x: u64) -> u64 {
    if x == NAP {
        thread::sleep(Duration::from_millis(2));
    }
    x.wrapping_mul(2).wrapping_add(1)
}

pub struct Slot {
    value: AtomicU64,
    state: AtomicU32,
    caller: &'static Thread,
}

impl Slot {
    /// Leaked, because tasks of spawn need 'static. The thread that calls this is the one that waits.
    pub fn new_leaked(n: usize) -> &'static [Slot] {
        let caller: &Thread = Box::leak(Box::new(thread::current()));
        let slots =
            (0..n).map(|_| Slot { value: AtomicU64::new(0), state: AtomicU32::new(DONE), caller });
        Vec::leak(slots.collect())
    }

    pub fn begin(&self, x: u64) {
        self.value.store(x, Relaxed);
        self.state.store(OPEN, Relaxed); // the pool's queue publishes both
    }

    pub fn run(&self) {
        self.value.store(answer(self.value.load(Relaxed)), Relaxed);
        // Release publishes the value; pairs with wait.
        if self.state.swap(DONE, Release) == AWAITED {
            self.caller.unpark();
        }
    }

    pub fn wait(&self) -> u64 {
        let done = || self.state.load(Acquire) == DONE;
        let spun = (0..SPINS).any(|_| {
            std::hint::spin_loop();
            done()
        });
        if !spun && self.state.compare_exchange(OPEN, AWAITED, Relaxed, Acquire).is_ok() {
            while !done() {
                thread::park();
            }
        }
        self.value.load(Relaxed)
    }
}
