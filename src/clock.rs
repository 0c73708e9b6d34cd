//! Time stamps that cost less than a task: the counter of the CPU, if its rate is constant.
//!
//! A stamp is a number of ticks, comparable between all processes of the machine. It is converted
//! to nanoseconds only when a duration is requested.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The stamp of the current time.
#[inline(always)]
pub(crate) fn now() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        if has_constant_rate() {
            // SAFETY: the instruction reads a counter and has no other effect.
            return unsafe { std::arch::x86_64::_rdtsc() };
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        let ticks: u64;
        // SAFETY: the generic timer's counter is readable from user space on Linux.
        unsafe { std::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
        return ticks;
    }
    #[cfg(not(target_arch = "aarch64"))]
    monotonic_ns()
}

#[cfg(not(target_arch = "aarch64"))]
#[cold]
#[inline(never)]
fn monotonic_ns() -> u64 {
    monotonic().as_nanos() as u64
}

/// The kernel's monotonic clock.
pub(crate) fn monotonic() -> Duration {
    let mut now = std::mem::MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the pointer is valid for a timespec; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr()) };
    // SAFETY: zeros, or what the kernel has written: both are valid numbers.
    let now = unsafe { now.assume_init() };
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Whether the counter has the same rate in every state of the CPU: CPUID 8000_0007h, EDX bit 8.
#[cfg(target_arch = "x86_64")]
#[inline]
fn has_constant_rate() -> bool {
    CONSTANT_RATE.get().copied().unwrap_or_else(read_cpuid)
}

#[cfg(target_arch = "x86_64")]
static CONSTANT_RATE: OnceLock<bool> = OnceLock::new();

#[cfg(target_arch = "x86_64")]
#[cold]
#[inline(never)]
fn read_cpuid() -> bool {
    *CONSTANT_RATE.get_or_init(|| {
        let highest = std::arch::x86_64::__cpuid(0x8000_0000).eax;
        highest >= 0x8000_0007 && std::arch::x86_64::__cpuid(0x8000_0007).edx & (1 << 8) != 0
    })
}

/// One point in time on both clocks; a second one, taken later, gives the length of a tick.
struct Base {
    stamp: u64,
    instant: Instant,
}

static BASE: OnceLock<Base> = OnceLock::new();

impl Base {
    /// The current time. The thread may be preempted between the two clocks, so the fastest of a
    /// few samples is used.
    fn now() -> Base {
        let sample = || {
            let (before, instant) = (now(), Instant::now());
            (now().wrapping_sub(before), Base { stamp: before, instant })
        };
        let samples = (0..SAMPLES).map(|_| sample()).min_by_key(|(took, _)| *took);
        samples.map_or_else(|| sample().1, |(_, base)| base)
    }
}

const SAMPLES: u32 = 4;

/// Records the time from which the rate is measured. The longer ago, the more exact the rate.
pub(crate) fn start() {
    BASE.get_or_init(Base::now);
}

fn ns_per_tick() -> f64 {
    start();
    let Some(base) = BASE.get() else { return 1.0 };
    loop {
        let current = Base::now();
        let ticks = current.stamp.wrapping_sub(base.stamp);
        let ns = current.instant.duration_since(base.instant).as_nanos();
        // Reading the two clocks takes tens of nanoseconds: below 0.1 ms the error would be too
        // large.
        if ns > 100_000 && ticks > 0 {
            return ns as f64 / ticks as f64;
        }
        std::hint::spin_loop();
    }
}

/// Converts ticks to nanoseconds.
pub(crate) fn ns_of_ticks(ticks: u64) -> u64 {
    (ticks as f64 * ns_per_tick()) as u64
}

/// Nanoseconds per tick, times 2^31: for [`scaled`].
pub(crate) fn scale() -> u64 {
    (ns_per_tick() * (1_u64 << 31) as f64) as u64
}

/// Converts nanoseconds to ticks, approximately; the rate is measured once.
pub(crate) fn ticks_of_ns(ns: u64) -> u64 {
    static TICKS_PER_NS: OnceLock<f64> = OnceLock::new();
    (ns as f64 * TICKS_PER_NS.get_or_init(|| 1.0 / ns_per_tick())) as u64
}

/// Bits of the fraction of a packed duration; the other 5 are its exponent.
const FRACTION_BITS: u32 = 27;

/// Packs a duration in ticks into 32 bits, exact to 8 digits: 27 bits, shifted left by 0 to 31.
#[inline]
pub(crate) fn pack(ticks: u64) -> u32 {
    if ticks < 1 << FRACTION_BITS {
        return ticks as u32;
    }
    let length = u64::BITS - ticks.leading_zeros();
    let shift = length.saturating_sub(FRACTION_BITS);
    if shift > 31 {
        return u32::MAX;
    }
    (shift << FRACTION_BITS) | (ticks >> shift) as u32
}

/// The inverse of [`pack`].
pub(crate) fn unpack(packed: u32) -> u64 {
    u64::from(packed & ((1 << FRACTION_BITS) - 1)) << (packed >> FRACTION_BITS)
}

/// Bits of the fraction of a duration that is packed short; 6 bits of exponent are above them.
const SHORT_FRACTION_BITS: u32 = 21;

/// Packs a duration in ticks into 27 bits, exact to 6 digits.
pub(crate) fn pack_short(ticks: u64) -> u32 {
    let length = u64::BITS - ticks.leading_zeros();
    let shift = length.saturating_sub(SHORT_FRACTION_BITS);
    (shift << SHORT_FRACTION_BITS) | (ticks >> shift) as u32
}

/// The inverse of [`pack_short`].
pub(crate) fn unpack_short(packed: u32) -> u64 {
    let fraction = packed & ((1 << SHORT_FRACTION_BITS) - 1);
    // A word that a stray worker has written may hold any exponent.
    u64::from(fraction).checked_shl(packed >> SHORT_FRACTION_BITS).unwrap_or(u64::MAX)
}

/// A packed duration in nanoseconds, by a [`scale`].
#[inline]
pub(crate) fn scaled(packed: u32, scale: u64) -> u64 {
    let fraction = u64::from(packed & ((1 << FRACTION_BITS) - 1));
    // Ticks of up to 63 nanoseconds fit: 27 bits and 37.
    fraction.wrapping_mul(scale) >> (31 - (packed >> FRACTION_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_gives_the_same_nanoseconds() {
        for ns in [1000, 1_000_000_000, 10_000_000_000_000] {
            let ticks = ticks_of_ns(ns);
            let (exact, quick) = (ns_of_ticks(ticks), scaled(pack(ticks), scale()));
            assert!(exact.abs_diff(quick) < exact / 100 + 2, "{exact} {quick}");
        }
    }

    #[test]
    fn a_packed_duration_is_exact_to_eight_digits() {
        for ticks in [0, 1, 999, (1 << 27) - 1, 1 << 27, 123_456_789_012, (1 << 58) - 1] {
            let back = unpack(pack(ticks));
            assert!(back <= ticks && ticks - back <= ticks >> 26, "{ticks} became {back}");
        }
        assert_eq!(pack(u64::MAX), u32::MAX);
    }

    #[test]
    fn a_duration_that_is_packed_short_is_exact_to_six_digits() {
        for ticks in [0, 1, 999, (1 << 21) - 1, 1 << 21, 123_456_789_012, u64::MAX] {
            let packed = pack_short(ticks);
            assert!(packed < 1 << 27);
            let back = unpack_short(packed);
            assert!(back <= ticks && ticks - back <= ticks >> 20, "{ticks} became {back}");
        }
    }
}
