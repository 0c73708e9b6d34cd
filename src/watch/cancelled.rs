//! The list of tasks that a stop or a break has cancelled, for whoever wants to run them elsewhere.

use crate::board::record::{BytesLocation, Slot};
use crate::board::{Region, copy_out};
use std::sync::{Mutex, PoisonError};

/// A task that was cancelled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CancelledTask {
    pub(crate) id: u64,
    pub(crate) tag: u64,
    /// The index of its function.
    pub(crate) function: u32,
    /// Its arguments, which stay where they are as long as the list.
    pub(crate) args: (*const u8, usize),
}

#[derive(Default)]
pub(crate) struct CancelledList(Mutex<Vec<CancelledBatch>>);

/// What was cancelled at one time. It does not change any more once it is listed, so that its bytes stay
/// where they are.
#[derive(Default)]
pub(crate) struct CancelledBatch {
    tasks: Vec<CancelledRecord>,
    args: Vec<u8>,
}

struct CancelledRecord {
    id: u64,
    tag: u64,
    function: u32,
    start: usize,
    len: usize,
}

impl CancelledBatch {
    /// Copies what a waiting task consists of. Nothing says yet that it is cancelled.
    pub(crate) fn push(&mut self, region: &Region, record: &Slot, tag: u64) {
        let start = self.args.len();
        let (data, len) = match record.args() {
            (BytesLocation::Inline { len }, data) => (Some(data), len),
            (BytesLocation::Heap(far) | BytesLocation::File(far), _) => {
                let (offset, len) = (far.place as usize, far.len as usize);
                (region.memory.bytes(offset, len).map(<*mut u8>::cast_const), len)
            }
        };
        if let Some(data) = data {
            self.args.resize(start + len, 0);
            copy_out(data, &mut self.args[start..]);
        }
        let len = self.args.len() - start;
        let (id, function) = (record.id(), record.call().function);
        self.tasks.push(CancelledRecord { id, tag, function, start, len });
    }

    /// The last one was not cancelled after all.
    pub(crate) fn pop(&mut self) {
        if let Some(task) = self.tasks.pop() {
            self.args.truncate(task.start);
        }
    }
}

impl CancelledList {
    pub(crate) fn add(&self, batch: CancelledBatch) {
        if !batch.tasks.is_empty() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
        }
    }

    pub(crate) fn len(&self) -> usize {
        let batches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        batches.iter().map(|batch| batch.tasks.len()).sum()
    }

    pub(crate) fn get(&self, mut index: usize) -> Option<CancelledTask> {
        let batches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for batch in &*batches {
            match batch.tasks.get(index) {
                Some(CancelledRecord { id, tag, function, start, len }) => {
                    let args = &batch.args[*start..start + len];
                    let args = (args.as_ptr(), args.len());
                    return Some(CancelledTask { id: *id, tag: *tag, function: *function, args });
                }
                None => index -= batch.tasks.len(),
            }
        }
        None
    }
}
