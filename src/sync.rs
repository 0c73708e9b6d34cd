//! Atomics, fences, locks, futexes and deadlines. No other file uses std's atomics or futexes.
//!
//! Because all code imports atomics from here, `--cfg loom` replaces all of them at once.
//! Sleep/wake handshakes use [`fence`]`(SeqCst)`, not `SeqCst` loads and stores: both are correct,
//! but loom checks only the fence.

#[cfg(loom)]
pub(crate) mod model;
#[cfg(loom)]
pub(crate) use model::{AtomicI64, AtomicU32, AtomicU64, fence};
pub(crate) use std::sync::atomic::Ordering;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, fence};
/// For code that no model runs, such as process-wide tables.
pub(crate) mod plain {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64};
}

pub(crate) use std::sync::MutexGuard;
use std::sync::{Condvar, PoisonError};
use std::time::{Duration, Instant};

/// std's mutex without poisoning: no lock of the library is held while user code runs, and the
/// protected data is consistent at every step.
#[derive(Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None: another thread holds it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(std::sync::TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }
}

/// Which threads may sleep on a word. The kernel finds sleepers of a single process faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The threads of this process.
    Private,
    /// Every process that maps the region.
    Shared,
}

/// How long a thread sleeps at most on a word that other processes can write to, before it looks
/// whether what it waits for can still happen.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Scope {
    /// The time for one sleep on a word of this scope.
    pub(crate) fn limited(self, left: Option<Duration>) -> Option<Duration> {
        match self {
            Scope::Private => left,
            Scope::Shared => Some(left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY))),
        }
    }
}

/// The time at which a wait ends without success.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Deadline {
    #[default]
    Never,
    At(Instant),
}

impl Deadline {
    /// From a timeout of the C API in milliseconds: -1 is never, 0 and other negative numbers are
    /// now.
    pub(crate) fn from_ms(timeout_ms: i64) -> Deadline {
        if timeout_ms == -1 {
            return Deadline::Never;
        }
        let span = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
        Instant::now().checked_add(span).map_or(Deadline::Never, Deadline::At)
    }

    /// This many milliseconds after a point in time. Negative: never.
    pub(crate) fn after(start: &Instant, span_ms: i64) -> Deadline {
        let span = u64::try_from(span_ms).ok().map(Duration::from_millis);
        span.and_then(|span| start.checked_add(span)).map_or(Deadline::Never, Deadline::At)
    }

    /// The earlier of two.
    pub(crate) fn min(self, other: Deadline) -> Deadline {
        match (self, other) {
            (Deadline::At(one), Deadline::At(two)) => Deadline::At(one.min(two)),
            (Deadline::Never, it) | (it, Deadline::Never) => it,
        }
    }

    /// The time left; None: no deadline.
    pub(crate) fn left(self) -> Option<Duration> {
        match self {
            Deadline::Never => None,
            Deadline::At(end) => Some(end.saturating_duration_since(Instant::now())),
        }
    }

    /// Waits until the condition variable is notified or the deadline passes; may return early.
    /// None: the deadline had passed before.
    pub(crate) fn wait_on<'a, T>(
        self,
        condition: &Condvar,
        guard: MutexGuard<'a, T>,
    ) -> Option<MutexGuard<'a, T>> {
        match self.left() {
            None => Some(condition.wait(guard).unwrap_or_else(PoisonError::into_inner)),
            Some(Duration::ZERO) => None,
            Some(left) => {
                let waited = condition.wait_timeout(guard, left);
                Some(waited.unwrap_or_else(PoisonError::into_inner).0)
            }
        }
    }

    pub(crate) fn has_passed(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}

/// A word that threads can sleep on, also of other processes that map the same page. The kernel
/// compares its low half only: change that half before waking a sleeper.
#[derive(Default)]
#[cfg_attr(not(loom), repr(transparent))]
pub(crate) struct WaitWord {
    word: AtomicU64,
    #[cfg(loom)]
    bucket: loom::sync::Mutex<()>,
    #[cfg(loom)]
    queue: loom::sync::Condvar,
}

impl std::ops::Deref for WaitWord {
    type Target = AtomicU64;

    fn deref(&self) -> &AtomicU64 {
        &self.word
    }
}

#[cfg(not(loom))]
const _: () = assert!(cfg!(target_endian = "little"), "the low half must come first in memory");

#[cfg(not(loom))]
#[expect(clippy::disallowed_methods, reason = "the only file with futex calls")]
impl WaitWord {
    /// Sleeps if the low half still equals that of `seen`, until woken or until `left` has passed.
    /// May return early, so callers loop.
    pub(crate) fn sleep_if(&self, seen: u64, scope: Scope, left: Option<Duration>) {
        let low_half = self.word.as_ptr().cast::<u32>();
        let time = left.map(|left| libc::timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let operation = libc::FUTEX_WAIT | scope.flag();
        // SAFETY: `low_half` comes from a live reference and `time` is NULL or a live timespec; the
        // kernel only reads them.
        unsafe { libc::syscall(libc::SYS_futex, low_half, operation, seen as u32, time) };
    }

    /// Wakes up to `sleepers` threads that sleep on the word.
    pub(crate) fn wake(&self, sleepers: i32, scope: Scope) {
        let low_half = self.word.as_ptr();
        let operation = libc::FUTEX_WAKE | scope.flag();
        // SAFETY: FUTEX_WAKE uses the address as a key and never reads through it.
        unsafe { libc::syscall(libc::SYS_futex, low_half, operation, sleepers) };
    }
}

#[cfg(not(loom))]
impl Scope {
    fn flag(self) -> i32 {
        match self {
            Scope::Private => libc::FUTEX_PRIVATE_FLAG,
            Scope::Shared => 0,
        }
    }
}

/// The kernel as a model: compares under the lock of the hash bucket, then sleeps.
#[cfg(loom)]
impl WaitWord {
    pub(crate) fn sleep_if(&self, seen: u64, _scope: Scope, _left: Option<Duration>) {
        model::step();
        let bucket = self.bucket.lock().unwrap();
        if self.word.load_by_kernel() as u32 == seen as u32 {
            drop(self.queue.wait(bucket).unwrap());
        }
    }

    pub(crate) fn wake(&self, _sleepers: i32, _scope: Scope) {
        model::step();
        let _bucket = self.bucket.lock().unwrap();
        self.queue.notify_all();
    }
}

/// A word of a [`sleep_on_any`], and the value that was read from it.
pub(crate) struct Sleeper<'a> {
    pub(crate) word: &'a WaitWord,
    pub(crate) seen: u64,
    pub(crate) scope: Scope,
}

/// Sleeps until one of the words has changed and is woken, or until `left` has passed. May return
/// early.
#[cfg(not(loom))]
pub(crate) fn sleep_on_any(sleepers: &[Sleeper<'_>], left: Option<Duration>) {
    if let [only] = sleepers {
        return only.word.sleep_if(only.seen, only.scope, left);
    }
    if !futex_waitv(sleepers, left) {
        // The kernel is older than 5.16, or there are too many words: poll.
        std::thread::sleep(left.unwrap_or(POLL_INTERVAL).min(POLL_INTERVAL));
    }
}

#[cfg(not(loom))]
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// futex_waitv, for up to 128 words. False: the kernel does not support it.
#[cfg(not(loom))]
#[expect(clippy::disallowed_methods, reason = "the only file with futex calls")]
fn futex_waitv(sleepers: &[Sleeper<'_>], left: Option<Duration>) -> bool {
    let waiters: Vec<libc::futex_waitv> = sleepers
        .iter()
        .map(|sleeper| {
            // SAFETY: all zeros are a value of this struct of numbers.
            let mut waiter: libc::futex_waitv = unsafe { std::mem::zeroed() };
            waiter.val = u64::from(sleeper.seen as u32);
            waiter.uaddr = sleeper.word.word.as_ptr().addr() as u64;
            waiter.flags = (FUTEX2_SIZE_U32 | sleeper.scope.flag()) as u32;
            waiter
        })
        .collect();
    // An absolute time, not the time left.
    let end = left.map(|left| {
        let end = crate::clock::monotonic().saturating_add(left);
        libc::timespec {
            tv_sec: i64::try_from(end.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: end.subsec_nanos().into(),
        }
    });
    let end = end.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let (start, count) = (waiters.as_ptr(), waiters.len());
    let clock = libc::CLOCK_MONOTONIC;
    // SAFETY: `count` waiters with addresses of live words, and NULL or a live timespec; the kernel
    // only reads them.
    let returned = unsafe { libc::syscall(libc::SYS_futex_waitv, start, count, 0, end, clock) };
    returned >= 0 || !matches!(last_errno(), libc::ENOSYS | libc::EINVAL)
}

#[cfg(not(loom))]
const FUTEX2_SIZE_U32: i32 = 2;

#[cfg(not(loom))]
fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// How long to spin before sleeping, in nanoseconds: about the cost of waking a sleeper on another
/// core, so that spinning at most doubles the cost of the best choice.
#[cfg(not(loom))]
const SPIN_NS: u64 = 25_000;

/// Checks before the thread yields the core between checks. A thread that needs this core gets it
/// after about a microsecond; if there is none, the yield returns in a fraction of that.
#[cfg(not(loom))]
const CHECKS_BEFORE_YIELD: u32 = 64;

/// Spins until `condition` returns true, for a bounded time, and returns whether it did.
#[cfg(not(loom))]
pub(crate) fn spin_until(mut condition: impl FnMut() -> bool) -> bool {
    for _ in 0..CHECKS_BEFORE_YIELD {
        if condition() {
            return true;
        }
        std::hint::spin_loop();
    }
    let start = crate::clock::now();
    let budget = crate::clock::ticks_of_ns(SPIN_NS);
    loop {
        for _ in 0..8 {
            if condition() {
                return true;
            }
            std::hint::spin_loop();
        }
        if crate::clock::now().wrapping_sub(start) > budget {
            return false;
        }
        std::thread::yield_now();
    }
}

/// Prefetches the cache line of a value that will be read soon.
#[inline]
pub(crate) fn prefetch<T>(value: &T) {
    let address = std::ptr::from_ref(value);
    // SAFETY: a hint: it has no effect that a program can observe, and never faults.
    #[cfg(all(target_arch = "x86_64", not(loom)))]
    unsafe {
        std::arch::asm!("prefetcht0 [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    // SAFETY: as above.
    #[cfg(all(target_arch = "aarch64", not(loom)))]
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    let _ = address;
}

/// Yields the core to other threads: a system call.
pub(crate) fn yield_now() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::thread::yield_now();
}

/// Under loom every check is a scheduling point; one is enough.
#[cfg(loom)]
pub(crate) fn spin_until(mut condition: impl FnMut() -> bool) -> bool {
    condition()
}
