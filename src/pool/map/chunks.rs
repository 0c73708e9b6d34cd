//! Pieces of a map: so many items in one task, and how large to make them.

use crate::sync::{Mutex, MutexGuard};
use crate::pool::submit::{Args, SubmitOptions, TaskSpec};
use crate::state::config::Callee;
use crate::pool::{FutureHandle, PoolHandle, cancel, duration, future_free, result, submit};
use crate::board::copy_out;
use crate::error::{Error, Result, Status};
use crate::sync::Deadline;
use crate::sync::Ordering::*;
use crate::sync::plain::AtomicBool;
use crate::worker::chunk;
use crate::worker::chunk::{AfterItemError, ChunkHeader, ItemResult, ItemStatus, RESULT_LEN, STATUS_LEN, VARIABLE_SIZE};
use std::collections::VecDeque;

/// What a map does after an item has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    Continue,
    Stop,
    CancelRest,
}

impl OnError {
    /// From the C API's number.
    pub(crate) fn from_number(number: i32) -> Option<OnError> {
        let all = [OnError::Continue, OnError::Stop, OnError::CancelRest];
        all.get(usize::try_from(number).ok()?).copied()
    }

    pub(super) fn after_error(self) -> AfterItemError {
        match self {
            OnError::Continue => AfterItemError::Continue,
            OnError::Stop | OnError::CancelRest => AfterItemError::Stop,
        }
    }
}

/// A task that is under way, for items from this one on.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlightChunk {
    pub(super) future: FutureHandle,
    pub(super) first: u64,
    pub(super) count: usize,
}

/// The pieces of a map that were handed out and not taken back. They stand apart from the rest of it, for
/// whoever cancels it meanwhile.
#[derive(Default)]
pub(super) struct InFlight {
    chunks: Mutex<VecDeque<InFlightChunk>>,
    is_cancelled: AtomicBool,
}

impl InFlight {
    pub(super) fn push(&self, chunk: InFlightChunk) {
        self.lock().push_back(chunk);
        if self.is_cancelled() {
            // Whoever cancelled may have looked before.
            let _ = cancel(chunk.future, false);
        }
    }

    /// How long a submit of another piece waits for a place in a bounded queue: not at all while there are
    /// others, which will make room.
    pub(super) fn submit_deadline(&self, deadline: Deadline) -> Deadline {
        if self.first().is_some() { Deadline::from_ms(0) } else { deadline }
    }

    pub(super) fn first(&self) -> Option<InFlightChunk> {
        self.lock().front().copied()
    }

    /// Takes the first one away that is wanted.
    pub(super) fn take(&self, is_wanted: impl Fn(&InFlightChunk) -> bool) -> Option<InFlightChunk> {
        let mut chunks = self.lock();
        let place = chunks.iter().position(is_wanted)?;
        chunks.remove(place)
    }

    pub(super) fn futures(&self) -> Vec<u64> {
        self.lock().iter().map(|chunk| chunk.future.to_raw()).collect()
    }

    /// How many pieces there are, and how many items in them.
    pub(super) fn count(&self) -> (usize, usize) {
        let chunks = self.lock();
        (chunks.len(), chunks.iter().map(|chunk| chunk.count).sum())
    }

    /// Cancels what waits, and asks what runs to end; also what comes later.
    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Release);
        self.lock().iter().for_each(|chunk| drop(cancel(chunk.future, false)));
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Acquire)
    }

    /// Lets go of all of them: nobody takes them back.
    pub(super) fn forget(&self) {
        for chunk in self.lock().drain(..) {
            let _ = future_free(chunk.future);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<InFlightChunk>> {
        self.chunks.lock()
    }
}

/// How many workers a pool may have, for whoever shares work out among them in tasks that are such.
pub(super) fn max_workers_of(pool: PoolHandle, options: SubmitOptions) -> Result<usize> {
    options.limits(&pool.pool()?.state)?;
    Ok(pool.pool()?.state.workers_max().max(1) as usize)
}

/// Submits one task for `count` items of one size.
pub(super) fn submit_fixed(
    pool: PoolHandle,
    callee: Callee<'_>,
    items: &[u8],
    head: ChunkHeader,
    after_close: bool,
    options: &SubmitOptions,
) -> Result<FutureHandle> {
    let bytes = head.to_bytes();
    let args = Args::Chunk([&bytes, items]);
    submit(pool, TaskSpec { callee, args, after_close, options: Some(options) })
}

/// Items of any size, one behind the other, to be submitted as one task.
#[derive(Default)]
pub(super) struct ChunkBuilder {
    ends: Vec<u64>,
    bytes: Vec<u8>,
}

impl ChunkBuilder {
    pub(super) fn add(&mut self, item: &[u8]) {
        self.bytes.resize(self.bytes.len().next_multiple_of(chunk::ALIGN), 0);
        self.bytes.extend_from_slice(item);
        self.ends.push(self.bytes.len() as u64);
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Submits what is in it: one item as a task of its own, several as a chunk. It is empty
    /// afterwards, unless the submit failed.
    pub(super) fn submit(
        &mut self,
        pool: PoolHandle,
        callee: Callee<'_>,
        after_error: AfterItemError,
        options: &SubmitOptions,
    ) -> Result<FutureHandle> {
        let (after_close, options) = (false, Some(options));
        let ChunkBuilder { ends, bytes } = &*self;
        if ends.len() == 1 {
            let args = Args::Bytes(bytes);
            let future = submit(pool, TaskSpec { callee, args, after_close, options })?;
            *self = ChunkBuilder::default();
            return Ok(future);
        }
        let (count, uneven) = (ends.len() as u64, VARIABLE_SIZE);
        let head = ChunkHeader {
            count,
            item_size: uneven,
            result_size: uneven,
            after_error: after_error as u64,
        };
        let mut table: Vec<u8> = head.to_bytes().into();
        table.extend(ends.iter().flat_map(|end| end.to_le_bytes()));
        table.resize(table.len().next_multiple_of(chunk::ALIGN), 0);
        let args = Args::Chunk([&table, bytes]);
        let future = submit(pool, TaskSpec { callee, args, after_close, options })?;
        *self = ChunkBuilder::default();
        Ok(future)
    }
}

/// How one item of an uneven piece has ended: its bytes, or why there are none.
pub(super) type ChunkItem = Result<(*const u8, usize)>;

impl InFlightChunk {
    /// The result of one of its items, when it is done and was submitted by [`ChunkBuilder::submit`].
    pub(super) fn item(&self, index: usize) -> ChunkItem {
        let whole = result(self.future);
        if self.count == 1 {
            return whole;
        }
        let (start, len) = whole?;
        let place = index * RESULT_LEN;
        let mut bytes = [0; RESULT_LEN];
        if place + RESULT_LEN > len {
            return Err(corrupted());
        }
        // Read once; what is checked is what is used.
        copy_out(start.wrapping_add(place), &mut bytes);
        let item_result = ItemResult::read(&bytes).ok_or_else(corrupted)?;
        let table = (self.count * RESULT_LEN).next_multiple_of(chunk::ALIGN);
        let range =
            usize::try_from(item_result.start).ok().zip(usize::try_from(item_result.len).ok());
        let range = range.and_then(|(from, size)| {
            let from = from.checked_add(table)?;
            (from.checked_add(size)? <= len).then_some((from, size))
        });
        let (from, size) = range.ok_or_else(corrupted)?;
        let data = start.wrapping_add(from);
        match item_result.status {
            ItemStatus { status: 0, .. } => Ok((data, size)),
            status => Err(error_of(status, data, size)),
        }
    }

    /// Takes the results of an even piece that is done: `results` and `statuses` are those of its items.
    pub(super) fn copy_fixed(&self, results: &mut [u8], statuses: &mut [i32]) {
        let (start, len) = match result(self.future) {
            Ok(found) => found,
            Err(error) => {
                results.fill(0);
                statuses.fill(error.status as i32);
                return;
            }
        };
        let size = results.len();
        if len < size {
            results.fill(0);
            statuses.fill(corrupted().status as i32);
            return;
        }
        copy_out(start, results);
        let table = chunk::statuses_at(self.count, size / self.count.max(1));
        for (index, status) in statuses.iter_mut().enumerate() {
            let place = table + index * STATUS_LEN;
            *status = 0;
            if place + STATUS_LEN <= len && len > size {
                let mut bytes = [0; STATUS_LEN];
                copy_out(start.wrapping_add(place), &mut bytes);
                *status = ItemStatus::read(&bytes).map_or(0, |status| status.status);
            }
            if *status != 0 {
                let size = size / self.count;
                results[index * size..(index + 1) * size].fill(0);
            }
        }
    }

    /// How long its items took to run, each, as far as its worker told.
    pub(super) fn ns_per_item(&self) -> Option<u64> {
        let (_, running) = duration(self.future).ok()?;
        Some(running / self.count.max(1) as u64)
    }
}

fn error_of(status: ItemStatus, words: *const u8, len: usize) -> Error {
    let mut text = vec![0; len.min(crate::worker::MESSAGE_MAX)];
    copy_out(words, &mut text);
    let detail = crate::error::Detail {
        task_code: status.code,
        message: String::from_utf8_lossy(&text).into_owned(),
        ..Default::default()
    };
    match Status::from_number(status.status) {
        Some(status) => Error::with_detail(status, detail),
        None => corrupted(),
    }
}

fn corrupted() -> Error {
    Error::new(Status::POOL_ERR_WORKER_LOST, "a worker has written over the results")
}

/// How large pieces are made: as told, or so that each takes about [`ChunkSizer::TARGET_NS`].
pub(super) struct ChunkSizer {
    fixed: Option<usize>,
    workers: usize,
    bytes_per_item: usize,
    ns_per_item: Option<u64>,
    /// The largest piece that has come back.
    largest: usize,
}

impl ChunkSizer {
    /// Long enough that handing a piece over does not count, short enough to share work out evenly.
    const TARGET_NS: u64 = 250_000;
    /// More would not stay in the caches on its way.
    const BYTES_MAX: usize = 1 << 20;

    /// `fixed` of 0 is automatic.
    pub(super) fn new(fixed: usize, workers: usize, bytes_per_item: usize) -> ChunkSizer {
        let fixed = (fixed > 0).then_some(fixed);
        ChunkSizer {
            fixed,
            workers,
            bytes_per_item: bytes_per_item.max(1),
            ns_per_item: None,
            largest: 0,
        }
    }

    /// A piece has come back.
    pub(super) fn learn(&mut self, chunk: &InFlightChunk) {
        if self.fixed.is_none()
            && let Some(ns) = chunk.ns_per_item()
        {
            // The newest measurement counts half.
            let before = self.ns_per_item.unwrap_or(ns);
            self.ns_per_item = Some((before / 2 + ns / 2).max(1));
            self.largest = self.largest.max(chunk.count);
        }
    }

    /// How many items the next piece is to have, of those that are left.
    pub(super) fn next(&self, left: usize) -> usize {
        let count = match (self.fixed, self.ns_per_item) {
            (Some(fixed), _) => return fixed.min(left),
            // Nothing is known yet: as little as can be.
            (None, None) => 1,
            // Step by step: the next items may take longer than the last.
            (None, Some(ns)) => ((Self::TARGET_NS / ns) as usize).min(4 * self.largest),
        };
        // Towards the end, so that no worker is left with much more than the others; but a little more
        // does no harm.
        let item_result = left.div_ceil(2 * self.workers).max(count / 8);
        count.min(item_result).min(Self::BYTES_MAX / self.bytes_per_item).max(1).min(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_as_large_as_told_or_as_measured() {
        let mut sizer = ChunkSizer::new(7, 2, 8);
        assert_eq!((sizer.next(100), sizer.next(3)), (7, 3));
        sizer = ChunkSizer::new(0, 2, 8);
        assert_eq!(sizer.next(1_000_000), 1);
        (sizer.ns_per_item, sizer.largest) = (Some(10), 8);
        assert_eq!(sizer.next(1_000_000), 32);
        sizer.largest = 1 << 20;
        assert_eq!(sizer.next(1_000_000), 25_000);
        assert_eq!(sizer.next(1_000), 1_000);
        assert_eq!(sizer.next(16_000), 4_000);
        assert_eq!(sizer.next(1), 1);
        sizer.ns_per_item = Some(1_000_000_000);
        assert_eq!(sizer.next(1_000), 1);
        sizer = ChunkSizer { ns_per_item: Some(1), ..ChunkSizer::new(0, 1, 1 << 30) };
        assert_eq!(sizer.next(1_000), 1);
    }
}
