//! The items of a chunk: the task as its function sees it, one item after the other.

use super::{AlignedBlock, Task, TaskRole};
use crate::error::Status;
use crate::worker::chunk::ItemStatus;

impl Task {
    pub(in crate::worker) fn begin_item(&self, item: &[u8], start: *mut u8, size: usize) {
        self.args.set((item.as_ptr(), item.len()));
        self.role.set(TaskRole::Item { start, size });
        self.item_len.set(0);
    }

    pub(in crate::worker) fn begin_variable_item(&self, item: &[u8]) {
        self.args.set((item.as_ptr(), item.len()));
        self.role.set(TaskRole::VariableItem);
        self.item_len.set(0);
    }

    /// The arguments of the whole task.
    pub(in crate::worker) fn args_bytes(&self) -> &[u8] {
        let (start, len) = self.args.get();
        if start.is_null() {
            return &[];
        }
        // SAFETY: `find_args` checked that they lie on the board, which nobody else writes to while
        // the task runs but a worker gone astray; bytes have no invalid values.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// Room for the results of a chunk.
    pub(in crate::worker) fn chunk_room(&self, len: usize) -> Option<*mut u8> {
        self.role.set(TaskRole::Task);
        let room = self.result_of_task(len);
        (!room.is_null()).then_some(room)
    }

    /// Of the chunk's room only so much is its result.
    pub(in crate::worker) fn keep_chunk(&self, kept: usize) {
        self.len.set(kept);
    }

    /// Copies bytes to a place in the chunk's room that has room for them.
    pub(in crate::worker) fn write_to_room(&self, place: *mut u8, bytes: &[u8]) {
        // SAFETY: `chunk::run` asked `chunk_room` for as much as it writes, and they lie elsewhere.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// How an item has ended whose function returned this code. What it left unwritten of its room
    /// becomes 0.
    pub(in crate::worker) fn end_item(&self, code: i32) -> ItemStatus {
        if code == 0 {
            self.clear_message();
        }
        let len = self.item_len.get();
        let status = match (code, len) {
            (0, usize::MAX) => Status::POOL_ERR_TOO_LARGE,
            (0, _) => Status::POOL_OK,
            (_, usize::MAX) => Status::POOL_ERR_TOO_LARGE,
            _ => Status::POOL_ERR_TASK,
        };
        if let TaskRole::Item { start, size } = self.role.get() {
            let kept = if status == Status::POOL_OK { len } else { 0 };
            if kept < size {
                // SAFETY: the item's room has `size` bytes, and its function has returned.
                unsafe { start.wrapping_add(kept).write_bytes(0, size - kept) };
            }
        }
        ItemStatus { status: status as i32, code }
    }

    /// Appends the result of an uneven item that has ended, or else the message that it left.
    pub(in crate::worker) fn take_item_result(&self, is_good: bool, into: &mut Vec<u8>) {
        let message = self.message.take();
        if !is_good {
            into.extend_from_slice(&message);
            return;
        }
        let scratch = self.scratch.borrow();
        let len = self.item_len.get().min(scratch.len() * size_of::<AlignedBlock>());
        // SAFETY: so many bytes of `scratch` have been made, and they are plain numbers.
        into.extend_from_slice(unsafe { std::slice::from_raw_parts(scratch.as_ptr().cast(), len) });
    }

    /// Makes the whole task fail like an item of it: the code to return for that.
    pub(in crate::worker) fn fail_as_item(&self, status: ItemStatus) -> i32 {
        if status.status == Status::POOL_ERR_TOO_LARGE as i32 {
            self.set_message(b"the result of an item is larger than the room for it");
            self.fail_status.set(Status::POOL_ERR_TOO_LARGE);
            return Status::POOL_ERR_TOO_LARGE as i32;
        }
        status.code
    }

    /// The function is not called for items any more.
    pub(in crate::worker) fn end_items(&self) {
        self.role.set(TaskRole::Task);
    }
}
