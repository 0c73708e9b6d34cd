//! Chunks: one task that calls its function for many items, one after the other.
//!
//! ```text
//!   arguments, fixed-size:    ChunkHeader │ item │ item │ …
//!              variable-size: ChunkHeader │ end │ end │ … │ items, aligned
//!   result, fixed-size:       result │ result │ … [│ ItemStatus │ ItemStatus │ …]
//!           variable-size:    ItemResult │ ItemResult │ … │ result, aligned │ …
//! ```
//!
//! The statuses of a fixed-size chunk are only there if an item failed or was not run: otherwise
//! its result is exactly the results of its items. An `end` is where a variable-size item ends.
//!
//! A chunk that is cancelled while it runs ends after the current item.
//!
//! The function sees each item as a task like any other: the item is its arguments, and it has a
//! buffer for the item's result.

use super::Task;
use crate::error::Status;

/// The alignment of items and results: that of any type of C.
pub(crate) const ALIGN: usize = 16;
/// In place of a size: the items, or the results, differ in size.
pub(crate) const VARIABLE_SIZE: u64 = u64::MAX;

/// The header of a chunk's arguments.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkHeader {
    pub(crate) count: u64,
    pub(crate) item_size: u64,
    pub(crate) result_size: u64,
    /// One of [`AfterItemError`].
    pub(crate) after_error: u64,
}

/// What happens to the items after one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterItemError {
    /// They are run.
    Continue = 0,
    /// They are not run.
    Stop = 1,
    /// They are not run, and the whole task fails as that item did.
    Fail = 2,
}

/// How an item of a fixed-size chunk has ended.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemStatus {
    pub(crate) status: i32,
    pub(crate) code: i32,
}

/// How an item of a variable-size chunk has ended, and the location of its result or message.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemResult {
    pub(crate) status: ItemStatus,
    pub(crate) start: u64,
    pub(crate) len: u64,
}

pub(crate) const HEADER_LEN: usize = size_of::<ChunkHeader>();
pub(crate) const STATUS_LEN: usize = size_of::<ItemStatus>();
pub(crate) const RESULT_LEN: usize = size_of::<ItemResult>();

const OK: ItemStatus = ItemStatus { status: 0, code: 0 };
/// The item was not run: one before it failed.
const NOT_RUN: ItemStatus = ItemStatus { status: Status::POOL_ERR_CANCELLED as i32, code: 0 };
/// The item was not run: the chunk was asked to end. The parent knows why.
const ENDED: ItemStatus = ItemStatus { status: Status::POOL_ERR_CLOSED as i32, code: 0 };

impl ChunkHeader {
    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let numbers = [self.count, self.item_size, self.result_size, self.after_error];
        for (field, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Option<ChunkHeader> {
        let number = |index: usize| Some(read_u64(bytes.get(index * 8..)?));
        Some(ChunkHeader {
            count: number(0)??,
            item_size: number(1)??,
            result_size: number(2)??,
            after_error: number(3)??,
        })
    }
}

impl ItemStatus {
    /// The status at this location in a chunk's result. Its values are untrusted.
    pub(crate) fn read(bytes: &[u8]) -> Option<ItemStatus> {
        let number = |at: usize| Some(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        Some(ItemStatus { status: number(0)?, code: number(4)? })
    }

    fn to_bytes(self) -> [u8; STATUS_LEN] {
        let mut bytes = [0; STATUS_LEN];
        bytes[..4].copy_from_slice(&self.status.to_le_bytes());
        bytes[4..].copy_from_slice(&self.code.to_le_bytes());
        bytes
    }
}

impl ItemResult {
    /// The entry at this location in a chunk's result. Its values are untrusted.
    pub(crate) fn read(bytes: &[u8]) -> Option<ItemResult> {
        let status = ItemStatus::read(bytes)?;
        let (start, len) = (read_u64(bytes.get(8..)?)?, read_u64(bytes.get(16..)?)?);
        Some(ItemResult { status, start, len })
    }

    fn to_bytes(self) -> [u8; RESULT_LEN] {
        let mut bytes = [0; RESULT_LEN];
        bytes[..8].copy_from_slice(&self.status.to_bytes());
        bytes[8..16].copy_from_slice(&self.start.to_le_bytes());
        bytes[16..].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }
}

pub(crate) fn read_u64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?))
}

/// The length of a fixed-size chunk's result, statuses included; None: it overflows.
pub(crate) fn fixed_len(count: usize, result_size: usize) -> Option<usize> {
    let results = count.checked_mul(result_size)?.checked_next_multiple_of(STATUS_LEN)?;
    results.checked_add(count.checked_mul(STATUS_LEN)?)
}

/// Where the statuses of a fixed-size chunk begin.
pub(crate) fn statuses_at(count: usize, result_size: usize) -> usize {
    (count * result_size).next_multiple_of(STATUS_LEN)
}

/// Runs the chunk in the task's slot; `call` calls the function for one item. Returns the code of
/// the whole task.
pub(super) fn run(task: &Task, call: &dyn Fn() -> i32) -> i32 {
    let args = task.args_bytes();
    let code = ChunkHeader::read(args).and_then(|header| match header.item_size {
        VARIABLE_SIZE => run_variable(task, call, header, &args[HEADER_LEN..]),
        _ => run_fixed(task, call, header, &args[HEADER_LEN..]),
    });
    task.end_items();
    code.unwrap_or_else(|| {
        task.set_message(b"there is no memory for the results of the chunk");
        Status::POOL_ERR_NOMEM as i32
    })
}

fn run_fixed(
    task: &Task,
    call: &dyn Fn() -> i32,
    header: ChunkHeader,
    items: &[u8],
) -> Option<i32> {
    let count = usize::try_from(header.count).ok()?;
    let item_size = usize::try_from(header.item_size).ok()?;
    let result_size = usize::try_from(header.result_size).ok()?;
    let buffer = task.chunk_buffer(fixed_len(count, result_size)?)?;
    let mut statuses = Vec::new();
    for index in 0..count {
        let item = items.get(index * item_size..(index + 1) * item_size)?;
        if header.after_error != AfterItemError::Fail as u64 && task.is_cancelled() {
            statuses.resize(count, OK);
            statuses[index..].fill(ENDED);
            break;
        }
        task.begin_item(item, buffer.wrapping_add(index * result_size), result_size);
        let status = task.end_item(call());
        if status != OK {
            if header.after_error == AfterItemError::Fail as u64 {
                return Some(task.fail_as_item(status));
            }
            statuses.resize(count, OK);
            statuses[index] = status;
            if header.after_error == AfterItemError::Stop as u64 {
                statuses[index + 1..].fill(NOT_RUN);
                break;
            }
        }
    }
    let table = statuses_at(count, result_size);
    for (index, status) in statuses.iter().enumerate() {
        task.write_to_chunk(buffer.wrapping_add(table + index * STATUS_LEN), &status.to_bytes());
    }
    task.set_chunk_len(if statuses.is_empty() {
        count * result_size
    } else {
        table + count * STATUS_LEN
    });
    Some(0)
}

fn run_variable(
    task: &Task,
    call: &dyn Fn() -> i32,
    header: ChunkHeader,
    items: &[u8],
) -> Option<i32> {
    let count = usize::try_from(header.count).ok()?;
    let table = count.checked_mul(8)?.checked_next_multiple_of(ALIGN)?;
    let end = |index: usize| usize::try_from(read_u64(items.get(index * 8..table)?)?).ok();
    let mut results_table = Vec::new();
    let mut results = Vec::new();
    let mut start = 0;
    for index in 0..count {
        let item = items.get(table..)?.get(start..end(index)?)?;
        start = end(index)?.checked_next_multiple_of(ALIGN)?;
        if task.is_cancelled() {
            results_table.resize(count, ItemResult { status: ENDED, start: 0, len: 0 });
            break;
        }
        task.begin_variable_item(item);
        let status = task.end_item(call());
        results.resize(results.len().next_multiple_of(ALIGN), 0);
        let begin = results.len();
        task.take_item_result(status == OK, &mut results)?;
        let (start, len) = (begin as u64, (results.len() - begin) as u64);
        results_table.push(ItemResult { status, start, len });
        if status != OK && header.after_error == AfterItemError::Stop as u64 {
            results_table.resize(count, ItemResult { status: NOT_RUN, start, len: 0 });
            break;
        }
    }
    let table = count.checked_mul(RESULT_LEN)?.next_multiple_of(ALIGN);
    let buffer = task.chunk_buffer(table + results.len())?;
    for (index, item_result) in results_table.iter().enumerate() {
        task.write_to_chunk(buffer.wrapping_add(index * RESULT_LEN), &item_result.to_bytes());
    }
    task.write_to_chunk(buffer.wrapping_add(table), &results);
    task.set_chunk_len(table + results.len());
    Some(0)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn headers_and_item_results_round_trip() {
        let header = ChunkHeader {
            count: 3,
            item_size: VARIABLE_SIZE,
            result_size: 8,
            after_error: AfterItemError::Fail as u64,
        };
        assert_eq!(ChunkHeader::read(&header.to_bytes()), Some(header));
        let item_result =
            ItemResult { status: ItemStatus { status: 10, code: -7 }, start: 1 << 40, len: 5 };
        assert_eq!(ItemResult::read(&item_result.to_bytes()), Some(item_result));
        assert_eq!(ItemResult::read(&item_result.to_bytes()[1..]), None);
        assert_eq!(ChunkHeader::read(&[]), None);
    }

    #[test]
    fn lengths_that_overflow_are_refused() {
        assert_eq!(fixed_len(usize::MAX, 2), None);
        assert_eq!(fixed_len(3, 3), Some(16 + 24));
    }
}
