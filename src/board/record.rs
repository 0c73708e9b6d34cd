//! What a slot holds beside its word: a task's function, arguments, result.
//!
//! ```text
//!   0     8        12         16    24 32      36   40       48                          128
//!   word │ function args_place │ stamp│ id│ outcome code│ progress│ arguments … result …  │
//! ```
//!
//! Arguments of up to 64 bytes lie in the slot; the result lies behind them where it fits. An
//! argument and a result of 8 bytes share the slot's first cache line with its word. What does not
//! fit lies elsewhere, and a [`FarBytes`] of 16 bytes says where.
//!
//! The fields are atomics because a process that went astray may write to them at any time; who may
//! use them when is the word's matter (see [`super::slot`]), so Relaxed is enough everywhere.

use super::functions::FUNCTIONS_MAX;
use super::memory::{ResultBytes, Shared};
use super::priority::Priority;
use super::slot::SlotWord;
use crate::error::Status;
use crate::sync::{AtomicU32, AtomicU64};
use crate::sync::Ordering::Relaxed;
use std::cell::UnsafeCell;

/// Bytes of a slot behind its fields.
const PAYLOAD_LEN: usize = 80;
/// The most bytes of arguments that lie in the slot; there must be room for a `FarBytes` behind them.
pub(crate) const ARGS_MAX: usize = 64;
/// Sixteen bytes: the alignment of any type of C.
const ALIGN: usize = 16;

#[derive(Default)]
#[repr(C, align(128))]
pub(crate) struct Slot {
    pub(crate) word: SlotWord,
    function: AtomicU32,
    args_location: AtomicU32,
    stamp: AtomicU64,
    id: AtomicU64,
    outcome: AtomicU32,
    code: AtomicU32,
    progress: AtomicU64,
    payload: Payload,
}

#[repr(C, align(16))]
struct Payload(UnsafeCell<[u8; PAYLOAD_LEN]>);

impl Default for Payload {
    fn default() -> Payload {
        Payload(UnsafeCell::new([0; PAYLOAD_LEN]))
    }
}

// SAFETY: atomics, and bytes that are only reached through the raw pointers of `payload_at`.
unsafe impl Shared for Slot {}
// SAFETY: the slot's word says who may touch the bytes; the rest is atomics.
unsafe impl Sync for Slot {}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Slot>() == 128);

/// Where bytes are that do not lie in the slot: a block of the heap, by its offset in the region,
/// or a file of their own, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FarBytes {
    pub(crate) place: u64,
    pub(crate) len: u64,
}

/// What a worker is to call: a function by its index, once or for each item of a chunk; and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskCall {
    pub(crate) function: u32,
    pub(crate) is_chunk: bool,
    pub(crate) priority: Priority,
}

/// With the index of a function: its arguments are a chunk.
const CHUNK: u32 = 1 << 31;
/// From here: the task's rank.
const PRIORITY_SHIFT: u32 = 24;
const FUNCTION: u32 = (1 << PRIORITY_SHIFT) - 1;
const _: () = assert!(FUNCTIONS_MAX <= FUNCTION as usize);

/// Where the bytes of an argument or a result are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BytesLocation {
    Inline { len: usize },
    Heap(FarBytes),
    File(FarBytes),
}

impl BytesLocation {
    fn len(self) -> u64 {
        match self {
            BytesLocation::Inline { len } => len as u64,
            BytesLocation::Heap(far) | BytesLocation::File(far) => far.len,
        }
    }
}

const HEAP: u32 = 0xffff;
const FILE: u32 = 0xfffe;

/// How a task ended, beside the phase in its slot's word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    /// POOL_OK, or why it failed; the result's bytes are then a message.
    pub(crate) status: Status,
    pub(crate) code: i32,
    pub(crate) result: BytesLocation,
}

impl Slot {
    /// Writes what the submitter knows. `inline` are the arguments when they lie in the slot.
    #[inline(always)]
    pub(crate) fn fill(
        &self,
        call: TaskCall,
        args: BytesLocation,
        inline: &[u8],
        stamp: u64,
        id: u64,
    ) {
        debug_assert!(inline.len() <= ARGS_MAX);
        let chunk = if call.is_chunk { CHUNK } else { 0 };
        let priority = call.priority.to_bits() << PRIORITY_SHIFT;
        self.function.store(call.function | priority | chunk, Relaxed);
        self.stamp.store(stamp, Relaxed);
        self.id.store(id, Relaxed);
        self.progress.store(0, Relaxed);
        // Nothing yet: should the worker die, nobody takes an older task's result for this one's.
        self.outcome.store(0, Relaxed);
        let (packed, far) = pack(args);
        self.args_location.store(packed, Relaxed);
        let start = self.payload_at(0);
        match far {
            Some(far) => write_far(start, far),
            None => match <[u8; 8]>::try_from(inline) {
                // The usual number, without a call.
                // SAFETY: the phase is FREE, so the bytes are the submitter's; there are 80 of them.
                Ok(eight) => unsafe { start.cast::<[u8; 8]>().write(eight) },
                // SAFETY: as above.
                Err(_) => unsafe { start.copy_from_nonoverlapping(inline.as_ptr(), inline.len()) },
            },
        }
    }

    #[inline]
    pub(crate) fn call(&self) -> TaskCall {
        let packed = self.function.load(Relaxed);
        let priority = Priority::from_bits(packed >> PRIORITY_SHIFT);
        TaskCall { function: packed & FUNCTION, is_chunk: packed & CHUNK != 0, priority }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id.load(Relaxed)
    }

    /// How far the board's ring has been passed when the task is claimed: its number, or nothing for one
    /// that stands in a band.
    pub(crate) fn ring_position(&self) -> u64 {
        if self.call().priority == Priority::DEFAULT { self.id() } else { 0 }
    }

    /// The time stamp of the submit; after `end`, the packed spans.
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp.load(Relaxed)
    }

    /// Where the arguments are, with the slot's own bytes when they are there.
    #[inline]
    pub(crate) fn args(&self) -> (BytesLocation, ResultBytes<'_>) {
        let location = unpack(self.args_location.load(Relaxed), self.payload_at(0), ARGS_MAX);
        let len = match location {
            BytesLocation::Inline { len } => len,
            BytesLocation::Heap(_) | BytesLocation::File(_) => 0,
        };
        // SAFETY: `unpack` bounds the length to what the payload has; the arguments are not written again while
        // the task is in the slot.
        (location, unsafe { ResultBytes::new(self.payload_at(0), len) })
    }

    /// Room for a result in the slot, if this many bytes fit.
    #[inline]
    pub(crate) fn result_buffer(&self, len: usize) -> Option<*mut u8> {
        let start = result_start(self.args_len(), len);
        (start.checked_add(len)? <= PAYLOAD_LEN).then(|| self.payload_at(start))
    }

    /// Writes how the task ended. `spans` are how long it was queued and ran, packed.
    #[inline]
    pub(crate) fn end(&self, ending: Ending, spans: u64) {
        let (packed, far) = pack(ending.result);
        if let Some(far) = far {
            write_far(self.payload_at(result_start(self.args_len(), FAR_LEN)), far);
        }
        self.outcome.store(packed | (ending.status as u32) << 16, Relaxed);
        self.code.store(ending.code as u32, Relaxed);
        self.stamp.store(spans, Relaxed);
    }

    /// Writes that there is no result: for a task that no worker has ended.
    pub(crate) fn end_without_worker(&self, spans: u64) {
        self.outcome.store(0, Relaxed);
        self.stamp.store(spans, Relaxed);
    }

    /// How the task ended. None: what stands there is impossible.
    #[inline]
    pub(crate) fn ending(&self) -> Option<Ending> {
        let outcome = self.outcome.load(Relaxed);
        let status = Status::from_number((outcome >> 16) as i32)?;
        let code = self.code.load(Relaxed) as i32;
        let packed = outcome & 0xffff;
        let len = if packed < FILE { packed as usize } else { FAR_LEN };
        let start = result_start(self.args_len(), len);
        if start + len > PAYLOAD_LEN {
            return None;
        }
        let result = unpack(packed, self.payload_at(start), PAYLOAD_LEN);
        Some(Ending { status, code, result })
    }

    /// Whether the result lies in the slot, if there is one.
    #[inline]
    pub(crate) fn has_inline_result(&self) -> bool {
        self.outcome.load(Relaxed) & 0xffff < FILE
    }

    /// The result of a task that is done, if it lies in the slot.
    #[inline]
    pub(crate) fn inline_result(&self) -> Option<ResultBytes<'_>> {
        let len = (self.outcome.load(Relaxed) & 0xffff) as usize;
        if len > PAYLOAD_LEN {
            return None;
        }
        let start = result_start(self.args_len(), len);
        // SAFETY: the range was checked to lie in the payload; the phase is done, so nobody writes to it.
        (start + len <= PAYLOAD_LEN)
            .then(|| unsafe { ResultBytes::new(self.payload_at(start), len) })
    }

    /// How many bytes the arguments have, and the result.
    #[inline]
    pub(crate) fn lens(&self) -> (u64, u64) {
        let args = self.args_location.load(Relaxed);
        let result = self.outcome.load(Relaxed) & 0xffff;
        if (args as usize) <= ARGS_MAX && result < FILE {
            return (u64::from(args), u64::from(result));
        }
        self.external_lens()
    }

    #[cold]
    fn external_lens(&self) -> (u64, u64) {
        let (args, _) = self.args();
        let result = self.ending().map(|ending| ending.result.len());
        (args.len(), result.unwrap_or(0))
    }

    /// The worker's last word on how far it is: two packed numbers.
    pub(crate) fn progress(&self) -> &AtomicU64 {
        &self.progress
    }

    /// How many bytes of the slot the arguments take.
    #[inline]
    fn args_len(&self) -> usize {
        match self.args_location.load(Relaxed) as usize {
            len if len <= ARGS_MAX => len,
            _ => FAR_LEN,
        }
    }

    #[inline]
    fn payload_at(&self, start: usize) -> *mut u8 {
        debug_assert!(start <= PAYLOAD_LEN);
        self.payload.0.get().cast::<u8>().wrapping_add(start)
    }
}

const FAR_LEN: usize = size_of::<FarBytes>();

/// Where a result of this length begins behind arguments of that length.
#[inline]
fn result_start(args_len: usize, len: usize) -> usize {
    match (args_len, len) {
        (0, _) => 0,
        (..=8, ..=8) => 8,
        _ => args_len.next_multiple_of(ALIGN),
    }
}

#[inline]
fn pack(place: BytesLocation) -> (u32, Option<FarBytes>) {
    match place {
        BytesLocation::Inline { len } => (len as u32, None),
        BytesLocation::Heap(far) => (HEAP, Some(far)),
        BytesLocation::File(far) => (FILE, Some(far)),
    }
}

#[inline]
fn unpack(packed: u32, start: *const u8, most: usize) -> BytesLocation {
    match packed {
        HEAP => BytesLocation::Heap(read_far(start)),
        FILE => BytesLocation::File(read_far(start)),
        len => BytesLocation::Inline { len: (len as usize).min(most) },
    }
}

fn write_far(start: *mut u8, far: FarBytes) {
    // SAFETY: `start` is a place in a slot's room with 16 bytes behind it: 0, or `result_start` of
    // at most 64 and 16, which is at most 64 of 80.
    unsafe { start.cast::<FarBytes>().write_unaligned(far) };
}

fn read_far(start: *const u8) -> FarBytes {
    // SAFETY: as for `write_far`; any 16 bytes are a `FarBytes`. One read: what is checked afterwards is
    // what is used.
    unsafe { start.cast::<FarBytes>().read_volatile() }
}
