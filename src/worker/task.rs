//! A task as its function sees it: arguments, a buffer for the result, a message if it fails.
//!
//! A [`Task`] is reused for all calls of a worker: of a task's function, of a hook, or of a chunk's
//! function for each of its items ([`TaskRole`]). C code holds a pointer to it while its function
//! runs.

use super::chunk::ItemStatus;
use crate::board::Region;
use crate::board::failure_bytes;
use crate::board::heap::{Arena, Block};
use crate::board::memory::{FileLimit, Memory};
use crate::board::parent::slots::SlotKey;
use crate::board::record::{BytesLocation, Ending, FarBytes, Slot};
use crate::board::slot::{Outcome, SeatIndex};
use crate::clock;
use crate::error::Status;
use crate::process::ProcessMark;
use crate::sync::Ordering::Relaxed;
use std::cell::{Cell, RefCell};
use std::ffi::c_void;

/// Marks a live `Task`, so that other pointers are detected. It contains the version of the struct:
/// a module that is linked with another copy of the library finds the same struct or none.
const MAGIC: u64 = u64::from_be_bytes(*b"pool_tk\x02");

/// What the functions that a worker runs set for the worker.
pub(super) struct UserState {
    /// A pointer that the worker keeps from one function to the next.
    pointer: Cell<*mut c_void>,
    /// How many more tasks the worker runs before it exits.
    pub(super) tasks_left: Cell<u64>,
    /// Whether it exits because a task has asked for it.
    pub(super) is_retiring: Cell<bool>,
    /// The seat in the pool that is seat 0 of the worker's board.
    first_seat: u16,
}

impl UserState {
    /// `tasks_max`: 0 is unlimited.
    pub(super) fn new(tasks_max: u64, first_seat: u16) -> UserState {
        UserState {
            first_seat,
            pointer: Cell::new(std::ptr::null_mut()),
            tasks_left: Cell::new(if tasks_max == 0 { u64::MAX } else { tasks_max }),
            is_retiring: Cell::new(false),
        }
    }
}

/// What the function is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TaskRole {
    Task,
    /// The initializer or the finalizer, whose result is dropped.
    Hook,
    /// An item whose result has a buffer of `size` bytes at `start`.
    Item {
        start: *mut u8,
        size: usize,
    },
    /// An item whose result may have any size.
    VariableItem,
}

#[repr(C)]
pub(crate) struct Task {
    magic: u64,
    /// The process of the worker. A copy that a function has forked shares the board, and must not
    /// write to it.
    mark: ProcessMark,
    file_limit: FileLimit,
    region: *const Region,
    state: *const UserState,
    seat: SeatIndex,
    arena: Arena,
    /// The slot of the current task.
    slot: Cell<u32>,
    role: Cell<TaskRole>,
    args: Cell<(*const u8, usize)>,
    buffer: Cell<ResultBuffer>,
    /// The length of the result.
    len: Cell<usize>,
    /// The block of a result on the heap.
    block: Cell<Option<Block>>,
    /// The file of a result that does not fit on the board.
    file: RefCell<Option<Memory>>,
    /// The result of a hook or a variable-size item.
    scratch: RefCell<Vec<AlignedBlock>>,
    /// The length of an item's result; `usize::MAX`: it is too large.
    item_len: Cell<usize>,
    /// What the task leaves if it fails, see [`failure_bytes`].
    failure: RefCell<Vec<u8>>,
    /// A result file that must be sent before the slot is finished.
    result_file: RefCell<Option<ResultFile>>,
    /// The status of the task if it fails.
    fail_status: Cell<Status>,
    /// When the function returned, a stamp.
    ended: Cell<u64>,
}

/// Bytes aligned for any type of C.
#[derive(Clone, Copy, Default)]
#[repr(C, align(16))]
struct AlignedBlock([u8; 16]);

/// Where the result of the current task goes. Its length, block and file are fields of their own:
/// if all were one cell, a small task would stall on reading it as a whole just after its parts
/// were written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ResultBuffer {
    Slot,
    Block,
    File,
}

/// A result that is not on the board. It is sent to the parent before the task ends.
pub(crate) struct ResultFile {
    pub(crate) key: SlotKey,
    pub(crate) len: u64,
    pub(crate) memory: Memory,
}

impl Task {
    /// The caller keeps `region` and `state` alive as long as the task.
    pub(super) fn new(
        region: &Region,
        seat: SeatIndex,
        state: &UserState,
        mark: ProcessMark,
        file_limit: FileLimit,
    ) -> Task {
        Task {
            magic: MAGIC,
            mark,
            file_limit,
            region,
            state,
            seat,
            arena: region.results_arena(seat),
            slot: Cell::new(0),
            role: Cell::new(TaskRole::Task),
            args: Cell::new((std::ptr::null(), 0)),
            buffer: Cell::new(ResultBuffer::Slot),
            len: Cell::new(0),
            block: Cell::new(None),
            file: RefCell::default(),
            scratch: RefCell::default(),
            item_len: Cell::new(0),
            failure: RefCell::default(),
            result_file: RefCell::default(),
            fail_status: Cell::new(Status::POOL_ERR_TASK),
            ended: Cell::new(0),
        }
    }

    /// The task that a pointer from C refers to, if it refers to one.
    ///
    /// # Safety
    /// As the header demands, the pointer is NULL, a handle of another kind, or the argument of a
    /// task function that does not return before the end of `'a`.
    #[inline]
    pub(crate) unsafe fn from_ptr<'a>(pointer: *const Task) -> Option<&'a Task> {
        // Handles of other kinds are odd numbers.
        if pointer.is_null() || !pointer.is_aligned() {
            return None;
        }
        // SAFETY: the caller guarantees that it is the `Task` of the worker that runs the function.
        let task = unsafe { &*pointer };
        (task.magic == MAGIC).then_some(task)
    }

    fn region(&self) -> &Region {
        // SAFETY: `new`'s caller keeps the region alive as long as the task.
        unsafe { &*self.region }
    }

    fn slot(&self) -> &Slot {
        self.region().board.slot(self.slot.get())
    }

    // ---- before the function -------------------------------------------------------------------

    /// Begins the task of this slot, which our seat has claimed.
    #[inline]
    pub(super) fn begin(&self, slot: u32) {
        self.slot.set(slot);
        self.role.set(TaskRole::Task);
        self.args.set(self.find_args());
        self.buffer.set(ResultBuffer::Slot);
        self.len.set(0);
        self.fail_status.set(Status::POOL_ERR_TASK);
    }

    /// Begins a hook; this slot holds its function and arguments for all workers.
    pub(super) fn begin_hook(&self, slot: u32) {
        self.begin(slot);
        self.role.set(TaskRole::Hook);
    }

    fn find_args(&self) -> (*const u8, usize) {
        let args = self.region().args_bytes(self.slot());
        args.map_or((std::ptr::null(), 0), |args| (args.as_ptr(), args.len()))
    }

    // ---- for the function ----------------------------------------------------------------------

    #[inline]
    pub(crate) fn args(&self) -> (*const u8, usize) {
        self.args.get()
    }

    /// A buffer for a result of this length; NULL: there is no memory for it, it does not fit the
    /// buffer of the item, or this is a forked copy of the worker.
    #[inline]
    pub(crate) fn result(&self, len: usize) -> *mut u8 {
        match self.mark.is_of_this_process() {
            true => self.result_buffer(len),
            false => std::ptr::null_mut(),
        }
    }

    #[inline]
    fn result_buffer(&self, len: usize) -> *mut u8 {
        match self.role.get() {
            TaskRole::Item { start, size } if len <= size => {
                self.item_len.set(len);
                start
            }
            TaskRole::Item { .. } => {
                self.item_len.set(usize::MAX);
                std::ptr::null_mut()
            }
            TaskRole::Task => self.result_of_task(len),
            TaskRole::Hook | TaskRole::VariableItem => self.scratch_buffer(len),
        }
    }

    fn scratch_buffer(&self, len: usize) -> *mut u8 {
        let mut scratch = self.scratch.borrow_mut();
        let blocks = len.div_ceil(size_of::<AlignedBlock>()).max(1);
        if let Some(more) = blocks.checked_sub(scratch.len()) {
            if scratch.try_reserve_exact(more).is_err() {
                self.item_len.set(0);
                return std::ptr::null_mut();
            }
            scratch.resize(blocks, AlignedBlock::default());
        }
        self.item_len.set(len);
        scratch.as_mut_ptr().cast()
    }

    #[inline]
    fn result_of_task(&self, len: usize) -> *mut u8 {
        if self.buffer.get() != ResultBuffer::Slot {
            self.release_buffer();
        }
        self.len.set(len);
        match self.slot().result_buffer(len) {
            Some(start) => start,
            None => self.find_external_buffer(len),
        }
    }

    #[cold]
    fn find_external_buffer(&self, len: usize) -> *mut u8 {
        if let Some(block) = self.arena.take(len)
            && let Some(start) = self.region().memory.bytes(self.arena.offset(block), len)
        {
            self.block.set(Some(block));
            self.buffer.set(ResultBuffer::Block);
            return start;
        }
        match Memory::for_result(len, self.file_limit) {
            Ok(memory) => {
                let start = memory.start();
                self.file.replace(Some(memory));
                self.buffer.set(ResultBuffer::File);
                start
            }
            Err(_) => {
                self.len.set(0);
                self.fail_status.set(Status::POOL_ERR_NOMEM);
                std::ptr::null_mut()
            }
        }
    }

    #[cold]
    fn release_buffer(&self) {
        self.release(self.detach_buffer());
    }

    /// Takes the result's buffer out, if it is not in the slot.
    fn detach_buffer(&self) -> (Option<Block>, Option<Memory>) {
        self.buffer.set(ResultBuffer::Slot);
        self.len.set(0);
        (self.block.take(), self.file.take())
    }

    fn release(&self, (block, _file): (Option<Block>, Option<Memory>)) {
        if let Some(block) = block {
            self.arena.give(block, &self.region().memory);
        }
    }

    /// Sets the result to a copy of the bytes, which lie elsewhere.
    pub(crate) fn return_bytes(&self, data: &[u8]) -> i32 {
        // SAFETY: a reference's bytes can be read.
        unsafe { self.return_copy(data) }
    }

    /// Sets the result to a copy of the bytes, which may be a part of the earlier result: so they are
    /// not passed by a reference, to whose bytes nobody may write as long as it lives.
    ///
    /// # Safety
    /// The bytes can be read.
    #[inline]
    pub(crate) unsafe fn return_copy(&self, data: *const [u8]) -> i32 {
        if !self.mark.is_of_this_process() {
            return Status::POOL_ERR_WRONG_PROCESS as i32;
        }
        // The buffer of an item is part of its chunk's, and stays.
        let has_own_buffer = self.role.get() == TaskRole::Task;
        match self.buffer.get() {
            ResultBuffer::Block | ResultBuffer::File if has_own_buffer => {
                // SAFETY: as the caller vouches.
                unsafe { self.replace_result(data) }
            }
            // SAFETY: as the caller vouches.
            _ => unsafe { self.copy_to_result(data) },
        }
    }

    /// The bytes may be in the earlier buffer, which is released after the copy.
    ///
    /// # Safety
    /// As for [`Task::return_copy`].
    #[cold]
    unsafe fn replace_result(&self, data: *const [u8]) -> i32 {
        let earlier = self.detach_buffer();
        // SAFETY: as the caller vouches; the earlier buffer still exists.
        let code = unsafe { self.copy_to_result(data) };
        self.release(earlier);
        code
    }

    /// # Safety
    /// As for [`Task::return_copy`].
    #[inline]
    unsafe fn copy_to_result(&self, data: *const [u8]) -> i32 {
        let buffer = self.result_buffer(data.len());
        if buffer.is_null() {
            return Status::POOL_ERR_NOMEM as i32;
        }
        // SAFETY: `result_buffer` returned a buffer of this length, and the caller vouches for `data`,
        // which may overlap it, in the slot.
        unsafe { buffer.copy_from(data.cast(), data.len()) };
        0
    }

    pub(crate) fn set_message(&self, message: &[u8]) {
        self.set_failure(&[], message);
    }

    /// What the task leaves if it fails: bytes, and the message of its error.
    pub(crate) fn set_failure(&self, data: &[u8], message: &[u8]) {
        *self.failure.borrow_mut() = failure_bytes::encode(data, message);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        let word = &self.slot().word;
        self.region().board.stage() == crate::board::Stage::Stop
            || word.is_cancel_requested()
            || word.is_overdue()
    }

    pub(crate) fn is_overdue(&self) -> bool {
        self.slot().word.is_overdue()
    }

    pub(crate) fn set_progress(&self, done: u64, total: u64) {
        if self.role.get() != TaskRole::Hook && self.mark.is_of_this_process() {
            let packed = u64::from(clock::pack(done)) << 32 | u64::from(clock::pack(total));
            self.slot().progress().store(packed, Relaxed);
        }
    }

    pub(crate) fn id(&self) -> u64 {
        match self.role.get() {
            TaskRole::Hook => 0,
            _ => self.slot().id(),
        }
    }

    pub(crate) fn worker(&self) -> u32 {
        // SAFETY: `new`'s caller keeps the state alive as long as the task.
        let state = unsafe { &*self.state };
        u32::from(state.first_seat) + u32::from(self.seat.0)
    }

    pub(crate) fn state(&self) -> *mut *mut c_void {
        // SAFETY: `new`'s caller keeps the state alive as long as the task.
        let state = unsafe { &*self.state };
        state.pointer.as_ptr()
    }

    /// Lets the worker exit after this task. A hook's worker exits only after its first task.
    pub(crate) fn retire_worker(&self) {
        // SAFETY: as above.
        let state = unsafe { &*self.state };
        state.tasks_left.set(0);
        state.is_retiring.set(true);
    }

    // ---- after the function --------------------------------------------------------------------

    /// Records how the task ended, whose function returned this code. See
    /// [`Task::take_result_file`].
    #[inline]
    pub(super) fn end(&self, code: i32, started: u64) -> Outcome {
        if code != 0 {
            return self.end_failed(self.fail_status.get(), code, started);
        }
        self.clear_failure();
        let result = match self.buffer.get() {
            ResultBuffer::Slot => BytesLocation::Inline { len: self.len.get() },
            ResultBuffer::Block | ResultBuffer::File => self.external_result(),
        };
        self.write_end(Ending { status: Status::POOL_OK, code: 0, result }, started);
        Outcome::Completed
    }

    /// The location of a result that is not in the slot. This worker does not own it any more.
    #[cold]
    fn external_result(&self) -> BytesLocation {
        self.buffer.set(ResultBuffer::Slot);
        let len = self.len.get() as u64;
        if let Some(block) = self.block.take() {
            return BytesLocation::Heap(FarBytes {
                location: self.arena.offset(block) as u64,
                len,
            });
        }
        let key = SlotKey { slot: self.slot.get(), generation: self.slot().word.generation() };
        self.result_file.replace(self.file.take().map(|memory| ResultFile { key, len, memory }));
        BytesLocation::File(FarBytes { location: 0, len })
    }

    /// The result file of the task that has just ended, if there is one. It must be sent before the
    /// slot is finished.
    #[inline]
    pub(super) fn take_result_file(&self) -> Option<ResultFile> {
        let has_file = self.result_file.borrow().is_some();
        if has_file { self.result_file.take() } else { None }
    }

    /// Records that the task failed, with the message that its function has set.
    pub(super) fn end_failed(&self, status: Status, code: i32, started: u64) -> Outcome {
        let failure = self.failure.take();
        let message = failure_bytes::message_in(&failure);
        let has_data = failure.len() > message.len() + 1;
        // Without memory for the data, the message may still have a place.
        if self.return_bytes(&failure) != 0 && has_data {
            self.return_bytes(&failure_bytes::encode(&[], message));
        }
        // A message alone is never sent in a file: if it fits neither the slot nor the heap, it is
        // dropped.
        if self.buffer.get() == ResultBuffer::File && !has_data {
            self.release_buffer();
        }
        let result = match self.buffer.get() {
            ResultBuffer::Slot => BytesLocation::Inline { len: self.len.get() },
            ResultBuffer::Block | ResultBuffer::File => self.external_result(),
        };
        self.write_end(Ending { status, code, result }, started);
        Outcome::Failed
    }

    #[inline]
    fn write_end(&self, ending: Ending, started: u64) {
        let slot = self.slot();
        let ended = clock::now();
        self.ended.set(ended);
        let queued = clock::pack(started.saturating_sub(slot.stamp()));
        let running = clock::pack(ended.saturating_sub(started));
        slot.end(ending, u64::from(queued) << 32 | u64::from(running));
    }

    /// When the function of the last task returned, a stamp.
    pub(super) fn ended(&self) -> u64 {
        self.ended.get()
    }

    pub(super) fn take_message(&self) -> String {
        let failure = self.failure.take();
        String::from_utf8_lossy(failure_bytes::message_in(&failure)).into_owned()
    }

    #[inline]
    fn clear_failure(&self) {
        if !self.failure.borrow().is_empty() {
            self.failure.borrow_mut().clear();
        }
    }
}

// ---- items of a chunk -------------------------------------------------------------------------------

impl Task {
    pub(super) fn begin_item(&self, item: &[u8], start: *mut u8, size: usize) {
        self.args.set((item.as_ptr(), item.len()));
        self.role.set(TaskRole::Item { start, size });
        self.item_len.set(0);
    }

    pub(super) fn begin_variable_item(&self, item: &[u8]) {
        self.args.set((item.as_ptr(), item.len()));
        self.role.set(TaskRole::VariableItem);
        self.item_len.set(0);
    }

    /// The arguments of the whole task.
    pub(super) fn args_bytes(&self) -> &[u8] {
        let (start, len) = self.args.get();
        if start.is_null() {
            return &[];
        }
        // SAFETY: `find_args` checked that they are on the board. Nothing writes to them while the
        // task runs, except a stray worker, and bytes have no invalid values.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// A buffer for the results of a chunk.
    pub(super) fn chunk_buffer(&self, len: usize) -> Option<*mut u8> {
        self.role.set(TaskRole::Task);
        let buffer = self.result_of_task(len);
        (!buffer.is_null()).then_some(buffer)
    }

    /// Sets how many bytes of the chunk's buffer are its result.
    pub(super) fn set_chunk_len(&self, len: usize) {
        self.len.set(len);
    }

    /// Copies bytes to a position in the chunk's buffer.
    pub(super) fn write_to_chunk(&self, to: *mut u8, bytes: &[u8]) {
        // SAFETY: `chunk::run` requested from `chunk_buffer` all that it writes, and `bytes` are
        // not in the buffer.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Ends an item whose function returned this code. The part of its buffer that is not its
    /// result becomes 0.
    pub(super) fn end_item(&self, code: i32) -> ItemStatus {
        if code == 0 {
            self.clear_failure();
        }
        let len = self.item_len.get();
        let status = match (code, len) {
            (0, usize::MAX) => Status::POOL_ERR_TOO_LARGE,
            (0, _) => Status::POOL_OK,
            (_, usize::MAX) => Status::POOL_ERR_TOO_LARGE,
            _ => Status::POOL_ERR_TASK,
        };
        if let TaskRole::Item { start, size } = self.role.get() {
            let used = if status == Status::POOL_OK { len } else { 0 };
            if used < size {
                // SAFETY: the item's buffer has `size` bytes, and its function has returned.
                unsafe { start.wrapping_add(used).write_bytes(0, size - used) };
            }
        }
        ItemStatus { status: status as i32, code }
    }

    /// Appends the result of a variable-size item that has ended, or its message if it failed. None:
    /// there is no memory.
    pub(super) fn take_item_result(&self, is_ok: bool, into: &mut Vec<u8>) -> Option<()> {
        let failure = self.failure.take();
        if !is_ok {
            into.extend_from_slice(failure_bytes::message_in(&failure));
            return Some(());
        }
        let scratch = self.scratch.borrow();
        let len = self.item_len.get().min(scratch.len() * size_of::<AlignedBlock>());
        into.try_reserve(len).ok()?;
        // SAFETY: `scratch` has at least `len` bytes, and all of them are initialised.
        into.extend_from_slice(unsafe { std::slice::from_raw_parts(scratch.as_ptr().cast(), len) });
        Some(())
    }

    /// Makes the whole task fail as this item did; returns the code of the task.
    pub(super) fn fail_as_item(&self, status: ItemStatus) -> i32 {
        if status.status == Status::POOL_ERR_TOO_LARGE as i32 {
            self.set_message(b"the result of an item is larger than the room for it");
            self.fail_status.set(Status::POOL_ERR_TOO_LARGE);
            return Status::POOL_ERR_TOO_LARGE as i32;
        }
        status.code
    }

    /// Ends the items of a chunk: the function is not called any more.
    pub(super) fn end_items(&self) {
        self.role.set(TaskRole::Task);
    }
}
