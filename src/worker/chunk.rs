//! Chunks: one task that calls its function for many items, one after the other.
//!
//! ```text
//!   arguments, even:   Head │ item │ item │ …                      items of one size
//!              uneven: Head │ end │ end │ … │ items, aligned       each with where it ends
//!   result, even:      result │ result │ … [│ Verdict │ Verdict │ …]   verdicts if an item failed
//!           uneven:    Share │ Share │ … │ result, aligned │ …
//! ```
//!
//! A chunk that is cancelled while it runs ends behind the present item.
//!
//! An even chunk's result is nothing but its items' results, unless one has failed. Each item's
//! function sees a task like any other: its item as arguments, room for its result.

use super::Task;
use crate::error::Status;

/// Aligned for any type of C.
pub(crate) const ALIGN: usize = 16;
/// The size of items, or of results, that have no common one.
pub(crate) const UNEVEN: u64 = u64::MAX;

/// What a chunk's arguments begin with.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkHeader {
    pub(crate) count: u64,
    pub(crate) item_size: u64,
    pub(crate) result_size: u64,
    /// One of [`AfterItemError`].
    pub(crate) then: u64,
}

/// What becomes of the items behind one that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterItemError {
    GoOn = 0,
    /// They are not run.
    Stop = 1,
    /// They are not run, and the whole task fails like that item.
    Fail = 2,
}

/// How an item of an even chunk has ended.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemStatus {
    pub(crate) status: i32,
    pub(crate) code: i32,
}

/// How an item of an uneven chunk has ended, and where its result is, or its message.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemResult {
    pub(crate) verdict: ItemStatus,
    pub(crate) start: u64,
    pub(crate) len: u64,
}

pub(crate) const HEAD_LEN: usize = size_of::<ChunkHeader>();
pub(crate) const VERDICT_LEN: usize = size_of::<ItemStatus>();
pub(crate) const SHARE_LEN: usize = size_of::<ItemResult>();

const GOOD: ItemStatus = ItemStatus { status: 0, code: 0 };
const NOT_RUN: ItemStatus = ItemStatus { status: Status::POOL_ERR_CANCELLED as i32, code: 0 };

impl ChunkHeader {
    pub(crate) fn to_bytes(self) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        let numbers = [self.count, self.item_size, self.result_size, self.then];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Option<ChunkHeader> {
        let number = |index: usize| Some(read_u64(bytes.get(index * 8..)?));
        Some(ChunkHeader {
            count: number(0)??,
            item_size: number(1)??,
            result_size: number(2)??,
            then: number(3)??,
        })
    }
}

impl ItemStatus {
    /// The verdict at this place of a chunk's result. It may be anything.
    pub(crate) fn read(bytes: &[u8]) -> Option<ItemStatus> {
        let number = |at: usize| Some(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        Some(ItemStatus { status: number(0)?, code: number(4)? })
    }

    fn to_bytes(self) -> [u8; VERDICT_LEN] {
        let mut bytes = [0; VERDICT_LEN];
        bytes[..4].copy_from_slice(&self.status.to_le_bytes());
        bytes[4..].copy_from_slice(&self.code.to_le_bytes());
        bytes
    }
}

impl ItemResult {
    /// The share at this place of a chunk's result. It may be anything.
    pub(crate) fn read(bytes: &[u8]) -> Option<ItemResult> {
        let verdict = ItemStatus::read(bytes)?;
        let (start, len) = (read_u64(bytes.get(8..)?)?, read_u64(bytes.get(16..)?)?);
        Some(ItemResult { verdict, start, len })
    }

    fn to_bytes(self) -> [u8; SHARE_LEN] {
        let mut bytes = [0; SHARE_LEN];
        bytes[..8].copy_from_slice(&self.verdict.to_bytes());
        bytes[8..16].copy_from_slice(&self.start.to_le_bytes());
        bytes[16..].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }
}

pub(crate) fn read_u64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?))
}

/// How long an even chunk's result is, with verdicts; None: longer than can be.
pub(crate) fn even_len(count: usize, result_size: usize) -> Option<usize> {
    let results = count.checked_mul(result_size)?.checked_next_multiple_of(VERDICT_LEN)?;
    results.checked_add(count.checked_mul(VERDICT_LEN)?)
}

/// Where the verdicts of an even chunk begin.
pub(crate) fn verdicts_at(count: usize, result_size: usize) -> usize {
    (count * result_size).next_multiple_of(VERDICT_LEN)
}

/// Runs the chunk that the task's slot holds; `call` calls its function for one item. Answers the code
/// of the whole.
pub(super) fn run(task: &Task, call: &dyn Fn() -> i32) -> i32 {
    let args = task.args_bytes();
    let code = ChunkHeader::read(args).and_then(|head| match head.item_size {
        UNEVEN => run_uneven(task, call, head, &args[HEAD_LEN..]),
        _ => run_even(task, call, head, &args[HEAD_LEN..]),
    });
    task.end_items();
    code.unwrap_or_else(|| {
        task.leave_message(b"there is no memory for the results of the chunk");
        Status::POOL_ERR_NOMEM as i32
    })
}

fn run_even(task: &Task, call: &dyn Fn() -> i32, head: ChunkHeader, items: &[u8]) -> Option<i32> {
    let count = usize::try_from(head.count).ok()?;
    let item_size = usize::try_from(head.item_size).ok()?;
    let result_size = usize::try_from(head.result_size).ok()?;
    let room = task.chunk_room(even_len(count, result_size)?)?;
    let mut verdicts = Vec::new();
    for index in 0..count {
        let item = items.get(index * item_size..(index + 1) * item_size)?;
        if head.then != AfterItemError::Fail as u64 && task.is_cancelled() {
            verdicts.resize(count, GOOD);
            verdicts[index..].fill(NOT_RUN);
            break;
        }
        task.begin_item(item, room.wrapping_add(index * result_size), result_size);
        let verdict = task.end_item(call());
        if verdict != GOOD {
            if head.then == AfterItemError::Fail as u64 {
                return Some(task.fail_like(verdict));
            }
            verdicts.resize(count, GOOD);
            verdicts[index] = verdict;
            if head.then == AfterItemError::Stop as u64 {
                verdicts[index + 1..].fill(NOT_RUN);
                break;
            }
        }
    }
    let table = verdicts_at(count, result_size);
    for (index, verdict) in verdicts.iter().enumerate() {
        task.write_to_room(room.wrapping_add(table + index * VERDICT_LEN), &verdict.to_bytes());
    }
    task.keep_chunk(if verdicts.is_empty() {
        count * result_size
    } else {
        table + count * VERDICT_LEN
    });
    Some(0)
}

fn run_uneven(task: &Task, call: &dyn Fn() -> i32, head: ChunkHeader, items: &[u8]) -> Option<i32> {
    let count = usize::try_from(head.count).ok()?;
    let table = count.checked_mul(8)?.checked_next_multiple_of(ALIGN)?;
    let end = |index: usize| usize::try_from(read_u64(items.get(index * 8..table)?)?).ok();
    let mut shares = Vec::new();
    let mut results = Vec::new();
    let mut start = 0;
    for index in 0..count {
        let item = items.get(table..)?.get(start..end(index)?)?;
        start = end(index)?.checked_next_multiple_of(ALIGN)?;
        if task.is_cancelled() {
            shares.resize(count, ItemResult { verdict: NOT_RUN, start: 0, len: 0 });
            break;
        }
        task.begin_uneven_item(item);
        let verdict = task.end_item(call());
        results.resize(results.len().next_multiple_of(ALIGN), 0);
        let begin = results.len();
        task.take_item_result(verdict == GOOD, &mut results);
        let (start, len) = (begin as u64, (results.len() - begin) as u64);
        shares.push(ItemResult { verdict, start, len });
        if verdict != GOOD && head.then == AfterItemError::Stop as u64 {
            shares.resize(count, ItemResult { verdict: NOT_RUN, start, len: 0 });
            break;
        }
    }
    let table = count.checked_mul(SHARE_LEN)?.next_multiple_of(ALIGN);
    let room = task.chunk_room(table + results.len())?;
    for (index, share) in shares.iter().enumerate() {
        task.write_to_room(room.wrapping_add(index * SHARE_LEN), &share.to_bytes());
    }
    task.write_to_room(room.wrapping_add(table), &results);
    task.keep_chunk(table + results.len());
    Some(0)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let head = ChunkHeader {
            count: 3,
            item_size: UNEVEN,
            result_size: 8,
            then: AfterItemError::Fail as u64,
        };
        assert_eq!(ChunkHeader::read(&head.to_bytes()), Some(head));
        let share =
            ItemResult { verdict: ItemStatus { status: 10, code: -7 }, start: 1 << 40, len: 5 };
        assert_eq!(ItemResult::read(&share.to_bytes()), Some(share));
        assert_eq!(ItemResult::read(&share.to_bytes()[1..]), None);
        assert_eq!(ChunkHeader::read(&[]), None);
    }

    #[test]
    fn impossible_lengths_are_refused() {
        assert_eq!(even_len(usize::MAX, 2), None);
        assert_eq!(even_len(3, 3), Some(16 + 24));
    }
}
