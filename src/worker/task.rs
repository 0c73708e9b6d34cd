//! A task as its function sees it: arguments, room for a result, a message when it fails.
//!
//! There is one [`Task`] for each worker, used for one task after the other. C code holds a pointer
//! to it while its function runs.

use crate::board::Region;
use crate::board::heap::{Arena, Block};
use crate::board::memory::Memory;
use crate::board::record::{Ending, Far, Place, Slot};
use crate::board::slot::{Outcome, SeatIndex};
use crate::clock;
use crate::error::Status;
use crate::sync::Ordering::Relaxed;
use std::cell::{Cell, RefCell};
use std::ffi::c_void;

/// Marks a live `Task`, so that a stray pointer is told apart. The version is in it: a module that
/// is linked with another copy of the library finds the same struct or none.
const MAGIC: u64 = u64::from_be_bytes(*b"pool_tk\x01");

/// The most bytes of a message that `pool_error_t` can hold, without the NUL.
pub(crate) const MESSAGE_MAX: usize = 215;

#[repr(C)]
pub(crate) struct Task {
    magic: u64,
    region: *const Region,
    seat: SeatIndex,
    arena: Arena,
    /// The slot of the present task.
    slot: Cell<u32>,
    room: RefCell<Room>,
    message: RefCell<Vec<u8>>,
    /// There was no memory for the result.
    was_refused: Cell<bool>,
    state: Cell<*mut c_void>,
}

/// Where the present task's result goes.
enum Room {
    Slot { start: *mut u8, len: usize },
    Block { block: Block, len: usize },
    File { memory: Memory, len: usize },
}

/// A result that does not lie on the board, to be sent to the parent before the task ends.
pub(crate) struct Parcel {
    pub(crate) task: u64,
    pub(crate) len: u64,
    pub(crate) memory: Memory,
}

impl Task {
    /// The caller keeps the region alive as long as the task.
    pub(crate) fn new(region: &Region, seat: SeatIndex) -> Task {
        Task {
            magic: MAGIC,
            region,
            seat,
            arena: region.results_arena(seat),
            slot: Cell::new(0),
            room: RefCell::new(Room::Slot { start: std::ptr::null_mut(), len: 0 }),
            message: RefCell::default(),
            was_refused: Cell::new(false),
            state: Cell::new(std::ptr::null_mut()),
        }
    }

    /// The task behind a pointer of C's, if it is one.
    pub(crate) fn at<'a>(pointer: *const Task) -> Option<&'a Task> {
        if pointer.is_null() || !pointer.is_aligned() {
            return None;
        }
        // SAFETY: the header: the pointer came with a task's function that has not returned, so it
        // is that worker's `Task`. Handles of other kinds are odd numbers and were refused above.
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

    /// Begins with the task of this slot, which our seat has claimed.
    pub(crate) fn begin(&self, slot: u32) {
        self.slot.set(slot);
        *self.room.borrow_mut() = Room::Slot { start: std::ptr::null_mut(), len: 0 };
        self.was_refused.set(false);
    }

    pub(crate) fn args(&self) -> (*const u8, usize) {
        match self.slot().args() {
            (Place::Slot { len }, start) => (start, len),
            (Place::Heap(far) | Place::File(far), _) => {
                let (offset, len) = (far.place as usize, far.len as usize);
                let start = self.region().memory.bytes(offset, len);
                start.map_or((std::ptr::null(), 0), |start| (start.cast_const(), len))
            }
        }
    }

    /// Room for a result; NULL when there is no memory for it.
    pub(crate) fn result(&self, len: usize) -> *mut u8 {
        self.give_up_room();
        let (start, room) = match self.find_room(len) {
            Some(found) => found,
            None => {
                self.was_refused.set(true);
                return std::ptr::null_mut();
            }
        };
        *self.room.borrow_mut() = room;
        start
    }

    fn find_room(&self, len: usize) -> Option<(*mut u8, Room)> {
        if let Some(start) = self.slot().result_room(len) {
            return Some((start, Room::Slot { start, len }));
        }
        if let Some(block) = self.arena.take(len) {
            let start = self.region().memory.bytes(self.arena.offset(block), len)?;
            return Some((start, Room::Block { block, len }));
        }
        let memory = Memory::shared("carpool result", len).ok()?;
        Some((memory.start(), Room::File { memory, len }))
    }

    fn give_up_room(&self) {
        let empty = Room::Slot { start: std::ptr::null_mut(), len: 0 };
        if let Room::Block { block, .. } = self.room.replace(empty) {
            self.arena.give(block, &self.region().memory);
        }
    }

    pub(crate) fn return_copy(&self, data: &[u8]) -> i32 {
        let room = self.result(data.len());
        if room.is_null() {
            return Status::POOL_ERR_NOMEM as i32;
        }
        // SAFETY: `result` found room for these bytes, and `data` is no part of it: the room was
        // free until now.
        unsafe { room.copy_from(data.as_ptr(), data.len()) };
        0
    }

    pub(crate) fn leave_message(&self, message: &[u8]) {
        let message = String::from_utf8_lossy(&message[..message.len().min(4 * MESSAGE_MAX)]);
        let mut end = message.len().min(MESSAGE_MAX);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        *self.message.borrow_mut() = message.as_bytes()[..end].to_vec();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.region().board.stage() == crate::board::Stage::Stop
    }

    pub(crate) fn set_progress(&self, done: u64, total: u64) {
        let packed = u64::from(clock::pack(done)) << 32 | u64::from(clock::pack(total));
        self.slot().progress().store(packed, Relaxed);
    }

    pub(crate) fn id(&self) -> u64 {
        self.slot().id()
    }

    pub(crate) fn worker(&self) -> u32 {
        u32::from(self.seat.0)
    }

    pub(crate) fn state(&self) -> *mut *mut c_void {
        self.state.as_ptr()
    }

    /// Writes how the task ended, after its function returned this code. A parcel has to be sent
    /// before the slot is finished.
    pub(crate) fn end(&self, code: i32, started: u64) -> (Outcome, Option<Parcel>) {
        if code != 0 {
            let was_refused = self.was_refused.get();
            let status = if was_refused { Status::POOL_ERR_NOMEM } else { Status::POOL_ERR_TASK };
            return (self.end_failed(status, code, started), None);
        }
        if !self.message.borrow().is_empty() {
            self.message.borrow_mut().clear();
        }
        let empty = Room::Slot { start: std::ptr::null_mut(), len: 0 };
        let (result, parcel) = match self.room.replace(empty) {
            Room::Slot { len, .. } => (Place::Slot { len }, None),
            Room::Block { block, len } => {
                let place = self.arena.offset(block) as u64;
                (Place::Heap(Far { place, len: len as u64 }), None)
            }
            Room::File { memory, len } => {
                let (task, len) = (self.id(), len as u64);
                (Place::File(Far { place: task, len }), Some(Parcel { task, len, memory }))
            }
        };
        self.write_end(Ending { status: Status::POOL_OK, code: 0, result }, started);
        (Outcome::Completed, parcel)
    }

    /// Writes that the task failed, with the message that was left.
    pub(crate) fn end_failed(&self, status: Status, code: i32, started: u64) -> Outcome {
        let message = self.message.take();
        self.return_copy(&message);
        let result = match &*self.room.borrow() {
            Room::Slot { start, len } if !start.is_null() => Place::Slot { len: *len },
            Room::Block { block, len } => {
                let place = self.arena.offset(*block) as u64;
                Place::Heap(Far { place, len: *len as u64 })
            }
            // A message needs no file; without room for it there is none.
            Room::Slot { .. } | Room::File { .. } => Place::Slot { len: 0 },
        };
        self.write_end(Ending { status, code, result }, started);
        Outcome::Failed
    }

    fn write_end(&self, ending: Ending, started: u64) {
        let slot = self.slot();
        let queued = clock::pack(started.saturating_sub(slot.stamp()));
        let running = clock::pack(clock::now().saturating_sub(started));
        slot.end(ending, u64::from(queued) << 32 | u64::from(running));
    }
}
