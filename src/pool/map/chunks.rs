//! The chunks of a map: building, submitting and sizing them, and reading their results.

use crate::board::failure_bytes::MESSAGE_MAX;
use crate::board::memory::ResultBytes;
use crate::error::{Detail, Error, Result, Status};
use crate::pool::future::{CancelMode, cancel, duration, future_free, result, wait, why_ended};
use crate::pool::submit::{Args, Gate, SubmitOptions, TaskSpec, submit_internal};
use crate::pool::{Callee, FutureHandle, PoolHandle};
use crate::sync::plain::AtomicBool;
use crate::sync::{Deadline, Mutex, Ordering::*};
use crate::worker::chunk::{
    self, AfterItemError, ChunkHeader, ItemResult, ItemStatus, RESULT_LEN, STATUS_LEN,
    VARIABLE_SIZE,
};
use std::collections::{HashSet, VecDeque};

/// What a map does after an item has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    Continue,
    Stop,
    CancelRest,
}

impl OnError {
    pub(super) fn after_error(self) -> AfterItemError {
        match self {
            OnError::Continue => AfterItemError::Continue,
            OnError::Stop | OnError::CancelRest => AfterItemError::Stop,
        }
    }
}

/// A chunk that was submitted and not taken back: its future, and its items from `first` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlightChunk {
    pub(super) future: FutureHandle,
    pub(super) first: u64,
    pub(super) count: usize,
}

/// The chunks of a map that are in flight, in the order of their items. Shared with threads that
/// cancel the map.
#[derive(Default)]
pub(super) struct InFlight {
    chunks: Mutex<VecDeque<InFlightChunk>>,
    is_cancelled: AtomicBool,
}

impl InFlight {
    pub(super) fn push(&self, chunk: InFlightChunk) {
        self.chunks.lock().push_back(chunk);
        if self.is_cancelled() {
            // The thread that cancels may have looked before.
            let _ = cancel(chunk.future, CancelMode::Queued);
        }
    }

    /// How long a submit of another chunk waits for capacity in a bounded queue: not at all while
    /// there are others, which will make room.
    pub(super) fn submit_deadline(&self, deadline: Deadline) -> Deadline {
        if self.first().is_some() { Deadline::from_ms(0) } else { deadline }
    }

    pub(super) fn first(&self) -> Option<InFlightChunk> {
        self.chunks.lock().front().copied()
    }

    /// Removes the first one that is wanted.
    pub(super) fn take(&self, is_wanted: impl Fn(&InFlightChunk) -> bool) -> Option<InFlightChunk> {
        let mut chunks = self.chunks.lock();
        let index = chunks.iter().position(is_wanted)?;
        chunks.remove(index)
    }

    /// The futures of the chunks that are done.
    pub(super) fn done(&self) -> HashSet<FutureHandle> {
        self.futures().into_iter().filter(|future| wait(*future, 0).is_ok()).collect()
    }

    pub(super) fn futures(&self) -> Vec<FutureHandle> {
        self.chunks.lock().iter().map(|chunk| chunk.future).collect()
    }

    /// How many chunks there are, and how many items in them.
    pub(super) fn count(&self) -> (usize, usize) {
        let chunks = self.chunks.lock();
        (chunks.len(), chunks.iter().map(|chunk| chunk.count).sum())
    }

    /// Cancels the queued chunks, and asks the running ones to end; also those that are pushed
    /// later.
    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Release);
        let chunks = self.chunks.lock();
        chunks.iter().for_each(|chunk| drop(cancel(chunk.future, CancelMode::Queued)));
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Acquire)
    }

    /// Frees the futures of all chunks.
    pub(super) fn clear(&self) {
        for chunk in self.chunks.lock().drain(..) {
            let _ = future_free(chunk.future);
        }
    }
}

/// The maximum number of workers of a pool, after checking that tasks may have these options.
pub(super) fn max_workers_of(pool: PoolHandle, options: SubmitOptions) -> Result<usize> {
    options.limits(&pool.pool()?.state)?;
    Ok(pool.pool()?.state.workers_max().max(1) as usize)
}

/// Submits one task for the items of a chunk, which have one size.
pub(super) fn submit_fixed(
    pool: PoolHandle,
    callee: Callee<'_>,
    items: &[u8],
    header: ChunkHeader,
    options: &SubmitOptions,
) -> Result<FutureHandle> {
    let bytes = header.to_bytes();
    let args = Args::Chunk([&bytes, items]);
    let spec = TaskSpec { callee, args, gate: Gate::OpenOrClosed, options: Some(options) };
    submit_internal(pool, spec)
}

/// Collects items of any size, to be submitted as one task.
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

    /// Submits its items: one item as a task of its own, several as a chunk. It is empty
    /// afterwards, unless the submit failed.
    pub(super) fn submit(
        &mut self,
        pool: PoolHandle,
        callee: Callee<'_>,
        after_error: AfterItemError,
        options: &SubmitOptions,
    ) -> Result<FutureHandle> {
        let (gate, options) = (Gate::Open, Some(options));
        let ChunkBuilder { ends, bytes } = &*self;
        if ends.len() == 1 {
            let args = Args::Bytes(bytes);
            let future = submit_internal(pool, TaskSpec { callee, args, gate, options })?;
            *self = ChunkBuilder::default();
            return Ok(future);
        }
        let count = ends.len() as u64;
        let header = ChunkHeader {
            count,
            item_size: VARIABLE_SIZE,
            result_size: VARIABLE_SIZE,
            after_error: after_error as u64,
        };
        let mut table: Vec<u8> = header.to_bytes().into();
        table.extend(ends.iter().flat_map(|end| end.to_le_bytes()));
        table.resize(table.len().next_multiple_of(chunk::ALIGN), 0);
        let args = Args::Chunk([&table, bytes]);
        let future = submit_internal(pool, TaskSpec { callee, args, gate, options })?;
        *self = ChunkBuilder::default();
        Ok(future)
    }
}

impl InFlightChunk {
    /// The result of one of its items, when it is done and was submitted by
    /// [`ChunkBuilder::submit`].
    pub(super) fn item(&self, index: usize) -> Result<ResultBytes<'static>> {
        let whole = result(self.future);
        if self.count == 1 {
            return whole;
        }
        let whole = whole?;
        let mut row = [0; RESULT_LEN];
        whole.part(index * RESULT_LEN, RESULT_LEN).ok_or_else(corrupted)?.copy_to(&mut row);
        // What is checked is the copy, and the copy is what is used.
        let ItemResult { status, start, len } = ItemResult::read(&row).ok_or_else(corrupted)?;
        let table = (self.count * RESULT_LEN).next_multiple_of(chunk::ALIGN);
        let start = usize::try_from(start).ok().and_then(|start| start.checked_add(table));
        let range = start.zip(usize::try_from(len).ok());
        let bytes = range.and_then(|(start, len)| whole.part(start, len)).ok_or_else(corrupted)?;
        match status.status {
            0 => Ok(bytes),
            number => Err(self.item_error(number, status.code, bytes)),
        }
    }

    /// Copies the results of a done chunk of fixed-size items, and their statuses.
    pub(super) fn copy_fixed(&self, results: &mut [u8], statuses: &mut [i32]) {
        let size = results.len();
        let whole = match result(self.future) {
            Ok(whole) if whole.len() >= size => whole,
            Ok(_) => return fail_all(results, statuses, &corrupted()),
            Err(error) => return fail_all(results, statuses, &error),
        };
        if let Some(bytes) = whole.part(0, size) {
            bytes.copy_to(results);
        }
        let item_size = size / self.count.max(1);
        let table = chunk::statuses_at(self.count, item_size);
        for (index, status) in statuses.iter_mut().enumerate() {
            // Without a table all items have completed.
            let row =
                (whole.len() > size).then(|| whole.part(table + index * STATUS_LEN, STATUS_LEN));
            *status = row.flatten().map_or(0, |row| {
                let mut bytes = [0; STATUS_LEN];
                row.copy_to(&mut bytes);
                match ItemStatus::read(&bytes).map_or(0, |status| status.status) {
                    0 => 0,
                    number => self.item_status(number).status as i32,
                }
            });
            if *status != 0 {
                results[index * item_size..(index + 1) * item_size].fill(0);
            }
        }
    }

    fn item_error(&self, number: i32, task_code: i32, message: ResultBytes<'_>) -> Error {
        let error = self.item_status(number);
        if error.detail().is_some() {
            return error;
        }
        let message = String::from_utf8_lossy(&message.prefix(MESSAGE_MAX)).into_owned();
        Error::with_detail(error.status, Detail { task_code, message, ..Detail::default() })
    }

    /// The error of an item that ended with this number, as its worker says.
    fn item_status(&self, number: i32) -> Error {
        match Status::from_number(number) {
            // It was not run, because the chunk was asked to end.
            Some(Status::POOL_ERR_CLOSED) => why_ended(self.future),
            Some(status) => status.into(),
            None => corrupted(),
        }
    }

    /// How long each of its items took to run, as its worker measured.
    pub(super) fn ns_per_item(&self) -> Option<u64> {
        let (_, running) = duration(self.future).ok()?;
        Some(running / self.count.max(1) as u64)
    }
}

fn fail_all(results: &mut [u8], statuses: &mut [i32], error: &Error) {
    results.fill(0);
    statuses.fill(error.status as i32);
}

fn corrupted() -> Error {
    Error::new(Status::POOL_ERR_WORKER_LOST, "a worker has written over the results")
}

/// The sizes of chunks: fixed, or chosen so that each takes about [`ChunkSizer::TARGET_NS`].
pub(super) struct ChunkSizer {
    fixed: Option<usize>,
    workers: usize,
    bytes_per_item: usize,
    ns_per_item: Option<u64>,
    /// The largest chunk that is done.
    largest: usize,
}

impl ChunkSizer {
    /// Long enough that the cost of a submit does not count, short enough to balance the load.
    const TARGET_NS: u64 = 250_000;
    /// More would not stay in the caches.
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

    /// Learns from the run time of a chunk that is done.
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

    /// The size of the next chunk, of the items that are left.
    pub(super) fn next(&self, left: usize) -> usize {
        let count = match (self.fixed, self.ns_per_item) {
            (Some(fixed), _) => return fixed.min(left),
            // Nothing is known yet.
            (None, None) => 1,
            // Step by step: the next items may take longer than the last.
            (None, Some(ns)) => ((Self::TARGET_NS / ns) as usize).min(4 * self.largest),
        };
        // Smaller towards the end, so that no worker has much more to do than the others.
        let share = left.div_ceil(2 * self.workers).max(count / 8);
        count.min(share).min(Self::BYTES_MAX / self.bytes_per_item).max(1).min(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_have_the_fixed_size_or_the_measured_one() {
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
