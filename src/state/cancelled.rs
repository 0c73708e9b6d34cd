//! The tasks that a stop or a break has cancelled, for callers that run them elsewhere.

use crate::board::memory::ResultBytes;
use crate::board::record::Slot;
use crate::sync::Mutex;

/// A cancelled task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CancelledTask {
    pub(crate) id: u64,
    pub(crate) tag: u64,
    /// The index of its function.
    pub(crate) function: u32,
    /// Its arguments, which stay valid as long as the list.
    pub(crate) args: (*const u8, usize),
}

#[derive(Default)]
pub(crate) struct CancelledList(Mutex<Vec<CancelledBatch>>);

/// Tasks that were cancelled together. A batch does not change once it is listed, so its bytes stay
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
    /// Copies a queued task, before it is known whether it will be cancelled.
    pub(crate) fn push(&mut self, record: &Slot, args: Option<ResultBytes<'_>>, tag: u64) {
        let start = self.args.len();
        if let Some(args) = args {
            self.args.resize(start + args.len(), 0);
            args.copy_to(&mut self.args[start..]);
        }
        let len = self.args.len() - start;
        let (id, function) = (record.id(), record.call().function);
        self.tasks.push(CancelledRecord { id, tag, function, start, len });
    }

    /// Drops the last task: it was not cancelled after all.
    pub(crate) fn pop(&mut self) {
        if let Some(task) = self.tasks.pop() {
            self.args.truncate(task.start);
        }
    }
}

impl CancelledList {
    pub(crate) fn add(&self, batch: CancelledBatch) {
        if !batch.tasks.is_empty() {
            self.0.lock().push(batch);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().iter().map(|batch| batch.tasks.len()).sum()
    }

    pub(crate) fn get(&self, mut index: usize) -> Option<CancelledTask> {
        for batch in &*self.0.lock() {
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
