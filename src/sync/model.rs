//! Loom's atomics with counted steps, so that a model can stop a thread forever before any of them.

use loom::sync::atomic as checked;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;

loom::thread_local! {
    /// How many more steps this thread may make; None: any number.
    static LEFT: Cell<Option<u32>> = Cell::new(None);
}

/// The payload that unwinds a thread after its last step.
struct Stopped;

/// Runs `work` for at most this many atomic steps: then the thread stops, as if it had been killed.
/// Returns whether `work` has completed.
pub(crate) fn stop_after(steps: u32, work: impl FnOnce()) -> bool {
    LEFT.with(|left| left.set(Some(steps)));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    LEFT.with(|left| left.set(None));
    match outcome {
        Ok(()) => true,
        Err(payload) if payload.is::<Stopped>() => false,
        Err(payload) => resume_unwind(payload),
    }
}

/// Counts one step of this thread, and stops it if it has none left.
pub(crate) fn step() {
    let is_last = LEFT.with(|left| match left.get() {
        Some(0) => true,
        Some(steps) => {
            left.set(Some(steps - 1));
            false
        }
        None => false,
    });
    if is_last {
        // Not `panic!`: it must not print a message.
        resume_unwind(Box::new(Stopped));
    }
}

pub(crate) fn fence(ordering: Ordering) {
    step();
    checked::fence(ordering);
}

macro_rules! counted {
    ($name:ident, $number:ty) => {
        #[derive(Default)]
        pub(crate) struct $name(checked::$name);

        impl $name {
            pub(crate) fn new(value: $number) -> $name {
                $name(checked::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $number {
                step();
                self.0.load(order)
            }

            /// A load that is no step of the thread, which cannot stop in the middle of a system
            /// call.
            pub(crate) fn load_by_kernel(&self) -> $number {
                self.0.load(Ordering::Relaxed)
            }

            pub(crate) fn store(&self, value: $number, order: Ordering) {
                step();
                self.0.store(value, order);
            }

            pub(crate) fn swap(&self, value: $number, order: Ordering) -> $number {
                step();
                self.0.swap(value, order)
            }

            pub(crate) fn fetch_add(&self, value: $number, order: Ordering) -> $number {
                step();
                self.0.fetch_add(value, order)
            }

            pub(crate) fn fetch_and(&self, value: $number, order: Ordering) -> $number {
                step();
                self.0.fetch_and(value, order)
            }

            pub(crate) fn fetch_or(&self, value: $number, order: Ordering) -> $number {
                step();
                self.0.fetch_or(value, order)
            }

            pub(crate) fn fetch_max(&self, value: $number, order: Ordering) -> $number {
                step();
                self.0.fetch_max(value, order)
            }

            pub(crate) fn fetch_min(&self, value: $number, order: Ordering) -> $number {
                step();
                self.0.fetch_min(value, order)
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $number,
                new: $number,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$number, $number> {
                step();
                self.0.compare_exchange(current, new, success, failure)
            }

            pub(crate) fn compare_exchange_weak(
                &self,
                current: $number,
                new: $number,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$number, $number> {
                step();
                self.0.compare_exchange(current, new, success, failure)
            }

            pub(crate) fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                update: impl FnMut($number) -> Option<$number>,
            ) -> Result<$number, $number> {
                step();
                self.0.fetch_update(set, fetch, update)
            }
        }
    };
}

counted!(AtomicI64, i64);
counted!(AtomicU32, u32);
counted!(AtomicU64, u64);
