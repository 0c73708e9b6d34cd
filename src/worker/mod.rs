//! A worker's loop: take, resolve, call, finish. The same for threads and processes.
//!
//! What a worker holds is in the board: its seat in the word of the slot it has claimed, and its
//! bits in the bell. So whatever happens to it in a task, the watch can settle what it leaves.

pub(crate) mod boot;
mod module;
pub(crate) mod resolve;
pub(crate) mod start;
pub(crate) mod takeover;
mod task;
pub(crate) mod wire;

pub(crate) use task::{MESSAGE_MAX, Task};

use crate::board::Region;
use crate::board::slot::{Outcome, SeatIndex};
use crate::cells;
use crate::clock;
use crate::error::Status;
use resolve::Resolver;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wire::{Leave, Line, Message};

/// The library's version, which parent and worker must have in common: their board is the same.
pub(crate) fn version() -> u64 {
    env!("CARGO_PKG_VERSION")
        .split('.')
        .fold(0, |number, part| number * 1000 + part.parse::<u64>().unwrap_or(0))
}

thread_local! {
    /// The board whose worker this thread is: the address of its region, or 0.
    static HOME: Cell<usize> = const { Cell::new(0) };
}

/// Whether this thread is a worker of that board.
pub(crate) fn is_at_home(region: &Region) -> bool {
    HOME.get() == region.memory.start().addr()
}

pub(crate) struct Worker<'a> {
    region: &'a Region,
    seat: SeatIndex,
    line: &'a Line,
    resolver: Resolver,
    /// What [`cells::forks`] was when the worker began.
    forks: u32,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(
        region: &'a Region,
        seat: SeatIndex,
        line: &'a Line,
        resolver: Resolver,
    ) -> Worker<'a> {
        cells::note_forks();
        Worker { region, seat, line, resolver, forks: cells::forks() }
    }

    /// Works until told to leave.
    pub(crate) fn run(mut self) -> Leave {
        HOME.set(self.region.memory.start().addr());
        let task = Task::new(self.region, self.seat);
        loop {
            match self.region.board.next(self.seat) {
                None => return Leave::Told,
                Some(slot) => {
                    if let Err(why) = self.perform(&task, slot) {
                        return why;
                    }
                }
            }
        }
    }

    /// Runs the task of a slot that our seat has claimed.
    fn perform(&mut self, task: &Task, slot: u32) -> Result<(), Leave> {
        let board = &self.region.board;
        let index = board.slot(slot).function();
        let started = clock::now();
        board.note_start(self.seat, started);
        task.begin(slot);
        let outcome = match self.resolver.find(index, self.region) {
            Ok(function) => {
                let code = call(*function, task);
                if cells::forks() != self.forks {
                    leave_forked_copy();
                }
                let (outcome, parcel) = task.end(code, started);
                match parcel {
                    Some(parcel) => self.send(task, parcel, started),
                    None => outcome,
                }
            }
            // The watch puts the task back, and starts a worker of the right image.
            Err(words) => {
                task.leave_message(words.as_bytes());
                if self.resolver.is_elsewhere(index, self.region) {
                    return Err(Leave::WrongImage);
                }
                task.end_failed(Status::POOL_ERR_FUNCTION, 0, started)
            }
        };
        board.finish(self.seat, slot, outcome);
        Ok(())
    }

    /// Sends a result that does not lie on the board. It must be under way before the task is done.
    #[cold]
    fn send(&self, task: &Task, parcel: task::Parcel, started: u64) -> Outcome {
        let message = Message::File { task: parcel.task, len: parcel.len };
        match self.line.send(&message, parcel.memory.file()) {
            Ok(()) => Outcome::Completed,
            Err(_) => task.end_failed(Status::POOL_ERR_NOMEM, 0, started),
        }
    }
}

/// Calls the task's function. A panic that reaches us fails the task, like any other code.
fn call(function: resolve::TaskFunction, task: &Task) -> i32 {
    let pointer = std::ptr::from_ref(task).cast_mut().cast();
    // SAFETY: the submitter's promise: the pointer is to a task's function. The task outlives it.
    let run = || unsafe { function(pointer) };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(code) => code,
        Err(panic) => {
            let words = panic.downcast_ref::<&str>().copied().map(str::to_owned);
            let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
            task.leave_message(words.as_deref().unwrap_or("the function panicked").as_bytes());
            std::mem::forget(panic);
            i32::MIN
        }
    }
}

/// The function has forked, and this is the child: the seat belongs to the parent.
#[cold]
fn leave_forked_copy() -> ! {
    // SAFETY: ends the process without running anything.
    unsafe { libc::_exit(0) }
}

/// Runs `start` with all signals blocked, so that a thread it starts never runs a handler of the
/// host's.
pub(crate) fn signals_blocked<T>(start: impl FnOnce() -> T) -> T {
    let mut all = std::mem::MaybeUninit::uninit();
    let mut before = std::mem::MaybeUninit::uninit();
    // SAFETY: fills in the set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: one set that was filled in, and room for another.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr()) };
    let started = start();
    // SAFETY: the set that the call above has filled in.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    started
}
