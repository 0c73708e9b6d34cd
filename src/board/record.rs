//! The fields of a slot besides its word: a task's function, arguments and result.
//!
//! ```text
//!   0     8        12            16     24  32      36    40        48                         128
//!   word │ function args_location │ stamp│ id│ outcome code│ progress│ arguments … result …    │
//! ```
//!
//! Arguments of up to 64 bytes are stored in the slot; the result follows them where it fits. An
//! argument and a result of 8 bytes share the slot's first cache line with its word. Larger ones
//! are stored elsewhere, and a [`FarBytes`] of 16 bytes holds the location.
//!
//! The fields are atomics because a faulty process may write to them at any time. The slot's word
//! defines who may use them when (see [`super::slot`]), so Relaxed is enough everywhere.

use super::functions::FUNCTIONS_MAX;
use super::memory::{ResultBytes, Shared};
use super::priority::Priority;
use super::slot::SlotWord;
use crate::error::Status;
use crate::sync::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::cell::UnsafeCell;

/// Bytes of a slot after its fields.
const PAYLOAD_LEN: usize = 80;
/// The most bytes of arguments in a slot; a `FarBytes` must fit after them.
pub(crate) const ARGS_MAX: usize = 64;
/// Sixteen bytes: the largest alignment of a C type.
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

// SAFETY: atomics, and bytes that are only accessed through the raw pointers of `payload_at`.
unsafe impl Shared for Slot {}
// SAFETY: the slot's word defines who may access the bytes; the rest is atomics.
unsafe impl Sync for Slot {}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Slot>() == 128);

/// Bytes outside the slot: a block of the heap, by its offset in the region, or a file, by its
/// number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FarBytes {
    pub(crate) location: u64,
    pub(crate) len: u64,
}

/// The call of a task: the function by its index, once or for each item of a chunk; and the
/// priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskCall {
    pub(crate) function: u32,
    pub(crate) is_chunk: bool,
    pub(crate) priority: Priority,
}

/// Flag in the field of the function: its arguments are a chunk.
const CHUNK: u32 = 1 << 31;
/// The bits from here on: the task's priority.
const PRIORITY_SHIFT: u32 = 24;
const FUNCTION: u32 = (1 << PRIORITY_SHIFT) - 1;
const _: () = assert!(FUNCTIONS_MAX <= FUNCTION as usize);

/// Where the bytes of an argument or a result are stored.
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

/// How a task ended, besides the phase in its slot's word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    /// POOL_OK, or the reason of the failure; the bytes of the result are then a message.
    pub(crate) status: Status,
    pub(crate) code: i32,
    pub(crate) result: BytesLocation,
}

impl Slot {
    /// Writes the task. `inline` are the arguments if they are stored in the slot.
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
        // No result yet: if the worker dies, the result of an earlier task is not taken for this
        // one's.
        self.outcome.store(0, Relaxed);
        let (packed, far) = pack(args);
        self.args_location.store(packed, Relaxed);
        let start = self.payload_at(0);
        match far {
            Some(far) => write_far(start, far),
            None => match <[u8; 8]>::try_from(inline) {
                // The usual length, without a call to memcpy.
                // SAFETY: the phase is FREE, so the bytes belong to the submitter; there are 80 of
                // them.
                Ok(eight) => unsafe { start.cast::<[u8; 8]>().write(eight) },
                // SAFETY: as above; `inline` has at most ARGS_MAX bytes, fewer than the payload.
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

    /// The position that the main ring's head has passed once the task is claimed: the task's id,
    /// or 0 for a task in a priority ring.
    pub(crate) fn ring_position(&self) -> u64 {
        if self.call().priority == Priority::DEFAULT { self.id() } else { 0 }
    }

    /// The time stamp of the submit; after `end`, the packed durations.
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp.load(Relaxed)
    }

    /// The location of the arguments, and their bytes if they are stored in the slot.
    #[inline]
    pub(crate) fn args(&self) -> (BytesLocation, ResultBytes<'_>) {
        let location = unpack(self.args_location.load(Relaxed), self.payload_at(0), ARGS_MAX);
        let len = match location {
            BytesLocation::Inline { len } => len,
            BytesLocation::Heap(_) | BytesLocation::File(_) => 0,
        };
        // SAFETY: `unpack` limits the length to that of the payload; the arguments are not written
        // again while the task is in the slot.
        (location, unsafe { ResultBytes::new(self.payload_at(0), len) })
    }

    /// The buffer for a result in the slot, if this many bytes fit.
    #[inline]
    pub(crate) fn result_buffer(&self, len: usize) -> Option<*mut u8> {
        let start = result_start(self.args_len(), len);
        (start.checked_add(len)? <= PAYLOAD_LEN).then(|| self.payload_at(start))
    }

    /// Copies a result into the slot. None: it does not fit there.
    pub(crate) fn put_inline_result(&self, bytes: ResultBytes<'_>) -> Option<BytesLocation> {
        let len = bytes.len();
        let start = self.result_buffer(len)?;
        // SAFETY: `result_buffer` returned room for `len` bytes, which belong to the caller, whose seat
        // has claimed the task; the source is mapped, as `ResultBytes::new` requires, and in another
        // slot.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), len) };
        Some(BytesLocation::Inline { len })
    }

    /// Writes how the task ended. `spans` are the packed times in the queue and in the worker.
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

    /// Writes that there is no result: for a task that no worker has finished.
    pub(crate) fn end_without_worker(&self, spans: u64) {
        self.outcome.store(0, Relaxed);
        self.stamp.store(spans, Relaxed);
    }

    /// How the task ended. None: the fields are invalid.
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

    /// Whether the result, if there is one, is stored in the slot.
    #[inline]
    pub(crate) fn has_inline_result(&self) -> bool {
        self.outcome.load(Relaxed) & 0xffff < FILE
    }

    /// The result of a finished task, if it is stored in the slot.
    #[inline]
    pub(crate) fn inline_result(&self) -> Option<ResultBytes<'_>> {
        let len = (self.outcome.load(Relaxed) & 0xffff) as usize;
        if len > PAYLOAD_LEN {
            return None;
        }
        let start = result_start(self.args_len(), len);
        // SAFETY: the range was checked to be within the payload; the task is done, so nothing
        // writes to it.
        (start + len <= PAYLOAD_LEN)
            .then(|| unsafe { ResultBytes::new(self.payload_at(start), len) })
    }

    /// The lengths of the arguments and the result.
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

    /// The task's progress: two packed numbers that its worker updates.
    pub(crate) fn progress(&self) -> &AtomicU64 {
        &self.progress
    }

    /// How many bytes of the slot the arguments occupy.
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

/// The start of a result of this length after arguments of that length.
#[inline]
fn result_start(args_len: usize, len: usize) -> usize {
    match (args_len, len) {
        (0, _) => 0,
        (..=8, ..=8) => 8,
        _ => args_len.next_multiple_of(ALIGN),
    }
}

#[inline]
fn pack(location: BytesLocation) -> (u32, Option<FarBytes>) {
    match location {
        BytesLocation::Inline { len } => (len as u32, None),
        BytesLocation::Heap(far) => (HEAP, Some(far)),
        BytesLocation::File(far) => (FILE, Some(far)),
    }
}

#[inline]
fn unpack(packed: u32, start: *const u8, len_max: usize) -> BytesLocation {
    match packed {
        HEAP => BytesLocation::Heap(read_far(start)),
        FILE => BytesLocation::File(read_far(start)),
        len => BytesLocation::Inline { len: (len as usize).min(len_max) },
    }
}

fn write_far(start: *mut u8, far: FarBytes) {
    // SAFETY: `start` is a position in the payload with 16 bytes after it: 0, or a `result_start`
    // of at most 64 for a length of 16, and the payload has 80.
    unsafe { start.cast::<FarBytes>().write_unaligned(far) };
}

fn read_far(start: *const u8) -> FarBytes {
    // SAFETY: as for `write_far`; any 16 bytes are a `FarBytes`. A single read: the value that is
    // checked later is the value that is used.
    unsafe { start.cast::<FarBytes>().read_volatile() }
}
